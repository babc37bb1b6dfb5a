"""The mix stage: mixtures of each split, of its own speakers only, as features with their turns."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from evenvoice.data.extraction import cores, read_samples
from evenvoice.data.features import LogMel
from evenvoice.data.schemas import MIXTURES, UTTERANCES
from evenvoice.data.tables import iterate_batches, parquet_shards, rows_table, write_ipc_shards
from evenvoice.errors import CorpusError
from evenvoice.multitalker.mixing import Mixed, Voiced, mixed, speech_of
from evenvoice.multitalker.plans import Plan, Recordings, plan_mixtures
from evenvoice.multitalker.turns import Turn, channels_of
from evenvoice.origins import write_contents
from evenvoice.params import Featurize, Mix
from evenvoice.progress import Progress
from evenvoice.storage import fresh_directory, write_json

SPLITS: Final = ("train", "validate", "test")
"""Those that have mixtures: nothing is discovered in them."""
ROWS_AT_ONCE: Final = 64
AT_ONCE: Final = 32
"""Mixtures that threads work on together."""
KEPT: Final = ["utterance", "speaker", "split", "text", "duration_s", "audio"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What decides the mixtures."""

    mix: Mix
    featurize: Featurize
    sample_rate: int
    seed: int

    def count(self, split: str) -> int:
        """Mixtures of a split."""
        return int({"train": self.mix.train, "validate": self.mix.validate_, "test": self.mix.test}[split])


def mix_corpus(*, corpus: Path, out: Path, settings: Settings, progress: Progress) -> None:
    """Mix the recordings of a corpus.

    Raises:
        CorpusError: a split has no recordings.
        ArtifactError: audio that does not decode to what its row says.
    """
    index = _index(corpus)
    plans = {split: _plans(index, split, settings) for split in SPLITS}
    progress.total, progress.unit = sum(map(len, plans.values())), "mixture"
    log_mel, summary = LogMel(settings.featurize, settings.sample_rate), {}
    with fresh_directory(out) as draft:
        for split in SPLITS:
            found = _Summary()
            wanted = {turn.recording for plan in plans[split] for turn in plan.turns}
            voices = _voices(corpus, index[split], wanted, settings.sample_rate)
            rows = _rows(plans[split], voices, split, log_mel, settings)
            write_ipc_shards(draft, f"mixtures-{split}", MIXTURES, _batches(found.counted(rows), progress),
                             settings.mix.shard_mb, "features")
            summary[split] = found.to_json()
        finish(draft, summary, "mixed")


def finish(draft: Path, splits: dict[str, Any], source: str) -> None:
    """Write what stands beside the mixtures."""
    write_json(draft / "summary.json", {"splits": splits, "source": source})
    write_contents(draft)


@dataclass(frozen=True)
class _Split:
    """Recordings of one split, in the order of the corpus."""

    rows: list[int]
    """Their places in the corpus."""
    speakers: list[str]
    texts: list[str]


def _index(corpus: Path) -> dict[str, _Split]:
    found = {split: _Split([], [], []) for split in SPLITS}
    columns = ["speaker", "split", "text"]
    place = itertools.count()
    for shard in parquet_shards(corpus / "utterances"):
        for batch in iterate_batches(shard, UTTERANCES, columns, 4096):
            for speaker, split, text in zip(*(batch[name].to_pylist() for name in columns), strict=True):
                number = next(place)
                if split in found:
                    found[split].rows.append(number)
                    found[split].speakers.append(speaker)
                    found[split].texts.append(text)
    return found


def _plans(index: dict[str, _Split], split: str, settings: Settings) -> list[Plan]:
    if not index[split].rows:
        raise CorpusError(name=f"the {split} split", rule="hold recordings to mix", value="none",
                          action=f"Give it a share of the speakers (ingest.split.{split}).")
    return plan_mixtures(Recordings.by_speaker(index[split].speakers), count=settings.count(split), split=split,
                         settings=settings.mix, seed=settings.seed)


