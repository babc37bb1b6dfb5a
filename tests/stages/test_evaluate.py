"""The evaluate stage, files to files: three cohorts whose truth is known."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evenvoice.data.schemas import COHORT_WER, COMPARISONS, GAPS
from evenvoice.data.tables import read_table
from evenvoice.errors import ArtifactError
from evenvoice.params import METHODS, MODELS, load_params, models_of
from evenvoice.storage import read_json, write_json
from stages import evaluate
from tests.builders.tables import made_partition, no_partition, write_cohorts, write_hypotheses

SPLITS = {"discover": 30, "validate": 20, "test": 40}
WORST_FIRST = ("region-1", "region-2", "region-3")
WER = {"region-1": 0.3, "region-2": 0.15, "region-3": 0.1}
WORDS = 100
Run = Callable[[], None]
JUDGED = set(models_of(arms=load_params().mitigate.arms, amortized=False))


def speakers(split: str, cohort: str) -> list[str]:
    return [f"{split}-{cohort}-{number:03d}" for number in range(SPLITS[split])]


def everyone() -> list[tuple[str, str, str]]:
    return [(split, speaker, cohort) for split in SPLITS for cohort in WORST_FIRST
            for speaker in speakers(split, cohort)]


def errors(speaker: str, cohort: str, factor: float) -> int:
    rng = np.random.default_rng(list(speaker.encode()))
    return int(rng.poisson(WORDS * WER[cohort] * rng.gamma(8, 1 / 8) * factor))


def write_inputs(directory: Path, *, backwards: bool = False) -> None:
    people = everyone()
    train = [("train", "train-0", "region-1"), ("train", "train-1", None)]
    for model in MODELS:
        rows = [(split, speaker, f"{speaker}-{part}", WORDS // 2, (errors(speaker, cohort, factor) + part) // 2)
                for split, speaker, cohort in people
                for factor in [0.6 if (model, cohort) == ("ewc", "region-1") else 1.0] for part in (0, 1)]
        write_hypotheses(directory / "hypotheses", model, rows[::-1] if backwards else rows)
    partition = made_partition({"region-1": 0.3, "region-2": 0.15, "region-3": 0.1, "region-4": 0.2})
    write_cohorts(directory / "cohorts", partition, [*train, *people])
    nowhere = [(split, speaker, None) for split, speaker, _ in [*train, *people]]
    for method in METHODS[1:]:
        write_cohorts(directory / "cohorts", no_partition(method, f"nothing for {method}"), nowhere)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    params = load_params()
    quick = params.model_copy(update={"evaluate": params.evaluate.model_copy(
        update={"replicates": 300, "null_partitions": 50})})
    write_inputs(tmp_path / "artifacts")
    monkeypatch.chdir(tmp_path)
    return lambda: evaluate.main(quick)


def rows(name: str, **wanted: str) -> list[dict[str, Any]]:
    schema = {"cohort_wer": COHORT_WER, "gaps": GAPS, "comparisons": COMPARISONS}[name]
    return [row for row in read_table(Path("artifacts/evaluation") / f"{name}.parquet", schema).to_pylist()
            if all(row[column] == value for column, value in wanted.items())]


def test_wer_of_every_model_and_cohort_lies_within_its_interval(run: Run) -> None:
    run()
    whole, = rows("cohort_wer", model="base", split="test", method="whole")
    assert (whole["speakers"], whole["words"], whole["share"]) == (120, 12_000, 1.0)
    assert whole["wer"] == whole["errors"] / whole["words"]
    worst, = rows("cohort_wer", model="base", split="test", cohort="region-1")
    assert worst["wer_low"] < 0.3 < worst["wer_high"]
    assert worst["share"] == pytest.approx(1 / 3)
    assert {row["model"] for row in rows("cohort_wer", split="test")} == JUDGED
    assert {row["model"] for row in rows("cohort_wer", split="discover")} == JUDGED


def test_a_cohort_without_test_speakers_stays_in_the_table_without_a_wer(run: Run) -> None:
    run()
    empty, = rows("cohort_wer", model="base", split="test", cohort="region-4")
    assert (empty["speakers"], empty["words"], empty["wer"], empty["wer_low"]) == (0, 0, None, None)


def test_the_gap_is_between_the_extremes_of_discovery_and_stands_beside_what_chance_gives(run: Run) -> None:
    run()
    base, = rows("gaps", model="base", split="test")
    assert (base["bottom"], base["top"], base["cohorts"]) == ("region-1", "region-3", 4)
    assert base["gap_over_top_low"] < base["gap_over_top"] < base["gap_over_top_high"]
    assert base["gap_over_bottom"] == pytest.approx(base["gap_over_top"] / (1 + base["gap_over_top"]))
    assert base["spread"] > base["null_spread_high"] > base["null_spread"]


def test_an_arm_is_compared_with_the_base_on_the_same_speakers(run: Run) -> None:
    run()
    helped, = rows("comparisons", arm="ewc", split="test", cohort="region-1")
    assert helped["relative"] == pytest.approx(helped["arm_wer"] / helped["base_wer"] - 1)
    assert helped["relative_high"] < 0
    untouched, = rows("comparisons", arm="ewc", split="test", cohort="region-2")
    assert (untouched["relative"], untouched["relative_low"], untouched["relative_high"]) == (0, 0, 0)
    assert not rows("comparisons", arm="base")


def test_the_challenger_and_the_reasons_of_silent_methods_are_written(run: Run) -> None:
    run()
    selection = read_json(Path("artifacts/evaluation/selection.json"))
    assert (selection["challenger"], selection["method"], selection["bottom"]) == ("ewc", "geographic", "region-1")
    methods = read_json(Path("artifacts/evaluation/methods.json"))
    assert methods["clusters"] == {"applicable": False, "asked": True, "reason": "nothing for clusters", "cohorts": [],
                                   "aside": [], "bottom": None, "top": None}
    assert methods["geographic"]["top"] == "region-3"
    assert not rows("cohort_wer", method="clusters")


def test_metrics_are_flat_numbers_under_names_that_mlflow_accepts(run: Run) -> None:
    run()
    metrics = read_json(Path("artifacts/evaluation/metrics.json"))
    assert metrics["wer/base/test/whole"] == rows("cohort_wer", model="base", split="test", method="whole")[0]["wer"]
    gap, = rows("gaps", model="base", split="test")
    assert metrics["gap/geographic/region-1/region-3/base/test"] == gap["gap_over_top"]
    assert all(re.fullmatch(r"[A-Za-z0-9_./ -]+", name) for name in metrics)
    assert all(isinstance(value, float) for value in metrics.values())


def test_neither_rerunning_nor_the_order_of_recordings_changes_a_byte(run: Run, tmp_path: Path) -> None:
    run()
    before = {path.name: path.read_bytes() for path in Path("artifacts/evaluation").iterdir()}
    write_inputs(tmp_path / "artifacts", backwards=True)
    run()
    assert {path.name: path.read_bytes() for path in Path("artifacts/evaluation").iterdir()} == before


def test_a_method_that_places_nobody_is_left_out_with_the_reason(run: Run, tmp_path: Path) -> None:
    nobody = [(split, speaker, None) for split, speaker, _ in everyone()]
    write_cohorts(tmp_path / "artifacts/cohorts", made_partition({"a": 0.2, "b": 0.1}, method="clusters"), nobody)
    run()
    assert read_json(Path("artifacts/evaluation/methods.json"))["clusters"]["reason"] == (
        "it places no speaker in any cohort")


def test_a_missing_model_stops_the_stage_and_leaves_nothing(run: Run) -> None:
    Path("artifacts/hypotheses/ewc/hypotheses.parquet").unlink()
    with pytest.raises(ArtifactError, match=r"ewc/hypotheses\.parquet must exist"):
        run()
    assert not Path("artifacts/evaluation").exists()


def test_an_arm_that_calls_itself_a_control_is_never_chosen_and_one_that_does_not_say_is_refused(run: Run) -> None:
    summary = Path("artifacts/models/ewc/summary.json")
    said = read_json(summary)
    write_json(summary, {**said, "control": True})
    run()
    selection = read_json(Path("artifacts/evaluation/selection.json"))
    assert selection["challenger"] == "base"
    assert [one["model"] for one in selection["candidates"] if one["control"]] == ["ewc", "placebo"]

    write_json(summary, {name: value for name, value in said.items() if name != "control"})
    with pytest.raises(ArtifactError, match=r"control in .*ewc/summary\.json must be true or false, got None"):
        run()
