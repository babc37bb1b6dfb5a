"""The benchmark of the choice: worlds are as they say, and every rule is judged by the truth."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import choice
from benchmarks.choice import score
from benchmarks.choosing.rules import Effects, lowest, shipped
from benchmarks.choosing.speakers import SIZES, Size, draw, scenarios

LARGE = Size(validate=20_000, share=0.25, variation=0.8)


def test_effects_are_recovered_from_many_speakers_and_their_noise_is_what_the_default_world_has() -> None:
    rng = np.random.default_rng(3)
    trial = draw(scenarios(rng)["default"], LARGE, rng)
    found = Effects.of(trial.validate)
    assert found.bottom_A == pytest.approx(trial.bottom_M[1:], abs=0.02)
    assert found.whole_A == pytest.approx(trial.whole_M[1:], abs=0.02)
    base = trial.validate.errors_SM[:, 0]
    independent = 2 / base[trial.validate.bottom_S].sum()
    assert 0.2 < float(np.median(np.diag(found.covariance)[:5])) / independent < 0.5


@pytest.mark.parametrize("size", SIZES)
def test_where_nothing_but_the_base_is_harmless_it_is_the_best(size: Size) -> None:
    rng = np.random.default_rng(1)
    trial = draw(scenarios(rng)["all harmful"], size, rng)
    assert score(trial, 0).best == 1
    assert score(trial, 1).harm == 1


def test_without_discover_speakers_the_shipped_rule_is_the_lowest_on_validate() -> None:
    rng = np.random.default_rng(2)
    for name, scenario in scenarios(rng).items():
        trial = draw(scenario, SIZES[1], rng)
        assert shipped(trial.validate, None) == lowest(Effects.of(trial.validate), top=True), name


def test_every_rule_has_a_row_for_every_scenario_and_size(tmp_path: Path) -> None:
    written = json.loads(choice.main(["--trials", "1", "--out", str(tmp_path)]).read_text(encoding="utf-8"))
    assert [row["rule"] for row in written["rules"]] == list(choice.RULES)
    assert all(len(row["sizes"]) == len(SIZES) for row in written["rules"])
    assert all(set(row["scenarios"]) == set(scenarios(np.random.default_rng(0))) for row in written["rules"])
