"""What is known about a run while it works."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.board import Board, Events, Row, clock
from ops.console import visible_rows

STARTED = {"at": 100.0, "stage": "train", "state": "started"}
STEP = {"at": 110.0, "stage": "train", "done": 400, "total": 600, "unit": "step", "figures": {"loss": 1.25},
        "seconds_left": 67.0}


def test_a_running_stage_shows_step_loss_and_time_left() -> None:
    board = Board(["ingest", "train"])
    board.apply(STARTED)

    row = board.apply(STEP)

    assert row.detail() == "step 400/600  loss 1.25  1m07s left"
    assert board.rows["ingest"].state == "waiting"


def test_what_keeps_a_stage_from_working_is_shown_until_it_works_again() -> None:
    board = Board(["ingest", "train"])
    board.apply(STARTED)

    row = board.apply({"at": 105.0, "stage": "train", "why": "node node-1 does not report any more"})
    assert row.detail() == "node node-1 does not report any more"
    assert board.apply(STEP).detail() == "step 400/600  loss 1.25  1m07s left"


def test_a_finished_stage_shows_how_long_it_took_and_no_time_left() -> None:
    board = Board(["train"])
    board.apply(STARTED)
    board.apply(STEP)

    row = board.apply({"at": 190.0, "stage": "train", "state": "done"})

    assert (row.state, row.seconds) == ("done", 90.0)
    assert "left" not in row.detail()


def test_progress_under_the_name_of_a_group_belongs_to_the_item_that_runs() -> None:
    board = Board(["transcribe@base", "transcribe@ewc"])
    board.apply({**STARTED, "stage": "transcribe@ewc"})

    assert board.apply({**STEP, "stage": "transcribe"}).name == "transcribe@ewc"
    assert list(board.rows) == ["transcribe@base", "transcribe@ewc"]


def test_a_failure_keeps_its_words_and_its_log() -> None:
    board = Board(["train"])
    board.apply(STARTED)
    board.apply({"at": 101.0, "stage": "train", "state": "failed", "error": "NonFiniteLoss: batch 7", "log": "a.log"})

    assert [(row.error, row.log) for row in board.failed] == [("NonFiniteLoss: batch 7", "a.log")]


def test_a_second_try_that_succeeds_is_no_failure() -> None:
    board = Board(["train"])
    for state in ("started", "failed", "started", "done"):
        board.apply({"at": 100.0, "stage": "train", "state": state})

    assert board.failed == []


def test_events_are_read_once_and_a_half_written_line_waits(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    events = Events(path)
    assert list(events.new()) == []

    path.write_text('{"stage": "train"}\n{"stage": "em', encoding="utf-8")
    assert list(events.new()) == [{"stage": "train"}]

    path.write_text('{"stage": "train"}\n{"stage": "embed"}\n', encoding="utf-8")
    assert list(events.new()) == [{"stage": "embed"}]


@pytest.mark.parametrize(("seconds", "shown"), [(0.04, "0.0s"), (9.9, "9.9s"), (9.97, "10s"), (59.6, "1m00s"),
                                                (187, "3m07s")])
def test_times_read_as_a_person_says_them(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_a_low_terminal_shows_the_rows_around_the_one_that_works() -> None:
    rows = [Row(str(number), state="done" if number < 6 else "waiting") for number in range(10)]

    assert [row.name for row in visible_rows(rows, 4)] == ["4", "5", "6", "7"]
    assert [row.name for row in visible_rows(rows, 20)] == [row.name for row in rows]
