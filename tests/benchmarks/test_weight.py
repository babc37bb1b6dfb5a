"""What a runner adds to a stage is told beside the command alone."""

from __future__ import annotations

import pytest

from benchmarks.weight import Weight


def test_a_runner_adds_what_it_takes_more_than_the_command() -> None:
    weight = Weight(stage="gate", load=0.5, command_s=[2.0, 1.0, 9.0],
                    runner_s={"process": [3.0, 3.5, 3.0], "docker": [6.0, 5.5, 5.0]})

    assert weight.added_s("docker") == pytest.approx(3.5)
    assert str(weight).splitlines() == [
        "gate: the command alone takes 2.00 s, at a load of 0.5",
        "    process    3.00 s, adds   1.00 s",
        "    docker     5.50 s, adds   3.50 s  misses the goal"]
