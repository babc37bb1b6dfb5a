"""What the benchmark of two talkers makes of the figures of several seeds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks.multitalker import SHOWN, against, line, silence, table, table_of_endings
from benchmarks.talkers.arms import ARMS, ENDING, REFERENCE
from benchmarks.talkers.figure import endings_figure
from evenvoice.metrics.bootstrap import SpeakerTable
from evenvoice.multitalker.evidence import CHALLENGER
from evenvoice.multitalker.resampling import TurnBootstrap
from evenvoice.params import load_params

FIGURES: dict[str, Any] = {**dict.fromkeys(SHOWN, 0.1), "speakers": 30, "turns": 90, "words": 600}


class Made:
    """A trial in which every speaker made so many errors in twenty words."""

    def __init__(self, errors: int, speakers: int = 30, **changes: object) -> None:
        rng = np.random.default_rng(errors)
        counts = SpeakerTable(errors + rng.integers(0, 2, speakers), np.full(speakers, 20))
        self.outcomes = {CHALLENGER: SimpleNamespace(served=SimpleNamespace(orc_errors=counts))}
        self.figures = {**FIGURES, **changes}

    def bootstrap(self) -> TurnBootstrap:
        return TurnBootstrap(30, 500, np.random.default_rng(1))


def endings(cut: float, waits: tuple[float, ...] = (0.5, 2.0)) -> list[dict[str, Any]]:
    rows = [{"kind": "model", "hangover_s": None, "cut": cut, "missed": 0.0, "eot_p50_s": 0.1, "eot_p90_s": 0.2}]
    return rows + [{"kind": "vad", "hangover_s": wait, "cut": 0.1 / wait, "missed": 0.0, "eot_p50_s": wait,
                    "eot_p90_s": wait + 0.1} for wait in waits]


def test_every_arm_differs_from_the_others_in_parameters_that_exist() -> None:
    known = load_params().train_multitalker.model_dump()
    assert all(changes.keys() <= known.keys() for changes in ARMS.values())
    assert len({tuple(sorted(changes.items())) for changes in ARMS.values()}) == len(ARMS)
    assert REFERENCE not in ENDING


def test_an_arm_with_half_the_errors_is_shown_to_be_better() -> None:
    change, low, high = against([Made(2), Made(2)], [Made(4), Made(4)])  # type: ignore[list-item]
    assert low < change < high < 0
    assert change == pytest.approx(-0.44, abs=0.05)


def test_an_arm_against_itself_changes_nothing() -> None:
    assert against([Made(3)], [Made(3)]) == (0.0, 0.0, 0.0)  # type: ignore[list-item]


def test_a_line_is_the_mean_over_seeds_and_keeps_each_of_them() -> None:
    found = line("arm", {"arm": [Made(2, cut=0.1), Made(2, cut=0.3)], REFERENCE: [Made(4), Made(4)]})  # type: ignore[list-item]
    assert found["cut"] == pytest.approx(0.2)
    assert [seed["cut"] for seed in found["seeds"]] == [0.1, 0.3]


def test_an_arm_without_tokens_has_no_figures_of_ends() -> None:
    untold = {"eot_p50_s": None, "eot_p90_s": None, "sot_p50_s": None, "cut": 0.0, "missed": 1.0}
    found = line("arm", {"arm": [Made(2, **untold)], REFERENCE: [Made(4)]})  # type: ignore[arg-type, list-item]
    assert table([found]).splitlines()[-1].endswith("| – | – | – |")


def test_silence_is_told_once_for_each_wait() -> None:
    found = silence({"one": [endings(0.1), endings(0.2)], "other": [endings(0.3), endings(0.4)]})
    assert {wait: len(rows) for wait, rows in found.items()} == {0.5: 2, 2.0: 2}
    text = table_of_endings({"one": [endings(0.1), endings(0.2)]})
    assert "| one | 15.0% | 0.0% | 0.10 s | 0.20 s |" in text
    assert "| silence of 2 s | 5.0% |" in text


def test_the_curve_names_every_arm() -> None:
    rows = endings(0.1)
    drawn = endings_figure({"+ price": rows[:1], "+ activity": rows[:1]}, {0.5: rows[1:2], 2.0: rows[2:]}, "a note")
    assert all(name in drawn for name in ("+ price", "+ activity", "a note"))
