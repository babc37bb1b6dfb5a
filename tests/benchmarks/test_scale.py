"""How the scale of stages is measured: everything that a command starts counts, growth is named, nothing twice."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from benchmarks.scale import compared, told
from benchmarks.scaling import road
from benchmarks.scaling.growth import foretold_s, growths
from benchmarks.scaling.road import Size, StageCost, values_for
from benchmarks.scaling.watching import Cost, watched
from evenvoice.errors import WorkspaceError

COST = Cost(wall_s=20.0, cpu_s=10.0, memory_mb=300.0, disk_mb=1.0, load_before=0.5, load_after=1.0, others_cores=0.1,
            stolen_cores=0.0)
BUSY = """
import subprocess, sys, time
if sys.argv[1:]:
    held = bytearray(60_000_000)
    end = time.process_time() + 0.3
    while time.process_time() < end: pass
    time.sleep(0.6)
else:
    subprocess.run([sys.executable, __file__, "child"])
"""


def size(hours: float, **of_each: Cost) -> Size:
    return Size(wanted_hours=hours, hours=hours, recordings=1, code="", stages=tuple(
        StageCost(stage=name, cost=cost, files=1, from_store_mb=1.0, to_store_mb=2.0)
        for name, cost in of_each.items()))


def times(factor: float, memory: float = 1.0) -> Cost:
    return replace(COST, cpu_s=factor * COST.cpu_s, wall_s=factor * COST.wall_s, memory_mb=memory * COST.memory_mb)


def test_a_process_that_a_command_starts_counts_too(tmp_path: Path) -> None:
    script = tmp_path / "busy.py"
    script.write_text(BUSY, encoding="utf-8")

    cost = watched([sys.executable, str(script)], tmp_path, {}, tmp_path / "log")

    assert cost.cpu_s >= 0.3
    assert cost.memory_mb >= 60


def test_a_command_that_fails_has_no_figure(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        watched([sys.executable, "-c", "raise SystemExit(3)"], tmp_path, {}, tmp_path / "log")


def test_a_stage_that_grows_with_the_hours_and_keeps_its_memory_reaches_the_goals() -> None:
    [found] = growths(size(10, ingest=COST), size(100, ingest=times(11, memory=1.1)))

    assert found.time_ratio == pytest.approx(1.1)
    assert found.memory_ratio == pytest.approx(1.1)
    assert found.missed == ()


def test_a_stage_that_grows_more_than_its_speech_is_named() -> None:
    found = growths(size(10, ingest=COST, gate=COST), size(100, ingest=times(12), gate=times(1, memory=2)))

    assert [growth.missed for growth in found] == [("time",), ("memory",)]
    assert [line.partition("misses ")[2] for line in compared(found)[1:]] == ["time", "memory"]


def test_a_larger_size_is_foretold_by_the_line_through_two_smaller_ones() -> None:
    known = [size(1, ingest=times(2)), size(3, ingest=times(4))]

    assert foretold_s(10, []) is None
    assert foretold_s(10, known[:1]) == pytest.approx(400)
    assert foretold_s(10, known) == pytest.approx(220)


def test_a_line_of_the_table_has_its_load() -> None:
    assert told(size(1, gate=COST).stages[0]).split() == [
        "gate", "10.0", "20.0", "300", "1", "1.0", "2.0", "0.5", "0.10", "0.00"]


def test_trainings_are_the_same_whatever_the_hours() -> None:
    short, long = values_for(1), values_for(100)

    assert long["synthetic"].pop("speakers") == pytest.approx(100 * short["synthetic"].pop("speakers"), rel=0.01)
    assert short == long


def test_what_is_measured_is_kept_and_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(road, "LAST", "ingest")
    measured: list[StageCost] = []

    first = road.measure(0.1, tmp_path, measured.append)
    again = road.measure(0.1, tmp_path, measured.append)

    assert again == first
    assert [stage.stage for stage in measured] == ["ingest"]
    assert first.hours > 0
    assert first.stages[0].to_store_mb > 1
    assert not (tmp_path / "0.1h" / "artifacts").exists()


def test_figures_of_other_parameters_are_refused(tmp_path: Path) -> None:
    place = tmp_path / "0.1h"
    place.mkdir()
    (place / "params.yaml").write_text("seed: 1\n", encoding="utf-8")

    with pytest.raises(WorkspaceError, match="figures of the parameters that are asked for"):
        road.measure(0.1, tmp_path, lambda stage: None)


def test_figures_of_other_code_are_refused_once_a_size_is_done(tmp_path: Path) -> None:
    place = tmp_path / "0.1h"
    place.mkdir()
    (place / "params.yaml").write_text(yaml.safe_dump(values_for(0.1), sort_keys=False), encoding="utf-8")
    (place / "summary.json").write_text("{}", encoding="utf-8")
    (place / "code.sha256").write_text(64 * "0", encoding="ascii")

    with pytest.raises(WorkspaceError, match="figures of the code as it is"):
        road.measure(0.1, tmp_path, lambda stage: None)
