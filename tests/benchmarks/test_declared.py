"""Worlds in which the regression on declared columns is tried, and what a trial tells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.declared import KINDS, VARIATION, WER, WORDS, main, rates, world
from evenvoice.params import BASE
from evenvoice.storage import read_json


@pytest.mark.parametrize("kind", KINDS)
def test_speakers_differ_as_much_whatever_the_shape(kind: str) -> None:
    factors = rates(kind, 200_000, np.random.default_rng(1))
    assert factors.mean() == pytest.approx(1, rel=0.02)
    assert factors.std() == pytest.approx(VARIATION, rel=0.03)


def test_one_group_of_one_column_errs_more() -> None:
    table, _ = world("gamma", 100_000, np.random.default_rng(2))

    def wer(column: str, group: str) -> float:
        members = table.cohorts[f"attributes-{column}"] == group
        return float(table.errors[BASE][members].sum() / table.words[members].sum())

    assert table.words.mean() == pytest.approx(WORDS, rel=0.01)
    assert wer("harmed", "p") == pytest.approx(WER, rel=0.03)
    assert wer("harmed", "s") == pytest.approx(1.5 * WER, rel=0.03)
    assert wer("alike", "a") == pytest.approx(wer("alike", "b"), rel=0.03)


def test_every_size_and_shape_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.declared.SIZES", (60,))
    content = read_json(main(["--trials", "3", "--jobs", "1", "--out", str(tmp_path)]))
    assert [(row["speakers"], row["rates"]) for row in content["rows"]] == [(60, "gamma"), (60, "log-normal")]
    assert all(0 <= row["interval_holds"] <= 1 for row in content["rows"])
