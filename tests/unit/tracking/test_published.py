"""What may be handed to MLflow: nothing of a small cohort, nor what gives it away."""

from pathlib import Path

import pytest

from evenvoice.data.schemas import GAPS
from evenvoice.data.tables import read_table, rows_table, write_table
from evenvoice.tracking import published
from evenvoice.tracking.run_files import RunFiles
from tests.builders.run_files import write_run


@pytest.fixture
def files(tmp_path: Path) -> RunFiles:
    """Cohorts of 20, 30, 3 and 12 test speakers."""
    (tmp_path / "model").mkdir()
    return write_run(tmp_path / "workspace", model=tmp_path / "model")


def test_a_cohort_of_three_and_the_next_smallest_are_left_out(files: RunFiles) -> None:
    names = published.metrics(files, min_speakers=5)
    assert {name for name in names if name.startswith("wer/")} == {
        "wer/whole/base", "wer/whole/ewc", "wer/geographic/north/base", "wer/geographic/north/ewc",
        "wer/geographic/south/base", "wer/geographic/south/ewc"}
    assert not [name for name in names if "hamlet" in name or "harbour" in name]


def test_nothing_is_left_out_when_every_cohort_is_large_enough(files: RunFiles) -> None:
    names = published.metrics(files, min_speakers=2)
    assert {"wer/geographic/hamlet/ewc", "gap/geographic/hamlet", "spread/geographic/ewc"} <= set(names)


def test_a_spread_over_cohorts_of_which_one_is_hidden_is_left_out(files: RunFiles) -> None:
    names = published.metrics(files, min_speakers=5)
    assert "spread/geographic/ewc" not in names
    assert names["gap_over_top/geographic/ewc"] == pytest.approx(0.4)


def test_a_gap_that_ends_at_a_hidden_cohort_is_left_out(files: RunFiles) -> None:
    rows = read_table(files.evaluation / "gaps.parquet", GAPS).to_pylist()
    write_table(files.evaluation / "gaps.parquet", rows_table([{**row, "bottom": "hamlet"} for row in rows], GAPS))
    assert not [name for name in published.metrics(files, min_speakers=5) if name.startswith("gap")]


def test_the_published_verdict_lists_no_hidden_cohort(files: RunFiles) -> None:
    shown = published.verdict(files, min_speakers=5)
    assert [row["cohort"] for row in shown["cohorts"]] == ["north", "south"]
    assert shown["verdict"] == "PASS"


def test_only_the_base_and_the_challenger_are_published(files: RunFiles) -> None:
    assert not [name for name in published.metrics(files, min_speakers=5) if "placebo" in name]


def test_compute_is_published_by_part(files: RunFiles) -> None:
    assert published.metrics(files, min_speakers=5)["compute/ewc/macs_per_audio_s/encoder"] == 900


def test_a_curve_has_one_point_per_step_at_the_time_it_was_reached(files: RunFiles) -> None:
    losses = [point for point in published.curve(files, "ewc") if point.name == "train/ewc/loss"]
    assert [(point.step, point.after_ms) for point in losses] == [(1, 250), (2, 500), (3, 750)]
