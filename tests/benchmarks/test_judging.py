"""Judging many speakers: the world is as it was planted, every step is measured, and what was cut short says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.judging import peer_line, steps_of
from benchmarks.million import counting, peers, steps
from benchmarks.million.world import ACCENTS, HARDER_ACCENT, drawn, write


def test_the_planted_accent_makes_so_many_times_the_errors() -> None:
    world = drawn(20_000)
    accented = world.of["accent"] == ACCENTS.index(HARDER_ACCENT)
    west = world.lon < -100  # outside the planted region
    wers = [world.errors[who & west].sum() / world.words[who & west].sum() for who in (accented, ~accented)]
    assert wers[0] / wers[1] == pytest.approx(2.0, abs=0.2)
    assert np.linalg.norm(world.voices, axis=1) == pytest.approx(1.0)


def test_every_step_from_tables_to_a_verdict_is_measured(tmp_path: Path) -> None:
    write(drawn(1000), tmp_path)
    size = {"speakers": 1000, **steps.run(tmp_path)}
    assert [cost["step"] for cost in size["steps"]] == [
        "read tables", "tree", "attributes", "clusters", "place everyone", "read speakers", "bootstrap", "compare",
        "gate"]
    assert all(cost["peak_mb"] > 0 for cost in size["steps"])
    assert size["cohorts"]["attributes-gender"] == 3
    assert "1,000 speakers, 10,000 recordings: FAIL" in steps_of(size)


def test_a_peer_that_would_take_too_long_does_less_and_says_so() -> None:
    row = peers.run("scipy.stats.bootstrap", 1000, limit_s=1e-9)
    assert (row["count"], row["wanted"], row["speakers"]) == (20, 2000, 1000)
    size = {"speakers": 1000, "steps": [{"step": "bootstrap", "wall_s": 1.0}]}
    assert "1,000 speakers, 20 of 2,000 replicates" in peer_line(row, [size])
    assert "times" not in peer_line(row, [size])
    assert peer_line({**row, "count": 2000}, [size]).endswith("times bootstrap")


@pytest.mark.parametrize("name", [name for name in peers.peers() if "fairlearn" not in name])
def test_peers_take_the_same_world(name: str) -> None:
    peer = peers.peers()[name]
    peer.prepare(drawn(500))(peer.first)


def test_texts_are_counted_under_each_normaliser_and_under_all() -> None:
    row = counting.run(50)
    assert list(row["normalisers"]) == ["none", "evenvoice", "english", "all three"]
    assert all(one["recordings_per_s"] > 0 for one in row["normalisers"].values())
