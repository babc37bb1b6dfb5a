"""The audit record: what it remembers, and that nobody can quietly change it."""

import hashlib
import json
from pathlib import Path

import pytest

from evenvoice.errors import TrackingError
from evenvoice.tracking.audit import Move, Trail


def move(origin: int | None, target: int, action: str = "promote") -> Move:
    return Move(action=action, origin=origin, target=target, by="gate", reason="the verdict is PASS", run="run-1")


def write_moves(path: Path, *moves: Move) -> Trail:
    trail = Trail.read(path)
    for each in moves:
        trail.append("intent", each)
        trail.append("done", each)
    return Trail.read(path)


def test_the_champions_are_those_that_were_promoted_oldest_first(tmp_path: Path) -> None:
    trail = write_moves(tmp_path / "audit.jsonl", move(None, 1), move(1, 2), move(2, 5))
    assert trail.champions() == [1, 2, 5]


def test_a_rollback_takes_the_last_champion_off(tmp_path: Path) -> None:
    trail = write_moves(tmp_path / "audit.jsonl", move(None, 1), move(1, 2), move(2, 3), move(3, 2, "rollback"))
    assert trail.champions() == [1, 2]


def test_a_champion_set_outside_evenvoice_is_what_a_rollback_returns_to(tmp_path: Path) -> None:
    trail = write_moves(tmp_path / "audit.jsonl", move(None, 1), move(7, 8))
    assert trail.champions() == [1, 7, 8]


def test_an_intent_alone_moves_nobody_and_is_unsettled(tmp_path: Path) -> None:
    trail = write_moves(tmp_path / "audit.jsonl", move(None, 1))
    trail.append("intent", move(1, 2))
    again = Trail.read(tmp_path / "audit.jsonl")
    assert again.unsettled == move(1, 2)
    assert again.champions() == [1]


@pytest.mark.parametrize("line", [1, 2, 3])
def test_a_changed_reason_is_found_at_the_line_after_it(tmp_path: Path, line: int) -> None:
    path = tmp_path / "audit.jsonl"
    write_moves(path, move(None, 1), move(1, 2))
    lines = path.read_text().splitlines()
    lines[line - 1] = lines[line - 1].replace("the verdict is PASS", "it looked good")
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(TrackingError, match=f"line {line + 1} "):
        Trail.read(path)


def test_a_line_taken_out_of_the_middle_is_found(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    write_moves(path, move(None, 1), move(1, 2))
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:1] + lines[2:]) + "\n")
    with pytest.raises(TrackingError, match="line 2 must be number 2"):
        Trail.read(path)


def test_lines_cut_off_the_end_are_found_by_the_hash_that_mlflow_keeps(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    anchor = write_moves(path, move(None, 1), move(1, 2)).head
    path.write_text("\n".join(path.read_text().splitlines()[:2]) + "\n")
    with pytest.raises(TrackingError, match="Lines were cut off"):
        Trail.read(path).check_anchor(anchor)


def test_an_anchor_that_a_crash_left_behind_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    anchor = write_moves(path, move(None, 1)).head
    write_moves(path, move(1, 2)).check_anchor(anchor)


def test_half_a_line_left_by_a_crash_is_overwritten_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    write_moves(path, move(None, 1))
    with path.open("ab") as file:
        file.write(b'{"at":"2026-01-01","by":"' + b"x" * 5000)
    trail = write_moves(path, move(1, 2))
    assert trail.champions() == [1, 2]
    assert len(trail.entries) == 4
    assert path.read_bytes().endswith(b"\n")


def test_each_line_is_json_with_the_hash_of_the_line_before(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    write_moves(path, move(None, 1))
    first, second = path.read_bytes().splitlines()
    assert json.loads(first)["previous"] == "0" * 64
    assert json.loads(second)["previous"] == hashlib.sha256(first).hexdigest()
