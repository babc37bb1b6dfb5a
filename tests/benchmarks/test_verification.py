"""What the benchmark of weightings makes of the figures of several seeds."""

from __future__ import annotations

import math

import pytest

from benchmarks.verification import (
    Change,
    changes_of,
    table,
    table_of_encoders,
    table_of_games,
    table_of_gaps,
)


class Seed:
    """A corpus whose verifiers have these equal error rates."""

    corpus = "made"

    def __init__(self, none: float, pw: float, *, group: str = "whole", speakers: int = 50) -> None:
        self._rows = [{"model": model, "partition": "whole", "group": group, "eer": eer, "speakers": speakers,
                       "relative_low": low, "relative_high": high}
                      for model, eer, low, high in (("none", none, None, None), ("pw", pw, -0.3, 0.2))]

    def rates(self) -> list[dict[str, object]]:
        return self._rows


def changes(*seeds: Seed) -> list[Change]:
    return changes_of(list(seeds))  # type: ignore[arg-type]


def test_a_change_is_the_mean_of_logarithms_over_seeds() -> None:
    [found] = changes(Seed(0.04, 0.02), Seed(0.04, 0.08))
    assert found.relative == pytest.approx(0.0)
    assert (found.seeds, found.speakers, found.eer) == (2, 100, pytest.approx(0.05))
    assert found.low < 0 < found.high


def test_seeds_that_agree_have_a_narrow_interval() -> None:
    [found] = changes(*(Seed(0.04, 0.03 * factor) for factor in (0.99, 1.0, 1.01)))
    assert found.relative == pytest.approx(-0.25, abs=0.01)
    assert found.high < -0.2


def test_the_number_that_would_decide_follows_the_error_of_a_seed() -> None:
    [found] = changes(Seed(0.04, 0.04), Seed(0.04, 0.04))
    error = (math.log(1.2) - math.log(0.7)) / (2 * 1.96)
    assert found.bootstrap_error == pytest.approx(error)
    assert found.would_decide == round(50 * (2.8 * error / -math.log(1 - 0.076)) ** 2)


def test_a_group_that_one_seed_lacks_is_left_out() -> None:
    assert changes(Seed(0.04, 0.04), Seed(0.04, 0.04, group="female")) == []


def test_the_tables_are_markdown() -> None:
    assert table(changes(Seed(0.04, 0.02), Seed(0.04, 0.08))).splitlines()[2].startswith("| made | pw | 5.00% | +0.0%")
    gap = {"corpus": "made", "partition": "gender", "figure": "gap", "value": 0.01, "change": -0.002}
    lines = table_of_gaps([{**gap, "model": model, "seed": seed} for model in ("none", "pw") for seed in (1, 2)])
    assert lines.splitlines()[2:] == ["| made | gender | gap | none | 1.00 | – |",
                                      "| made | gender | gap | pw | 1.00 | -0.20 (-0.20 to -0.20) |"]
    game = {"corpus": "made", "weighting": "pw", "correlation": 0.3, "effective_share": 0.8}
    assert table_of_games([game]).splitlines()[2] == "| made | pw | 0.30 (0.30 to 0.30) | 0.80 (0.80 to 0.80) |"
    encoder = {"corpus": "made", "encoder": "ecapa", "discover": 0.01, "validate": 0.02, "cpu_s": 40.0}
    assert table_of_encoders([encoder]).splitlines()[2] == "| made | ecapa | 1.00% | 2.00% | 40 |"
