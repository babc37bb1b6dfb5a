"""Tiny recognisers of two talkers, and mixtures in which every character has a pattern of mel bands of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import cycle
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from evenvoice.data.audio import Waveform, encode_wav
from evenvoice.data.features import LogMel
from evenvoice.data.schemas import MIXTURES
from evenvoice.data.tables import rows_table
from evenvoice.models.recogniser import Recogniser
from evenvoice.models.shapes import SeparatorShape
from evenvoice.models.transducer import BLANK
from evenvoice.multitalker.labels import FURTHER, Tokens, TurnLabels
from evenvoice.multitalker.store import MixtureStore
from evenvoice.multitalker.targets import TurnTargets
from evenvoice.multitalker.turns import Turn, channels_of
from evenvoice.origins import write_contents
from evenvoice.progress import Progress
from evenvoice.storage import write_json
from evenvoice.training.feed import MakeTargets
from evenvoice.training.loop import fit
from evenvoice.training.objective import Targets
from evenvoice.training.settings import FitSettings, TurnWeights
from tests.builders.audio import tone
from tests.builders.features import Said as Recording
from tests.builders.ipc import write_rows
from tests.builders.models import (
    FEATURIZE,
    FRAMES_PER_CHARACTER,
    MELS,
    TEXTS,
    TOKENIZER,
    spoken,
    tiny_recogniser,
    tiny_settings,
)

HOP_S = 0.01
WEIGHTS = TurnWeights(fastemit=0.01, activity=0.5, late=0.1, late_after=2.0, early=0.1)
"""Of a loss in which everything has a part."""
Said = Sequence[tuple[str, float, str]]
"""Speaker, start in seconds and words of each turn."""
SAID: tuple[Said, ...] = ((("a", 0.1, "yes"), ("b", 0.4, "no")), (("a", 0.1, "one"),), ())
"""Two at once, one alone, and nobody."""
LONGER: tuple[Said, ...] = ((("a", 0.1, "yes one"), ("b", 0.6, "no two")), (("a", 0.3, "one no"),), ())
"""Turns of more labels than one frame may emit, so none is written all at its end."""
PROMPT = TurnWeights(fastemit=0.5, activity=0.5, late=1.0, late_after=2.0, early=1.0)
"""Of a loss that a few steps lower by writing soon: otherwise greedy search finds no frame sure enough."""
RATE = 8000
"""Of the audio that tiny recognisers hear."""


def tiny_multitalker(*, encoder: str = "lstm", tokens: Tokens = "turns", width: int = 16, lookahead: int = 0,
                     seed: int = 1) -> Recogniser:
    """An untrained recogniser of two talkers; its channels differ, as they do once it was trained."""
    base = tiny_recogniser(encoder=encoder, width=width, lookahead=lookahead, seed=seed)
    shape = SeparatorShape(mixture_width=8, branch_width=8, tokens=tokens)
    recogniser = base.with_separator(shape, further_labels=FURTHER[tokens], seed=seed)
    separator = recogniser.transducer.encoder.separator
    assert separator is not None
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        for branch in separator.branches:
            assert isinstance(branch.correct, torch.nn.Linear)
            branch.correct.reset_parameters()
    return recogniser


def talkative_multitalker(*, tokens: Tokens = "turns", lookahead: int = 0) -> Recogniser:
    """An untrained recogniser that writes whatever comes to it, spaces and marks of turns too."""
    recogniser = tiny_multitalker(encoder="convrnnt", tokens=tokens, lookahead=lookahead, width=32)
    recogniser.transducer.set_normalisation(torch.full((MELS,), -12.0), torch.full((MELS,), 1.2))
    joiner, generator = recogniser.transducer.joiner, torch.Generator().manual_seed(2)
    with torch.no_grad():
        for layer, strength in ((joiner.output, 1.0), (joiner.frame, 2.0), (joiner.label, 1.0)):
            layer.weight.normal_(0.0, strength, generator=generator)
        joiner.output.bias.zero_()
        for label, liked in ((BLANK, 2.0), (TOKENIZER.encode(" ")[0], 2.0), (slice(TOKENIZER.size, None), 1.0)):
            joiner.output.bias[label] = liked
    return recogniser


def babble(seconds: float = 2.4) -> np.ndarray:
    """Samples (T,) of which every 60 ms are another tone, loud or soft."""
    rng = np.random.default_rng(1)
    return np.concatenate([tone(0.06, RATE, rng.uniform(100, 3900), 10 ** rng.uniform(-3, -0.3)).samples
                           for _ in range(round(seconds / 0.06))])


@cache
def attentive_multitalker() -> Recogniser:
    """A recogniser that has learned by heart to write audio of LONGER while it hears it; not to be changed."""
    recogniser = tiny_multitalker(width=32)
    store = audible_store()
    heard_FM = np.concatenate([store.features(i) for i in range(len(store))]).astype(np.float32)
    recogniser.transducer.set_normalisation(*(torch.from_numpy(one_M) for one_M in (heard_FM.mean(0), heard_FM.std(0))))
    learn(recogniser, store, Dictation(turn_targets(recogniser, store)))
    return recogniser


def learn(recogniser: Recogniser, store: MixtureStore, targets: MakeTargets) -> None:
    """Learn mixtures by heart."""
    settings = replace(turn_settings(steps=150, batch_s=30.0, learning_rate=0.01), turns=PROMPT)
    fit(recogniser=recogniser, store=store, indices=store.indices("train"), seed=1, progress=Progress("test"),
        settings=settings, checkpoint_dir=None, targets=targets)


class Dictation:
    """Targets in which every label is due: a start with its turn, each character once it was said.

    Otherwise a tiny model may just as well write all of a turn at its end.
    """

    def __init__(self, targets: TurnTargets) -> None:
        self._targets = targets

    def __call__(self, indices: NDArray[np.int64], frames: int) -> Targets:
        """As :class:`TurnTargets`."""
        found, of = self._targets(indices, frames), self._targets
        due_RU = torch.full(found.labels_BU.shape, torch.nan)
        channels = [channel for i in indices for channel in channels_of(of.store.turns[i], str(i))]
        for due_U, turns in zip(due_RU, channels, strict=True):
            due_s = [turn.start_s + length_s(turn.text[:said]) for turn in turns
                     for said in (0, *range(1, len(turn.text) + 1), len(turn.text))]
            due_U[:len(due_s)] = torch.tensor(due_s) / of.frame_s
        return replace(found, due_BU=due_RU)


def length_s(text: str) -> float:
    """Seconds that a text takes to say."""
    return len(text) * FRAMES_PER_CHARACTER * HOP_S


def mixture_row(name: str, said: Said, split: str = "train", tail_s: float = 0.4) -> dict[str, object]:
    """One row of the MIXTURES table."""
    turns = [Turn(speaker=speaker, start_s=start_s, end_s=start_s + length_s(text), text=text)
             for speaker, start_s, text in said]
    frames = round((max((turn.end_s for turn in turns), default=0.5) + tail_s) / HOP_S)
    features_FM = np.zeros((frames, MELS), np.float16)
    for turn in turns:
        first = round(turn.start_s / HOP_S)
        features_FM[first:first + len(spoken(turn.text))] += spoken(turn.text)
    return {"mixture": name, "split": split, "duration_s": frames * HOP_S, "frames": frames,
            "features": features_FM.tobytes(),
            "turns": [{"speaker": turn.speaker, "start_s": turn.start_s, "end_s": turn.end_s, "text": turn.text,
                       "pauses": []} for turn in turns]}


def mixture_store(said: Sequence[Said] = SAID) -> MixtureStore:
    """Mixtures ``m0``, ``m1`` ... of the train split."""
    return MixtureStore(rows_table([mixture_row(f"m{number}", one) for number, one in enumerate(said)], MIXTURES), MELS)


def speech(text: str) -> np.ndarray:
    """Samples (T,) in which every character is a tone of its own."""
    return np.concatenate([tone(length_s(one), RATE, 200.0 * (1 + TOKENIZER.encode(one)[0]), 0.4).samples
                           for one in text])


def audio_of(said: Said, tail_s: float = 0.4) -> np.ndarray:
    """Samples (T,) of :func:`speech` over a little noise."""
    ends_s = [start_s + length_s(text) for _, start_s, text in said]
    samples_T = np.random.default_rng(0).normal(0, 1e-3, round((max(ends_s, default=0.5) + tail_s) * RATE))
    for _, start_s, text in said:
        speech_T = speech(text)
        samples_T[round(start_s * RATE):][:len(speech_T)] += speech_T
    return samples_T.astype(np.float32)


def audible_store(said: Sequence[Said] = LONGER) -> MixtureStore:
    """Mixtures of the train split whose features are those of :func:`audio_of`."""
    rows = []
    for number, one in enumerate(said):
        features_FM = LogMel(FEATURIZE, RATE)(audio_of(one)).astype(np.float16)
        rows.append({**mixture_row(f"m{number}", one), "frames": len(features_FM), "features": features_FM.tobytes()})
    return MixtureStore(rows_table(rows, MIXTURES), MELS)


def turn_settings(**changes: object) -> FitSettings:
    """A training of a few steps in which the times of turns count."""
    return replace(tiny_settings(**changes), turns=WEIGHTS)  # type: ignore[arg-type]


def turn_targets(recogniser: Recogniser, store: MixtureStore) -> TurnTargets:
    """What the recogniser is to learn of these mixtures."""
    shape = recogniser.separator
    assert shape is not None
    return TurnTargets(store, TurnLabels(recogniser.tokenizer, shape.tokens), recogniser.frame_s,
                       recogniser.transducer.encoder.lookahead)


def spoken_corpus(splits: Mapping[str, int], texts: Sequence[str] = TEXTS) -> list[Recording]:
    """Recordings of so many speakers of each split, each of whom says one of the texts."""
    names = [(split, number) for split, speakers in splits.items() for number in range(speakers)]
    return [Recording(f"{split}-{number}", split=split, text=text, declared_s=length_s(text),
                      audio=encode_wav(Waveform(speech(text), RATE)))
            for (split, number), text in zip(names, cycle(texts), strict=False)]


def write_mixtures(directory: Path, rows: Sequence[dict[str, object]]) -> None:
    """What the mix stage would leave in ``directory``."""
    directory.mkdir(parents=True)
    write_rows(directory, "mixtures", MIXTURES, list(rows))
    write_json(directory / "summary.json", {"source": "mixed", "splits": {}})
    write_contents(directory)
