"""Hypotheses and cohorts become one table per split; anything that does not fit is refused by name."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from evenvoice.errors import ArtifactError
from evenvoice.metrics.speakers import SplitTable, read_speakers, read_splits, write_speakers
from tests.builders.tables import made_partition, write_cohorts, write_hypotheses

Rows = list[tuple[str, str, str, int, int]]
HEARD: Rows = [("test", "anna", "u1", 10, 1), ("test", "anna", "u2", 5, 0), ("test", "bert", "u3", 8, 4),
               ("validate", "cleo", "u4", 9, 2)]
PLACED = [("test", "anna", "north"), ("test", "bert", None), ("validate", "cleo", "south")]


def read(directory: Path, base: Rows, arm: Rows, placed: Sequence[tuple[str, str, str | None]] = PLACED) -> SplitTable:
    write_hypotheses(directory / "hypotheses", "base", base)
    write_hypotheses(directory / "hypotheses", "ewc", arm)
    write_cohorts(directory / "cohorts", made_partition({"north": 0.2, "south": 0.1}), placed)
    return read_splits(hypotheses=directory / "hypotheses", cohorts=directory / "cohorts", methods=["geographic"],
                       splits={"validate": ["base"], "test": ["base", "ewc"]})["test"]


def test_utterances_add_up_to_speakers(tmp_path: Path) -> None:
    test = read(tmp_path, HEARD, [(split, speaker, name, words, 0) for split, speaker, name, words, _ in HEARD])
    assert list(test.speakers) == ["anna", "bert"]
    assert list(test.words) == [15, 8]
    assert list(test.errors["base"]) == [1, 4]
    assert list(test.errors["ewc"]) == [0, 0]
    assert list(test.cohorts["geographic"]) == ["north", None]


def test_the_order_of_utterances_and_speakers_does_not_matter(tmp_path: Path) -> None:
    shuffled, placed = HEARD.copy(), PLACED.copy()
    random.Random(1).shuffle(shuffled)
    random.Random(2).shuffle(placed)
    one, other = read(tmp_path / "a", HEARD, HEARD), read(tmp_path / "b", shuffled, HEARD[::-1], placed)
    assert list(one.speakers) == list(other.speakers)
    assert list(one.errors["base"]) == list(other.errors["base"])
    assert list(one.cohorts["geographic"]) == list(other.cohorts["geographic"])


def test_a_recording_that_comes_twice_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="each utterance of a split once, got 'u3' 2 times"):
        read(tmp_path, [*HEARD, HEARD[2]], HEARD)


def test_a_speaker_in_two_cohorts_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="each speaker of a split once, got 'anna' 2 times"):
        read(tmp_path, HEARD, HEARD, [*PLACED, ("test", "anna", "south")])


def test_models_that_transcribed_different_recordings_are_not_compared(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="hypotheses of 'ewc' on test must be about the recordings"):
        read(tmp_path, HEARD, HEARD[1:])


def test_a_speaker_that_discovery_did_not_see_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="nothing about bert of test"):
        read(tmp_path, HEARD, HEARD, [PLACED[0], PLACED[2]])


def test_a_written_table_reads_back_as_it_was(tmp_path: Path) -> None:
    test = read(tmp_path, HEARD, HEARD)
    write_speakers(tmp_path / "speakers.parquet", [test], ["geographic"])
    again = read_speakers(tmp_path / "speakers.parquet", "test", ["geographic"])
    assert list(again.speakers) == ["anna", "bert"]
    assert list(again.errors["ewc"]) == [1, 4]
    assert list(again.cohorts["geographic"]) == ["north", None]


def test_a_split_without_speakers_is_refused(tmp_path: Path) -> None:
    write_speakers(tmp_path / "speakers.parquet", [read(tmp_path, HEARD, HEARD)], ["geographic"])
    with pytest.raises(ArtifactError, match="hold speakers of validate"):
        read_speakers(tmp_path / "speakers.parquet", "validate", ["geographic"])


def test_members_of_a_cohort_are_those_whose_label_it_is(tmp_path: Path) -> None:
    test = read(tmp_path, HEARD, HEARD)
    assert test.members("geographic", "north").tolist() == [True, False]
    assert test.members("geographic", "south").tolist() == [False, False]


def test_methods_that_list_speakers_in_other_orders_place_each_by_name(tmp_path: Path) -> None:
    write_hypotheses(tmp_path / "hypotheses", "base", HEARD)
    placed = {"geographic": PLACED, "clusters": [("test", "bert", "c-1"), ("test", "anna", "c-2"), *PLACED[2:]]}
    for method, rows in placed.items():
        write_cohorts(tmp_path / "cohorts", made_partition({"north": 0.2, "south": 0.1}, method), rows)
    test = read_splits(hypotheses=tmp_path / "hypotheses", cohorts=tmp_path / "cohorts", methods=list(placed),
                       splits={"test": ["base"]})["test"]
    assert {method: list(labels) for method, labels in test.cohorts.items()} == {
        "geographic": ["north", None], "clusters": ["c-2", "c-1"]}


def test_a_speaker_twice_in_the_written_table_is_refused(tmp_path: Path) -> None:
    test = read(tmp_path, HEARD, HEARD)
    write_speakers(tmp_path / "speakers.parquet", [test, test], ["geographic"])
    with pytest.raises(ArtifactError, match="each speaker of a split once, got 'anna' 2 times"):
        read_speakers(tmp_path / "speakers.parquet", "test", ["geographic"])
