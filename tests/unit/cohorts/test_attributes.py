"""Declared groups: who is in which, what is crossed, and what is shown without being judged."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.cohorts import find_cohorts
from evenvoice.cohorts.description import Found, FoundEach, NotApplicable
from evenvoice.cohorts.frozen import frozen_method, rules
from evenvoice.cohorts.groups import SMALLER
from evenvoice.cohorts.table import CohortTable
from evenvoice.errors import ArtifactError
from tests.builders.cohorts import cohort_table, discover_settings

WER = {"female": 0.1, "male": 0.3}


def world(genders: list[str | None], **columns: Any) -> CohortTable:
    """Discover speakers of these genders, 60 words each; men make three times the errors."""
    errors = [round(60 * WER.get(gender or "", 0.2)) for gender in genders]
    return cohort_table(splits=["discover"] * len(genders), errors=errors, words=[60] * len(genders), gender=genders,
                        **columns)


def find(table: CohortTable, columns: list[str], **changes: Any) -> FoundEach | NotApplicable:
    settings = discover_settings(attributes={"columns": columns}, **changes)
    found = find_cohorts("attributes", table, settings, seed=1)
    assert not isinstance(found, Found)
    return found


def parts(found: FoundEach | NotApplicable) -> dict[str, Found]:
    assert isinstance(found, FoundEach)
    return {name: part for name, (_, part) in found.partitions.items()}


def placed(part: Found, table: CohortTable) -> list[str]:
    return [part.all_names()[number] for number in part.rule.assign(table).tolist()]


GENDERS: list[str | None] = [*["female"] * 24, *["male"] * 24, *["other"] * 3, *[None] * 2]
AGES = ["20-29", "60+"] * 24 + ["20-29"] * 5


def test_groups_have_the_names_of_the_corpus_worst_first() -> None:
    part = parts(find(world(GENDERS), ["gender"]))["attributes-gender"]
    assert part.names() == ["male", "female"]
    assert part.rules == ("gender is male", "gender is female")


def test_too_few_and_unknown_are_groups_that_are_not_judged() -> None:
    table = world(GENDERS)
    part = parts(find(table, ["gender"]))["attributes-gender"]
    assert [aside.cohort for aside in part.aside] == [SMALLER, "unknown"]
    assert Counter(placed(part, table)) == {"female": 24, "male": 24, SMALLER: 3, "unknown": 2}


def test_a_value_that_only_other_speakers_have_is_among_the_smaller_groups() -> None:
    part = parts(find(world(GENDERS), ["gender"]))["attributes-gender"]
    assert placed(part, world(["intersex"])) == [SMALLER]


def test_two_columns_are_crossed() -> None:
    table = world(GENDERS, age_band=AGES)
    found = parts(find(table, ["gender", "age_band"]))
    assert list(found) == ["attributes-gender", "attributes-age_band", "attributes-gender-age_band"]
    crossed = found["attributes-gender-age_band"]
    assert set(crossed.names()) == {"male and 20-29", "male and 60+", "female and 20-29", "female and 60+"}
    assert crossed.names()[0].startswith("male")
    assert crossed.rules[0].startswith("gender is male, age_band is ")
    assert Counter(placed(crossed, table))[f"{SMALLER} and 20-29"] == 3


def test_a_column_that_follows_from_another_is_not_crossed_with_it() -> None:
    table = world(GENDERS, country=["Ghana" if gender == "male" else "Togo" for gender in GENDERS])
    assert list(parts(find(table, ["gender", "country"]))) == ["attributes-gender", "attributes-country"]


def test_crossed_groups_of_too_few_speakers_are_not_judged() -> None:
    ages = ["20-29"] * 12 + ["60+"] * 12 + ["20-29"] * 13 + ["60+"] * 11 + ["20-29"] * 5
    crossed = parts(find(world(GENDERS, age_band=ages), ["gender", "age_band"]))["attributes-gender-age_band"]
    assert "male and 60+" not in crossed.names()
    assert "male and 60+" in [aside.cohort for aside in crossed.aside]


def test_further_columns_are_columns_like_the_others() -> None:
    devices = np.array([["phone"], ["headset"]] * 24 + [[None]] * 5, dtype=object)
    table = world(GENDERS, further=devices, further_columns=("device",))
    part = parts(find(table, ["device"]))["attributes-device"]
    assert Counter(placed(part, table)) == {"phone": 24, "headset": 24, "unknown": 5}


@pytest.mark.parametrize(("columns", "reason"), [
    (["country"], "country has no groups of at least 12 speakers and 200 words to go by; two are needed"),
    (["accent"], "accent has 1 group of at least 12 speakers and 200 words to go by; two are needed")])
def test_without_two_groups_nothing_is_judged_and_the_reason_is_told(columns: list[str], reason: str) -> None:
    table = world(GENDERS, accent=["Scottish"] * len(GENDERS))
    assert find(table, columns) == NotApplicable(reason)


def test_a_column_without_two_groups_keeps_no_other_from_being_judged() -> None:
    found = find(world(GENDERS), ["gender", "country"])
    assert list(parts(found)) == ["attributes-gender"]
    assert found.reason == ("1 partition by gender and their crossings; country has no groups of at least 12 "
                            "speakers and 200 words to go by, and two are needed")


def test_one_large_group_is_held_against_all_that_are_too_small() -> None:
    table = world(["female"] * 30 + ["male"] * 5 + ["intersex"] * 3 + [None] * 4)
    part = parts(find(table, ["gender"]))["attributes-gender"]
    assert part.names() == ["female"]
    assert Counter(placed(part, table)) == {"female": 30, SMALLER: 8, "unknown": 4}


def test_no_columns_are_nothing_that_anybody_asked_for() -> None:
    found = find(world(GENDERS), [])
    assert isinstance(found, NotApplicable)
    assert not found.asked


def test_few_words_are_too_few_however_many_speakers_said_them() -> None:
    found = find(world(GENDERS), ["gender"], min_words=1441)
    assert isinstance(found, NotApplicable)


def test_the_rule_that_is_written_places_people_the_same() -> None:
    table = world(GENDERS, age_band=AGES)
    for name, part in parts(find(table, ["gender", "age_band"])).items():
        assert frozen_method(rules(name, part, 1), "rules.json").assign(table) == placed(part, table)


VALUES = st.sampled_from(["a", "b", "c", SMALLER, "unknown", None])
PEOPLE = st.lists(st.tuples(VALUES, VALUES, st.integers(0, 20), st.integers(1, 20)), max_size=40)


@given(PEOPLE)
def test_groups_are_those_that_one_would_count_speaker_by_speaker(people: list[tuple[Any, Any, int, int]]) -> None:
    one, other, errors, words = (list(column) for column in zip(*people, strict=True)) if people else ([],) * 4
    table = cohort_table(splits=["discover"] * len(people), errors=errors, words=words, gender=one, accent=other)
    found = find(table, ["gender", "accent"], min_speakers=3, min_words=10)
    large = {columns: plainly_large(people, columns) for columns in ((0,), (1,), (0, 1))}
    known = [{person[column] for person in people} - {None, SMALLER, "unknown"} for column in (0, 1)]
    usable = [columns for columns in ((0,), (1,)) if len(large[columns]) > 1
              or (large[columns] and len(known[columns[0]]) > 1)]
    if min(len(large[0,]), len(large[1,])) > 1 and len(large[0, 1]) > max(len(large[0,]), len(large[1,])):
        usable.append((0, 1))
    expected = [[" and ".join(group) for group in large[columns]] for columns in usable]
    if not expected:
        assert isinstance(found, NotApplicable)
        return
    assert [part.names() for part in parts(found).values()] == expected
    for columns, part in zip(usable, parts(found).values(), strict=True):
        kept = [{group[0] for group in large[column,]} for column in columns]
        told = [[person[column] for column in columns] for person in people]
        assert placed(part, table) == [" and ".join(map(plainly_called, values, kept)) for values in told]


def plainly_large(people: list[tuple[Any, Any, int, int]], columns: tuple[int, ...]) -> list[tuple[str, ...]]:
    """Groups of 3 speakers and 10 words, worst first."""
    members: dict[tuple[str, ...], list[tuple[Any, Any, int, int]]] = {}
    for person in people:
        group = tuple(person[column] for column in columns)
        if not {*group} & {None, SMALLER, "unknown"}:
            members.setdefault(group, []).append(person)
    wer = {group: sum(own[2] for own in of) / sum(own[3] for own in of) for group, of in members.items()
           if len(of) >= 3 and sum(own[3] for own in of) >= 10}
    return sorted(wer, key=lambda group: (-wer[group], group))


def plainly_called(value: str | None, kept: set[str]) -> str:
    if value is None or value == "unknown":
        return "unknown"
    return value if value in kept else SMALLER


@pytest.mark.parametrize("damage", [
    {"groups": [["male"], ["female"], [SMALLER]]}, {"groups": [["male"], ["male"], [SMALLER], ["unknown"]]},
    {"columns": []}, {"groups": [["male", "female"], ["a"], [SMALLER], ["unknown"]]}])
def test_a_damaged_rule_is_refused(damage: dict[str, Any]) -> None:
    [(name, part)] = parts(find(world(GENDERS), ["gender"])).items()
    content = rules(name, part, 1)
    with pytest.raises(ArtifactError, match=r"rules\.json, rule"):
        frozen_method({**content, "rule": {**content["rule"], **damage}}, "rules.json")


def test_groups_of_other_names_than_their_values_are_refused() -> None:
    [(name, part)] = parts(find(world(GENDERS), ["gender"])).items()
    with pytest.raises(ArtifactError, match="groups have other names than their values"):
        frozen_method({**rules(name, part, 1), "cohorts": ["female", "male", SMALLER, "unknown"]}, "rules.json")
