"""What a model costs and saves, as its run and its version tell it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from evenvoice.data.schemas import SAVING
from evenvoice.data.tables import rows_table, write_table
from evenvoice.storage import read_json, write_json, write_text
from evenvoice.tracking.cost import costs
from evenvoice.tracking.recogniser import RECOGNISER
from evenvoice.tracking.run_files import RunFiles
from tests.builders.run_files import COHORTS, write_run
from tests.builders.tables import write_timing


@pytest.fixture
def files(tmp_path: Path) -> RunFiles:
    (tmp_path / "model").mkdir()
    found = write_run(tmp_path / "run" / "workspace", model=tmp_path / "model")
    write_json(found.model("base") / "summary.json", {"audio_s": 5000.0})
    return found


@pytest.fixture
def amortized(files: RunFiles) -> RunFiles:
    for name in ("dense", "amortized"):
        shutil.copytree(files.model("ewc"), files.model(name))
        write_json(files.compute(name), {"macs_per_audio_s": {"total": 1000 if name == "dense" else 450}})
    write_timing(files.evaluation / "saving.json", files.model("base").parent)
    rows = [("whole", "whole", 0.4), *(("geographic", name, 0.3 + size / 100) for name, size in COHORTS.items())]
    write_table(files.evaluation / "saving.parquet", rows_table([
        {"split": split, "method": method, "cohort": cohort, "speakers": 10, "executed_share": share, "relative": 0.0,
         "relative_low": 0.0, "relative_high": 0.0}
        for split in ("validate", "test") for method, cohort, share in rows], SAVING))
    write_json(files.verdict_file, {**read_json(files.verdict_file), "challenger": "amortized"})
    return RunFiles(files.workspace)


def test_a_training_costs_three_times_its_speech_and_a_full_retraining_stands_beside_it(files: RunFiles) -> None:
    assert costs(files, min_speakers=5) == {"macs_per_audio_s": 1000.0, "training_macs": 3 * 100 * 1000,
                                            "retraining_macs": 3 * 5000 * 1000}


def test_seconds_are_told_of_trainings_of_this_run(files: RunFiles) -> None:
    write_text(files.events, "\n".join(json.dumps({"stage": stage, "measured": {"seconds": seconds}})
                                       for stage, seconds in (("train", 300.0), ("mitigate@ewc", 40.0))))
    found = costs(files, min_speakers=5)
    assert (found["training_seconds"], found["retraining_seconds"]) == (40.0, 300.0)


def test_an_amortized_model_says_what_it_saves_whom_but_not_of_small_cohorts(amortized: RunFiles) -> None:
    found = costs(amortized, min_speakers=5)
    assert found["saved_share"] == pytest.approx(0.6)
    assert found["saved_share/geographic/south"] == pytest.approx(0.4)
    assert not [name for name in found if "hamlet" in name or "harbour" in name]
    assert (found["stream_rtf"], found["stream_rtf_dense"]) == (pytest.approx(0.06), pytest.approx(0.1))
    assert found["macs_per_audio_s"] == 450


def test_gates_spare_nothing_in_training(amortized: RunFiles) -> None:
    assert costs(amortized, min_speakers=5)["training_macs"] == 3 * 100 * 1000


def test_a_version_has_the_same_figures_as_tags(amortized: RunFiles) -> None:
    tags = RECOGNISER.tags(amortized, 5)
    assert tags["evenvoice.cost/saved_share"] == "0.6"
    assert tags.keys() == {f"evenvoice.cost/{name}" for name in costs(amortized, min_speakers=5)}