def _voices(corpus: Path, split: _Split, wanted: set[int], rate: int) -> dict[int, Voiced]:
    """The speech of the wanted recordings of a split. Each is kept once: memory grows with the mixtures' turns."""
    number_of = {split.rows[number]: number for number in wanted}
    voices: dict[int, Voiced] = {}
    place = 0
    for shard in parquet_shards(corpus / "utterances"):
        for batch in iterate_batches(shard, UTTERANCES, KEPT, ROWS_AT_ONCE):
            for row in range(len(batch)):
                if (number := number_of.get(place + row)) is not None:
                    speech_T = speech_of(read_samples(batch, row, rate), rate)
                    voices[number] = Voiced(speech_T.astype(np.float16), split.texts[number])
            place += len(batch)
    return voices


def _rows(plans: Sequence[Plan], voices: dict[int, Voiced], split: str, log_mel: LogMel,
          settings: Settings) -> Iterator[dict[str, Any]]:
    def row(plan: Plan) -> dict[str, Any]:
        recordings = [voices[turn.recording] for turn in plan.turns]
        made = mixed(plan, [Voiced(one.samples_T.astype(np.float32), one.text) for one in recordings],
                     settings.sample_rate, settings.mix.noise_db)
        return mixture_row(plan.name, split, made, log_mel)

    # matrix products must not start threads of their own within each of ours
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(cores()) as threads:
        for first in range(0, len(plans), AT_ONCE):
            yield from threads.map(row, plans[first:first + AT_ONCE])


def mixture_row(name: str, split: str, made: Mixed, log_mel: LogMel) -> dict[str, Any]:
    """One row of the MIXTURES table.

    Raises:
        CorpusError: three turns at once.
    """
    channels_of(made.turns, name)
    features_FM = log_mel(made.samples_T)
    return {"mixture": name, "split": split, "duration_s": len(made.samples_T) / log_mel.sample_rate,
            "frames": len(features_FM), "turns": [_turn(turn) for turn in made.turns],
            "features": features_FM.astype(np.float16).tobytes()}


def _turn(turn: Turn) -> dict[str, Any]:
    return {"speaker": turn.speaker, "start_s": turn.start_s, "end_s": turn.end_s, "text": turn.text,
            "pauses": [{"start_s": start_s, "end_s": end_s} for start_s, end_s in turn.pauses]}


def _batches(rows: Iterable[dict[str, Any]], progress: Progress) -> Iterator[pa.RecordBatch]:
    for row in rows:
        yield from rows_table([row], MIXTURES).to_batches()
        progress.advance()


class _Summary:
    """What the mixtures of a split hold."""

    def __init__(self) -> None:
        self.mixtures = self.turns = 0
        self.speakers: set[str] = set()
        self.seconds = self.spoken_s = self.together_s = 0.0

    def counted(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Pass rows on."""
        for row in rows:
            self.mixtures += 1
            self.turns += len(row["turns"])
            self.speakers |= {turn["speaker"] for turn in row["turns"]}
            self.seconds += row["duration_s"]
            spans = [(turn["start_s"], turn["end_s"]) for turn in row["turns"]]
            one_s, two_s = _spoken(spans)
            self.spoken_s += one_s
            self.together_s += two_s
            yield row

    def to_json(self) -> dict[str, Any]:
        """As plain values; the overlap is a share of the time in which somebody speaks."""
        return {"mixtures": self.mixtures, "turns": self.turns, "speakers": len(self.speakers),
                "hours": self.seconds / 3600,
                "overlap_share": self.together_s / self.spoken_s if self.spoken_s else 0.0}


def _spoken(spans: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Seconds in which somebody speaks, and in which two do."""
    times: NDArray[np.float64] = np.unique([time for span in spans for time in span])
    spoken_s = together_s = 0.0
    for start_s, end_s in itertools.pairwise(times.tolist()):
        talkers = sum(first <= start_s and end_s <= last for first, last in spans)
        spoken_s += (end_s - start_s) * (talkers > 0)
        together_s += (end_s - start_s) * (talkers > 1)
    return spoken_s, together_s
