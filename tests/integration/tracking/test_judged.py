"""One MLflow run for each judgement, completed by whoever calls again, beside pages that are there in any case."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from evenvoice.__main__ import main
from evenvoice.commands.judge import write
from evenvoice.errors import ArtifactError, TrackingError, TransientError
from evenvoice.judge import judge_table
from evenvoice.judge.page import Told
from evenvoice.judge.settings import read_judging
from evenvoice.storage import read_json
from evenvoice.tracking.judged import record_judgement
from evenvoice.tracking.location import Location
from evenvoice.tracking.names import JUDGEMENT
from evenvoice.tracking.relocate import relocate
from evenvoice.tracking.store import Store
from tests.builders.heard import table

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow and SQLAlchemy warn about each other
RATES = {"female": {"pred_text_old": 0.1, "pred_text_new": 0.25}, "male": {"pred_text_old": 0.1, "pred_text_new": 0.1}}
SYSTEMS = ("pred_text_old", "pred_text_new")
QUICK = ("evaluate.replicates=200", "evaluate.null_partitions=50")


@pytest.fixture
def location(tmp_path: Path, database: Path) -> Location:
    """An empty registry."""
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db").write_bytes(database.read_bytes())
    return Location(home=tmp_path / "home", tracking_uri=f"sqlite:///{tmp_path}/mlflow/mlflow.db")


@pytest.fixture
def told(tmp_path: Path) -> Told:
    """A judgement whose pages lie in ``judged``."""
    found = judge_table(table(RATES, systems=SYSTEMS), settings=read_judging(changes=QUICK))
    write(found, tmp_path / "judged")
    return found


def runs(location: Location) -> list[object]:
    client = Store(location, JUDGEMENT)._client
    experiment = client.get_experiment_by_name("evenvoice-judge")
    return list(client.search_runs([experiment.experiment_id])) if experiment else []


def test_a_judgement_is_one_run_with_its_pages(tmp_path: Path, location: Location, told: Told) -> None:
    done = record_judgement(told, tmp_path / "judged", location)
    [run] = runs(location)
    assert (done.run, done.experiment, done.created, done.verdict) == (run.info.run_id, "evenvoice-judge", True, "FAIL")
    assert (run.info.run_name, run.info.status) == ("new beside old", "FINISHED")
    assert run.data.metrics["wer/new/test/attributes-gender/female"] == pytest.approx(0.25, abs=0.03)
    assert run.data.params["gate.reference"] == "rest"
    assert run.data.tags["evenvoice.verdict.new"] == "FAIL"
    kept = Store(location, JUDGEMENT)._client
    assert {file.path for file in kept.list_artifacts(done.run)} == {"index.html", "verdict.json"}


def test_the_same_judgement_again_is_the_same_run_and_adds_nothing(tmp_path: Path, location: Location, told: Told
                                                                   ) -> None:
    first, second = (record_judgement(told, tmp_path / "judged", location) for _ in range(2))
    assert (first.run, first.created, second.created) == (second.run, True, False)
    history = Store(location, JUDGEMENT)._client.get_metric_history(first.run, "wer/new/test/whole")
    assert len(history) == len(runs(location)) == 1


def test_a_judgement_by_other_limits_is_another_run(tmp_path: Path, location: Location, told: Told) -> None:
    other = judge_table(table(RATES, systems=SYSTEMS), settings=read_judging(changes=(*QUICK, "gate.max_gap=0.4")))
    write(other, tmp_path / "other")
    record_judgement(told, tmp_path / "judged", location)
    assert record_judgement(other, tmp_path / "other", location).created
    assert len(runs(location)) == 2


@pytest.mark.parametrize("call", ["log_batch", "log_artifact", "set_terminated"])
def test_a_half_recorded_judgement_is_completed(tmp_path: Path, location: Location, told: Told, call: str,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    def refused(*_arguments: object, **_named: object) -> None:
        raise MlflowException("API request failed: connection refused")

    with monkeypatch.context() as broken:
        broken.setattr(MlflowClient, call, refused)
        with pytest.raises(TransientError, match="connection refused"):
            record_judgement(told, tmp_path / "judged", location)
    assert not record_judgement(told, tmp_path / "judged", location).created
    assert [run.info.status for run in runs(location)] == ["FINISHED"]


def test_pages_of_another_judgement_are_refused(tmp_path: Path, location: Location, told: Told) -> None:
    verdict = read_json(tmp_path / "judged" / "verdict.json")
    (tmp_path / "judged" / "verdict.json").write_text(json.dumps({**verdict, "recordings": 1}), encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"verdict\.json must be the judgement that is recorded"):
        record_judgement(told, tmp_path / "judged", location)
    assert runs(location) == []


def test_a_registry_of_judgements_that_was_moved_is_told_its_new_place(tmp_path: Path, location: Location, told: Told
                                                                      ) -> None:
    first = record_judgement(told, tmp_path / "judged", location)
    (tmp_path / "mlflow").rename(tmp_path / "moved")
    moved = replace(location, tracking_uri=f"sqlite:///{tmp_path}/moved/mlflow.db")
    with pytest.raises(TrackingError, match="The registry was moved or copied, and nothing was written"):
        record_judgement(told, tmp_path / "judged", moved)
    relocate(moved)
    again = record_judgement(told, tmp_path / "judged", moved)
    assert (again.run, again.created) == (first.run, False)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """``evenvoice judge`` in a folder with a table of which it makes a FAIL."""
    monkeypatch.chdir(tmp_path)
    pq.write_table(table(RATES, systems=SYSTEMS), "hyp.parquet")
    changes = [part for change in QUICK for part in ("--set", change)]
    return lambda *arguments: main(["judge", "hyp.parquet", *changes, *arguments])


def test_the_command_records_too_and_its_exit_status_stays_the_verdict(
        command: Callable[..., int], location: Location, capsys: pytest.CaptureFixture[str]) -> None:
    assert [command("--record", location.tracking_uri) for _ in range(2)] == [1, 1]
    [run] = runs(location)
    assert run.data.tags["evenvoice.input.1"].endswith("  hyp.parquet")
    assert f"recorded as run {run.info.run_id} of evenvoice-judge, as before\n" in capsys.readouterr().err


def test_where_mlflow_does_not_answer_the_page_is_there_and_the_exit_status_says_try_again(
        command: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as held:  # bound and not listening: refused at once, whoever else opens ports
        held.bind(("127.0.0.1", 0))
        assert command("--record", f"http://127.0.0.1:{held.getsockname()[1]}") == 75
    said = capsys.readouterr()
    assert said.out.startswith("FAIL  new\n")
    assert "TransientError: MLflow at http://127.0.0.1" in said.err
    assert f"The verdict is FAIL, and its page is {Path('judged/index.html')}, all the same." in said.err
    assert read_json(Path("judged/verdict.json"))["verdict"] == "FAIL"


def test_where_mlflow_is_not_installed_nothing_is_written(
        command: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evenvoice.tracking.judged.find_spec", lambda _: None)
    assert command("--record") == 3
    assert 'PreflightError: MLflow must be installed' in capsys.readouterr().err
    assert not Path("judged").exists()
