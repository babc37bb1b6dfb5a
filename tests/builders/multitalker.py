"""Mixtures of several talkers and what models heard in them, tiny and made up: a workspace of train_multitalker.

How often words go wrong, and turns are cut off or never end, is drawn for each turn; tests say how often.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from evenvoice.data.schemas import COHORTS, CURVE, HEARD_TURNS, MIXTURES, SPEAKERS
from evenvoice.data.tables import rows_table, write_ipc_shards, write_table
from evenvoice.multitalker.evaluation import Settings, evaluate
from evenvoice.multitalker.turns import HeardTurn, Turn
from evenvoice.origins import Origin, features_digest, model_digest, write_contents
from evenvoice.params import BASE, load_params
from evenvoice.progress import Progress
from evenvoice.storage import read_json, write_json
from tests.builders.origins import FEATURES, UNITS

METHOD = "geographic"
MODEL = "multitalker"
WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath")
LOUD, QUIET = -2.0, -14.0
"""Logarithm of the power of speech, and of the noise under it."""
TAIL_S = 1.5
Row = dict[str, Any]


def said(speaker: str, start_s: float, end_s: float, text: str = "amber birch",
         pauses: Sequence[tuple[float, float]] = ()) -> Turn:
    """A turn in one line."""
    return Turn(speaker=speaker, start_s=start_s, end_s=end_s, text=text, pauses=tuple(pauses))


def heard(channel: int, start_s: float | None, end_s: float | None, text: str = "amber birch") -> HeardTurn:
    """A turn that was heard in one line."""
    return HeardTurn(channel=channel, start_s=start_s, end_s=end_s, text=text)


@dataclass(frozen=True, kw_only=True)
class World:
    """Who speaks, and how they are heard.

    Attributes:
        speakers: of each split, dealt to the cohorts in turn.
        turns: of each of them.
        wer: cohort -> share of words that go wrong.
        cut, missed: shares of turns that are cut off, and whose end is never told.
        slower: each speaker speaks slower by so much than the one before, in seconds per word.
    """

    speakers: int = 24
    turns: int = 4
    wer: Mapping[str, float] = field(default_factory=lambda: {"north": 0.1, "south": 0.4})
    cut: float = 0.1
    missed: float = 0.1
    slower: float = 0.01


@dataclass(frozen=True)
class Workspace:
    """Paths of a run of train_multitalker."""

    root: Path

    @property
    def mixtures(self) -> Path:
        return self.root / "artifacts" / "mixtures"

    @property
    def turns(self) -> Path:
        return self.root / "artifacts" / "turns"

    @property
    def models(self) -> Path:
        return self.root / "artifacts" / "multitalker_models"

    @property
    def base_model(self) -> Path:
        return self.root / "artifacts" / "models" / BASE

    @property
    def corpus(self) -> Path:
        return self.root / "artifacts" / "corpus"

    @property
    def cohorts(self) -> Path:
        return self.root / "artifacts" / "cohorts"

    @property
    def evaluation(self) -> Path:
        return self.root / "artifacts" / "multitalker"

    def evaluate(self, *, replicates: int = 200, min_speakers: int = 10, columns: tuple[str, ...] = ("gender",),
                 seed: int = 1) -> Path:
        """Run what evaluate_multitalker runs; returns where it wrote."""
        params = load_params()
        settings = Settings(evaluate=params.evaluate.model_copy(update={"replicates": replicates}),
                            multitalker=params.evaluate_multitalker.model_copy(update={"columns": columns}),
                            min_speakers=min_speakers, n_mels=params.featurize.n_mels,
                            hop_ms=params.featurize.hop_ms, seed=seed)
        evaluate(mixtures=self.mixtures, turns=self.turns, models=self.models, base_model=self.base_model,
                 corpus=self.corpus, cohorts=self.cohorts, method=METHOD, out=self.evaluation, settings=settings,
                 progress=Progress("evaluate_multitalker"))
        return self.evaluation


def write_workspace(directory: Path, world: World | None = None, *, model: Path | None = None, base: Path | None = None,
                    seed: int = 0, evaluated: bool = True) -> Workspace:
    """Write everything that evaluate_multitalker reads, and unless ``evaluated`` is false what it writes.

    Args:
        directory: of the workspace.
        model, base: directories of models to copy; otherwise models are nothing but an identity.
    """
    made, space = world or World(), Workspace(directory)
    rng = np.random.default_rng(seed)
    mixtures = {split: list(_mixtures(split, made, rng)) for split in ("train", "validate", "test")}
    mixtures["test"].append({**_row("test-silent", "test", []), "heard": [heard(0, 0.5, 1.0, "amber")]})
    write_mixtures(space.mixtures, [{name: row[name] for name in MIXTURES.names}
                                    for rows in mixtures.values() for row in rows])
    _write_models(space, model, base)
    _write_people(space, made)
    rows = [row for split in ("validate", "test") for row in mixtures[split]]
    write_turns(space, {MODEL: {row["mixture"]: row["heard"] for row in rows},
                        BASE: {row["mixture"]: _as_one(row["heard"]) for row in rows}})
    if evaluated:
        space.evaluate()
    return space


def write_mixtures(directory: Path, rows: Sequence[Row]) -> None:
    """What the mix stage writes, from rows of the MIXTURES table."""
    directory.mkdir(parents=True, exist_ok=True)
    write_ipc_shards(directory, "mixtures", MIXTURES, rows_table(list(rows), MIXTURES).to_batches(), 128, "features")
    splits = {}
    for split in ("train", "validate", "test"):
        turns = [turn for row in rows if row["split"] == split for turn in row["turns"]]
        splits[split] = {"mixtures": sum(row["split"] == split for row in rows), "turns": len(turns),
                         "speakers": len({turn["speaker"] for turn in turns}), "hours": 0.1, "overlap_share": 0.1}
    write_json(directory / "summary.json", {"splits": splits, "source": "mixed", "labelled": "recorded",
                                            "speakers_overlap": False})
    write_contents(directory)


def write_turns(space: Workspace, turns: Mapping[str, Mapping[str, Sequence[HeardTurn]]]) -> None:
    """What the stage that transcribes mixtures writes: of each model and mixture, what it heard."""
    rows = [{"model": model, "mixture": mixture, "split": mixture.partition("-")[0], "channel": turn.channel,
             "start_s": turn.start_s, "end_s": turn.end_s, "text": turn.text}
            for model, of in turns.items() for mixture, found in of.items() for turn in found]
    write_table(space.turns / "turns.parquet", rows_table(rows, HEARD_TURNS))
    write_json(space.turns / "origin.json", {"model": model_digest(space.models / MODEL),
                                             "base": model_digest(space.base_model),
                                             "mixtures": features_digest(space.mixtures)})


def mixture_row(name: str, turns: Sequence[Turn], *, duration_s: float | None = None, n_mels: int = 64,
                hop_s: float = 0.01) -> Row:
    """A row of the MIXTURES table, loud where somebody speaks; its split is what the name begins with."""
    lasts_s = duration_s or max((turn.end_s for turn in turns), default=2.0) + TAIL_S
    frames = round(lasts_s / hop_s)
    power_T = np.full(frames, QUIET)
    for turn in turns:
        power_T[round(turn.start_s / hop_s):round(turn.end_s / hop_s)] = LOUD
        for start_s, end_s in turn.pauses:
            power_T[round(start_s / hop_s):round(end_s / hop_s)] = QUIET
    features_TM = np.repeat(power_T[:, None], n_mels, axis=1).astype(np.float16)
    return {"mixture": name, "split": name.partition("-")[0], "duration_s": lasts_s, "frames": frames,
            "features": features_TM.tobytes(), "turns": [
                {"speaker": turn.speaker, "start_s": turn.start_s, "end_s": turn.end_s, "text": turn.text,
                 "pauses": [{"start_s": start_s, "end_s": end_s} for start_s, end_s in turn.pauses]}
                for turn in turns]}


def cohort_of(speaker: str, world: World) -> str:
    """Of a speaker of any split."""
    return sorted(world.wer)[int(speaker.rpartition("-")[2]) % len(world.wer)]


def _row(name: str, split: str, turns: Sequence[Turn]) -> Row:
    assert name.startswith(split)
    return mixture_row(name, turns, n_mels=_n_mels())


@cache
def _n_mels() -> int:
    return load_params().featurize.n_mels


def _mixtures(split: str, world: World, rng: np.random.Generator) -> Iterator[Row]:
    """Two turns each, of which every second pair overlaps; ``heard`` is what the model makes of them."""
    names = [f"{split}-{number:03d}" for number in range(world.speakers) for _ in range(world.turns)]
    order = [names[number] for number in rng.permutation(len(names))]
    for number in range(len(order) // 2):
        turns: list[Turn] = []
        start_s = 0.5
        for speaker in order[2 * number:2 * number + 2]:
            texts = [WORDS[word] for word in rng.integers(len(WORDS), size=6)]
            end_s = start_s + 6 * (0.3 + world.slower * int(speaker.rpartition("-")[2]))
            turns.append(said(speaker, start_s, end_s, " ".join(texts)))
            start_s = end_s + (-0.4 if number % 2 else 0.6)
        overlaps = turns[1].start_s < turns[0].end_s
        found = [_heard(turn, int(overlaps and place == 1), world, rng) for place, turn in enumerate(turns)]
        yield {**_row(f"{split}-m{number:04d}", split, turns), "heard": found}


def _heard(turn: Turn, channel: int, world: World, rng: np.random.Generator) -> HeardTurn:
    wrong = rng.random(turn.words) < world.wer[cohort_of(turn.speaker, world)]
    text = " ".join("wrong" if bad else word for word, bad in zip(turn.text.split(), wrong, strict=True))
    late_s = -0.5 if rng.random() < world.cut else float(rng.uniform(0.2, 0.4))
    ended = rng.random() >= world.missed
    return heard(channel, turn.start_s + float(rng.uniform(0.1, 0.3)), turn.end_s + late_s if ended else None, text)


def _as_one(turns: Sequence[HeardTurn]) -> list[HeardTurn]:
    """What a recogniser of one talker makes of it, which follows one of two who speak at once."""
    own = [turn for turn in turns if turn.channel == 0]
    ends = [turn.end_s for turn in own if turn.end_s is not None]
    return [heard(0, own[0].start_s, max(ends, default=None), " ".join(turn.text for turn in own))] if own else []


def _write_models(space: Workspace, model: Path | None, base: Path | None) -> None:
    for directory, given in ((space.base_model, base), (space.models / MODEL, model)):
        if given is not None:
            shutil.copytree(given, directory)
        else:
            write_json(directory / "config.json", {"units_sha256": UNITS, "weights_sha256": directory.name})
    own = space.models / MODEL
    known = read_json(own / "summary.json") if (own / "summary.json").is_file() else {}
    write_json(own / "summary.json", {"parameters": 10, "steps": 2, "audio_s": 100.0, "tokens": "turns", **known,
                                      "mixtures": features_digest(space.mixtures),
                                      "base": model_digest(space.base_model)})
    write_table(own / "curve.parquet", rows_table(
        [{"step": step, "loss": 1.0 / step, "learning_rate": 0.001} for step in (1, 2)], CURVE))


def _write_people(space: Workspace, world: World) -> None:
    rows: list[Row] = []
    for split in ("train", "discover", "validate", "test"):
        rows += [{"speaker": f"{split}-{number:03d}", "split": split, "further": [],
                  "gender": "female" if number % 4 < 2 else "male"} for number in range(world.speakers)]
    write_table(space.corpus / "speakers.parquet", rows_table(rows, SPEAKERS))
    write_json(space.corpus / "summary.json", {
        "labelled": "recorded", "speakers_overlap": False, "hours": 1.5,
        "splits": {split: {"speakers": world.speakers} for split in ("train", "discover", "validate", "test")}})
    cohorts = [{"speaker": row["speaker"], "split": row["split"], "cohort": cohort_of(row["speaker"], world)}
               for row in rows]
    write_table(space.cohorts / METHOD / "cohorts.parquet", rows_table(cohorts, COHORTS))
    origin = Origin(model=model_digest(space.base_model), features=FEATURES, tokenizer=UNITS)
    write_json(space.cohorts / METHOD / "description.json", {"origin": origin.to_json()})
