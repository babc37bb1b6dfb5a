"""Tiny recognisers of two talkers, and mixtures in which every character has a pattern of mel bands of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from evenvoice.data.schemas import MIXTURES
from evenvoice.data.tables import rows_table
from evenvoice.models.recogniser import Recogniser
from evenvoice.models.shapes import SeparatorShape
from evenvoice.multitalker.labels import FURTHER, Tokens, TurnLabels
from evenvoice.multitalker.store import MixtureStore
from evenvoice.multitalker.targets import TurnTargets
from evenvoice.multitalker.turns import Turn
from evenvoice.origins import write_contents
from evenvoice.storage import write_json
from evenvoice.training.settings import FitSettings, TurnWeights
from tests.builders.ipc import write_rows
from tests.builders.models import FRAMES_PER_CHARACTER, MELS, spoken, tiny_recogniser, tiny_settings

HOP_S = 0.01
WEIGHTS = TurnWeights(fastemit=0.01, activity=0.5, late=0.1, late_after=2.0, early=0.1)
"""Of a loss in which everything has a part."""
Said = Sequence[tuple[str, float, str]]
"""Speaker, start in seconds and words of each turn."""
SAID: tuple[Said, ...] = ((("a", 0.1, "yes"), ("b", 0.4, "no")), (("a", 0.1, "one"),), ())
"""Two at once, one alone, and nobody."""


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
            branch.correct.reset_parameters()
    return recogniser


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


def turn_settings(**changes: object) -> FitSettings:
    """A training of a few steps in which the times of turns count."""
    return replace(tiny_settings(**changes), turns=WEIGHTS)  # type: ignore[arg-type]


def turn_targets(recogniser: Recogniser, store: MixtureStore) -> TurnTargets:
    """What the recogniser is to learn of these mixtures."""
    shape = recogniser.separator
    assert shape is not None
    return TurnTargets(store, TurnLabels(recogniser.tokenizer, shape.tokens), recogniser.frame_s)


def write_mixtures(directory: Path, rows: Sequence[dict[str, object]]) -> None:
    """What the mix stage would leave in ``directory``."""
    directory.mkdir(parents=True)
    write_rows(directory, "mixtures", MIXTURES, list(rows))
    write_json(directory / "summary.json", {"source": "mixed", "splits": {}})
    write_contents(directory)
