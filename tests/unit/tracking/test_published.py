"""What may be handed to MLflow: nothing of a small cohort, nor what gives it away."""

from pathlib import Path

import pytest

from evenvoice.metrics.publication import LEFT_OUT
from evenvoice.storage import write_json
from evenvoice.tracking import published
from evenvoice.tracking.run_files import RunFiles
from tests.builders.run_files import write_run


@pytest.fixture
def files(tmp_path: Path) -> RunFiles:
    """Cohorts of 20, 30, 3 and 12 test speakers."""
    (tmp_path / "model").mkdir()
    return write_run(tmp_path / "workspace", model=tmp_path / "model")


def about(names: dict[str, float], cohort: str) -> list[str]:
    return [name for name in names if cohort in name]


def test_a_cohort_of_three_and_the_next_smallest_are_left_out(files: RunFiles) -> None:
    names = published.metrics(files, min_speakers=5)
    assert about(names, "hamlet") == about(names, "harbour") == []
    assert about(names, "south") == [
        "gap/geographic/south/north/ewc/test", "wer/base/test/geographic/south", "wer/ewc/test/geographic/south",
        "wer/placebo/test/geographic/south", "wer_high/base/test/geographic/south",
        "wer_high/ewc/test/geographic/south", "wer_low/base/test/geographic/south",
        "wer_low/ewc/test/geographic/south"]


def test_nothing_is_left_out_when_every_cohort_is_large_enough(files: RunFiles) -> None:
    assert {"wer/ewc/test/geographic/hamlet", "gap/geographic/hamlet/north/base/test",
            "spread/geographic/ewc/test"} <= set(published.metrics(files, min_speakers=2))


def test_a_spread_over_cohorts_of_which_one_is_hidden_is_left_out(files: RunFiles) -> None:
    assert about(published.metrics(files, min_speakers=5), "spread") == []


def test_a_cohort_whose_name_mlflow_cannot_hold_is_hidden_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    files = write_run(tmp_path / "workspace", model=tmp_path / "model",
                      cohorts={"north": 20, "south": 30, "65+ years": 3, "harbour": 12})
    write_json(files.evaluation / "metrics.json", {"wer/ewc/test/geographic/65_ years": 0.2})
    assert about(published.metrics(files, min_speakers=5), "65") == []


def test_the_published_verdict_says_nothing_about_hidden_cohorts(files: RunFiles) -> None:
    shown = published.verdict(files, min_speakers=5)
    assert [row["cohort"] for row in shown["cohorts"]] == ["north", "south"]
    assert shown["regression"] == {"whole": {"relative": -0.1}}
    assert shown["reasons"] == ["south of the geographic method makes 40 % more errors.", LEFT_OUT]
    assert shown["undecided"] == [LEFT_OUT]
    assert shown["verdict"] == "PASS"


def test_what_was_healed_is_published_without_the_variance_when_a_cohort_is_hidden(files: RunFiles) -> None:
    healed = published.verdict(files, min_speakers=5)["healed"]
    assert healed["sentence"] == ("south -14 % (-20 to -8 %), everyone -14 % (-20 to -8 %); the control placebo: "
                                  "-14 %, -14 %")
    assert [arm["variance"] for arm in (healed["challenger"], *healed["controls"])] == [None, None]
    assert "variance over geographic cohorts -14 %" in published.verdict(files, min_speakers=2)["healed"]["sentence"]


def test_what_was_healed_says_nothing_of_a_bottom_cohort_that_is_hidden(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    files = write_run(tmp_path / "workspace", model=tmp_path / "model", cohorts={"north": 20, "south": 3, "west": 40})
    healed = published.verdict(files, min_speakers=5)["healed"]
    assert healed["bottom"] is None
    assert [arm["bottom"] for arm in (healed["challenger"], *healed["controls"])] == [None, None]
    assert healed["sentence"] == "everyone -14 % (-20 to -8 %); the control placebo: -14 %"


def test_a_gap_to_a_hidden_top_cohort_is_not_published(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    files = write_run(tmp_path / "workspace", model=tmp_path / "model", cohorts={"north": 3, "south": 30, "west": 40})
    [west] = published.verdict(files, min_speakers=5)["cohorts"]
    assert (west["cohort"], west["wer"]) == ("west", 0.1)
    assert (west["against"], west["gap"], west["gap_at_most"]) == (None, None, None)


def test_figures_of_a_regression_are_named_by_model_column_and_group(files: RunFiles) -> None:
    groups = [{"cohort": "female/f", "rate_ratio": 1.2}, {"cohort": "male", "rate_ratio": None}]
    write_json(files.evaluation / "regression.json", {"ewc": {
        "faas": 21.5, "columns": [{"partition": "attributes-gender", "p": 0.03, "groups": groups}]}})
    found = published.metrics(files, min_speakers=5)
    assert {name: value for name, value in found.items() if name.startswith("regression/")} == {
        "regression/faas/ewc/test": 21.5, "regression/p/ewc/test/attributes-gender": 0.03,
        "regression/rate_ratio/ewc/test/attributes-gender/female_2ff": 1.2}


def test_compute_is_published_by_part(files: RunFiles) -> None:
    assert published.metrics(files, min_speakers=5)["compute/ewc/macs_per_audio_s/encoder"] == 900


def test_a_curve_has_one_point_per_step(files: RunFiles) -> None:
    losses = [point for point in published.curve(files, "ewc") if point.name == "train/ewc/loss"]
    assert [point.step for point in losses] == [1, 2, 3]


def test_what_stages_measured_is_told_and_lines_that_are_no_events_are_passed_over(files: RunFiles) -> None:
    files.events.write_text('{"stage": "transcribe@base", "measured": {"audio_s_per_s": 210.5}}\n'
                            '{"stage": "train", "done": 3}\n[1]\n{"measured": {"seconds": 1}}\n{"stage": "tra',
                            encoding="utf-8")

    assert published.measured(files) == {"time/transcribe_base/audio_s_per_s": 210.5}
