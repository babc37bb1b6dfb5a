"""Progress for people and for the console of `make run`."""

import json
from pathlib import Path

import pytest

from evenvoice.progress import Progress


def test_the_last_step_is_always_reported(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress("train", total=3)
    for _ in range(3):
        progress.advance(1, loss=0.5)
    assert capsys.readouterr().out.splitlines()[-1].startswith("train  step 3/3  loss 0.5")


def test_restored_steps_do_not_flatter_the_time_left() -> None:
    progress = Progress("train", total=100)
    progress.resume_at(90)
    assert progress.seconds_left is None


def test_no_time_left_is_guessed_from_the_very_first_step() -> None:
    progress = Progress("ingest", total=5760)
    progress.advance()
    assert progress.seconds_left is None
    progress.advance(30)
    assert progress.seconds_left is not None


def test_events_go_to_the_file_that_the_console_follows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENVOICE_PROGRESS", str(tmp_path / "progress.jsonl"))
    Progress("ingest", total=1, unit="recording").advance()
    [event] = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text(encoding="utf-8").splitlines()]
    assert (event["stage"], event["done"], event["total"], event["unit"]) == ("ingest", 1, 1, "recording")


def test_a_file_that_cannot_be_written_does_not_stop_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                              capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("EVENVOICE_PROGRESS", str(tmp_path / "no such directory" / "progress.jsonl"))
    progress = Progress("ingest", total=2)
    progress.advance(2)
    assert progress.done == 2
    assert "progress events are not written" in capsys.readouterr().err
