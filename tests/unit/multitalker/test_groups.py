"""Whose rates are told, and who is worst and best off."""

from pathlib import Path

import numpy as np
import pytest

from evenvoice.data.schemas import COHORTS, SPEAKERS
from evenvoice.data.tables import rows_table, write_table
from evenvoice.errors import ArtifactError
from evenvoice.multitalker.groups import groupings_of, paces, read_groups
from evenvoice.multitalker.heard import Said
from evenvoice.multitalker.served import Served
from evenvoice.verification.groups import Labels
from tests.builders.multitalker import said


def mixture(split: str, *turns) -> Said:
    return Said(name=f"{split}-1", place=0, split=split, duration_s=100.0, turns=turns)


def speaks(speaker: str, words: int, seconds: float, **more):
    return said(speaker, 0, seconds, "amber " * words, **more)


def served(errors: dict[str, int], words: int = 10) -> Served:
    size = len(errors)
    return Served(speakers=tuple(errors), words_S=np.full(size, float(words)),
                  errors_S=np.array(list(errors.values()), dtype=float), shared_S=np.zeros(size),
                  turns_S=np.ones(size), cut_S=np.zeros(size), in_silence=0.0)


def labels(**groups: str) -> Labels:
    """Each speaker's group, in both splits."""
    return Labels({"accent": {(name, split): group for name, group in groups.items()
                              for split in ("validate", "test")}})


def grouping(of: Labels, validate: dict[str, int], test: dict[str, int], least: int = 1):
    [found] = groupings_of(of, {"validate": served(validate), "test": served(test)}, least)
    return found


def test_pace_is_words_per_second_of_speech_in_thirds_of_validate_speakers():
    validate = [mixture("validate", speaks(f"v{number}", number, 1)) for number in range(1, 7)]
    test = [mixture("test", speaks("slow", 1, 1), speaks("middle", 7, 2), speaks("fast", 60, 10)),
            mixture("test", speaks("paused", 10, 10, pauses=[(1, 9)]))]
    found = paces([*validate, *test])
    assert [found[name, "test"] for name in ("slow", "middle", "fast", "paused")] == ["slow", "middle", "fast", "fast"]
    assert [found[f"v{number}", "validate"] for number in range(1, 7)] == ["slow", "slow", "middle", "middle", "fast",
                                                                          "fast"]


def test_without_validate_speakers_nobody_has_a_pace():
    assert paces([mixture("test", speaks("a", 3, 1))]) == {}


def test_groups_are_ranked_on_validate_speakers_and_never_on_test_speakers():
    of = labels(a="scots", b="welsh")
    found = grouping(of, validate={"a": 5, "b": 1}, test={"a": 0, "b": 9})
    assert found.judged == ("scots", "welsh")
    assert found.reason == "2 of 2 groups have at least 1 test speakers in mixtures"


def test_a_group_with_too_few_test_speakers_is_set_aside():
    of = labels(a="scots", b="scots", c="welsh")
    found = grouping(of, validate={"a": 1, "b": 1, "c": 1}, test={"a": 0, "b": 0, "c": 0}, least=2)
    assert (found.judged, found.aside) == (("scots",), ("welsh",))
    assert found.reason == "1 of 2 groups have at least 2 test speakers in mixtures"


def test_a_group_without_validate_words_is_set_aside():
    of = labels(a="scots", b="welsh")
    found = grouping(of, validate={"a": 1}, test={"a": 0, "b": 0})
    assert (found.judged, found.aside) == (("scots",), ("welsh",))
    assert found.reason.endswith("1 of them without validate speakers to rank them by")


def test_what_is_known_of_nobody_says_so():
    assert grouping(Labels({"accent": {}}), {"a": 1}, {"a": 1}).reason == "it is known of no speaker"


@pytest.fixture
def declared(tmp_path: Path) -> Path:
    people = [{"speaker": "a", "split": split, "gender": gender, "further": []}
              for split, gender in (("train", "male"), ("validate", "male"), ("test", "female"))]
    write_table(tmp_path / "corpus" / "speakers.parquet", rows_table(people, SPEAKERS))
    placed = [{"speaker": "a", "split": "test", "cohort": "1"}, {"speaker": "b", "split": "test", "cohort": None}]
    write_table(tmp_path / "cohorts" / "geographic" / "cohorts.parquet", rows_table(placed, COHORTS))
    return tmp_path


def test_groups_are_cohorts_then_declared_columns_then_pace(declared: Path):
    found = read_groups(cohorts=declared / "cohorts", method="geographic", corpus=declared / "corpus",
                        columns=("gender",), mixtures=[mixture("validate", speaks("a", 3, 1))])
    assert list(found.of) == ["geographic", "gender", "pace"]
    assert found.of["geographic"] == {("a", "test"): "1"}
    assert found.of["gender"] == {("a", "validate"): "male", ("a", "test"): "female"}


def test_cohorts_that_are_not_there_are_named(declared: Path):
    with pytest.raises(ArtifactError, match=r"cohorts/clusters/cohorts.parquet must exist"):
        read_groups(cohorts=declared / "cohorts", method="clusters", corpus=declared / "corpus", columns=(),
                    mixtures=[])
