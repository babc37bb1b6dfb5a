"""Planted regions: what is measured, and that boxes see what straight cuts do not."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import discovery
from benchmarks.discovery import Cell, search, searches, world
from evenvoice.params import load_params

SETTINGS = searches(load_params(Path(__file__).parents[2] / "params.yaml").discover)


@pytest.mark.parametrize(("where", "share"), [("corner", 0.05), ("within", 0.2), ("nowhere", 0.0)])
def test_a_region_holds_its_share_and_makes_so_many_times_the_errors(where, share) -> None:
    table, planted = world(Cell(speakers=3000, where=where, share=share, factor=2.0), np.random.default_rng(0))
    assert (table.splits == "discover").sum() == 3000
    assert planted.mean() == pytest.approx(share, abs=0.01)
    if share:
        rates = [table.errors[who].sum() / table.words[who].sum() for who in (planted, ~planted)]
        assert rates[0] / rates[1] == pytest.approx(2.0, abs=0.2)


def test_the_four_harder_regions_of_the_world_are_seen_by_boxes_more_often_than_by_straight_cuts() -> None:
    cell = Cell(speakers=96, where="four regions", share=0.4, factor=2.0, world="synthetic")
    found = {name: sum(search(*world(cell, np.random.default_rng(trial)), settings, trial).found
                       for trial in range(6)) for name, settings in SETTINGS.items()}
    assert found["cuts and boxes"] > found["straight cuts"]


def test_a_small_run_prints_a_table_and_keeps_it_with_its_hardware(tmp_path, monkeypatch, capsys) -> None:
    small = Cell(speakers=40, where="corner", share=0.2, factor=2.0)
    monkeypatch.setattr(discovery, "cells", lambda speakers: [small])
    monkeypatch.setattr(discovery, "nulls", lambda speakers: [])
    monkeypatch.setattr(sys, "argv", ["discovery", "--trials", "2", "--jobs", "1", "--out", str(tmp_path)])
    discovery.main()
    [kept] = tmp_path.glob("*-discovery.json")
    content = json.loads(kept.read_text())
    assert content["worlds"][0]["trials"] == 2
    assert {"found", "tested", "overlap", "held_out_gap"} == set(content["worlds"][0]["straight cuts"])
    assert "processor" in content["hardware"]
    assert "40 corner       even        20% x2.0" in capsys.readouterr().out
