"""The commands as Airflow starts them: one line of JSON, or one line that says what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evenvoice.tracking.__main__ import main
from tests.builders.registry import World

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # MLflow and SQLAlchemy warn about each other
]


def test_the_commands_end_with_one_line_of_json_and_leave_it_for_the_console(
        world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    files = world.run("manual__2026-01-01T00:00:00+00:00")
    monkeypatch.chdir(files.workspace)
    monkeypatch.setenv("EVENVOICE_HOME", str(world.location.home))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", world.location.tracking_uri)
    run = ["--run-id", files.workspace.name]
    for arguments in (["record", *run, "--commit", "0123abc", "--dirty"], ["register", *run], ["promote", *run],
                      ["audit"]):
        assert main(arguments) == 0
        output = capsys.readouterr()
        assert json.loads(output.out.splitlines()[-1]) == json.loads(Path(f"effects/{arguments[0]}.json").read_text())
        assert "Warning" not in output.err
    assert world.champion == 1
    assert main(["rollback", "--by", "the release lead", "--reason", "complaints"]) == 3
    assert "must have a champion before it" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "message"), [
    (["register", "--run-id", "x' or '1'='1"], "TrackingError: the DAG run id must match"),
    (["record", "--run-id", "run-1", "--commit", "main"], "TrackingError: the commit must match"),
    (["register", "--run-id", "run-1"], "ParamsError: params.yaml must exist"),
])
def test_what_is_wrong_is_said_in_one_line_and_by_the_exit_code(
        arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 3
    assert message in capsys.readouterr().err
