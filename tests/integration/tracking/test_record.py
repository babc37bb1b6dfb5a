"""One MLflow run per DAG run, completed by whatever comes after a failure, without anything private."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from evenvoice.errors import ArtifactError, TransientError
from evenvoice.params import load_params
from tests.builders.registry import World
from tests.builders.run_files import ROOT

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # MLflow and SQLAlchemy warn about each other
]


def history(world: World, run: str, metric: str) -> list[float]:
    return [point.value for point in world.store._client.get_metric_history(run, metric)]


def test_a_run_is_recorded_with_parameters_metrics_curves_and_files(world: World) -> None:
    done = world.record(world.run("run-1"))
    run = world.store._client.get_run(done.run)
    assert run.data.params["train.steps"] == str(load_params(ROOT / "params.yaml").train.steps)
    assert run.data.params["ingest.split.validate"] == "0.1"
    assert run.data.metrics["wer/ewc/test/whole"] == 0.05
    assert history(world, done.run, "train/ewc/loss") == [10.0, 5.0, 10 / 3]
    assert run.data.tags["evenvoice.commit"] == "0123abc"
    assert run.data.tags["evenvoice.verdict"] == "PASS"
    assert run.info.status == "FINISHED"
    assert {file.path for file in world.store._client.list_artifacts(done.run)} == {
        "index.html", "model_card.md", "verdict.json", "made_with.json", "dvc.lock", "params.yaml"}


def test_recording_again_adds_nothing(world: World) -> None:
    files = world.run("run-1")
    first, second = world.record(files), world.record(files)
    assert (first.created, second.created) == (True, False)
    assert first.run == second.run
    assert history(world, first.run, "wer/ewc/test/whole") == [0.05]
    assert history(world, first.run, "train/ewc/loss") == [10.0, 5.0, 10 / 3]


@pytest.mark.parametrize("call", ["log_batch", "log_artifact", "set_terminated"])
def test_a_half_recorded_run_is_completed(world: World, fail_once: Callable[[str], None], call: str) -> None:
    files = world.run("run-1")
    fail_once(call)
    with pytest.raises(TransientError, match="connection refused"):
        world.record(files)
    done = world.record(files)
    run = world.store._client.get_run(done.run)
    assert (done.created, run.info.status) == (False, "FINISHED")
    assert history(world, done.run, "wer/ewc/test/whole") == [0.05]


def test_nothing_of_a_small_cohort_or_of_a_speaker_reaches_mlflow(world: World) -> None:
    world.registered("run-1")
    kept = [path for path in (world.location.home / "mlflow").rglob("*") if path.is_file()
            and path.name not in ("params.yaml",) and "code" not in path.parts]
    assert not [path.name for path in kept if b"hamlet" in path.read_bytes()]
    assert not [path.name for path in kept if b"speaker-1" in path.read_bytes()]


def test_a_missing_report_leaves_mlflow_untouched(world: World) -> None:
    files = world.run("run-1")
    files.report.unlink()
    with pytest.raises(ArtifactError, match=r"index\.html must exist"):
        world.record(files)
    assert world.store.find_run("run-1") is None
