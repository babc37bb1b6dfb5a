"""docs/verdict.schema.json says what verdict.json holds: no more and no less."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from evenvoice.judge import judge_table
from evenvoice.judge.page import SCHEMA_VERSION, verdict_json
from evenvoice.judge.settings import read_judging
from tests.builders.heard import heard, table, voices

SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "docs" / "verdict.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
EQUAL = {"female": 0.1, "male": 0.1}
SEVERAL = {"female": {"pred_text_a": 0.1, "pred_text_b": 0.25}, "male": {"pred_text_a": 0.1, "pred_text_b": 0.1}}


def judged(rates, *changes, embeddings=None, **world):
    settings = read_judging(changes=("evaluate.replicates=200", *changes))
    told = judge_table(table(rates, **world), settings=settings, embeddings=embeddings)
    return json.loads(json.dumps(verdict_json(told), allow_nan=False))


def wrong(content):
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(content)]


def objects(content, schema, path=()) -> Iterator[tuple[tuple[object, ...], list[str]]]:
    """Where objects lie whose fields the schema names, with these names."""
    schema = {**SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], **schema} if "$ref" in schema else schema
    if isinstance(content, list):
        for place, item in enumerate(content):
            yield from objects(item, schema["items"], (*path, place))
    if isinstance(content, dict):
        if "properties" in schema:
            yield path, list(schema["properties"])
        for name, item in content.items():
            yield from objects(item, schema.get("properties", {}).get(name) or schema["additionalProperties"],
                               (*path, name))


def test_groups_that_are_hidden_leave_nothing_but_null_in_the_regression():
    [found] = judged({**EQUAL, "other": 0.4}, "report.min_speakers=41")["regression"].values()
    [column] = found["columns"]
    assert (found["faas"], column["p"], column["groups"]) == (None, None, [])


def at(content, path):
    for step in path:
        content = content[step]
    return content


@pytest.fixture(scope="module")
def several():
    return judged(SEVERAL, systems=("pred_text_a", "pred_text_b"))


def test_the_schema_is_one_of_its_own_kind_and_of_the_version_that_is_written():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["schema_version"]["const"] == SCHEMA_VERSION


@pytest.mark.parametrize(("verdict", "content"), [
    ("PASS", lambda: judged(EQUAL)),
    ("FAIL", lambda: judged({"female": 0.25, "male": 0.1})),
    ("INSUFFICIENT", lambda: judged({"female": 0.11, "male": 0.08}, speakers=12)),
    ("INSUFFICIENT", lambda: judged(EQUAL, speakers=3)),
    ("INSUFFICIENT", lambda: judged({"female": 0.0, "male": 0.0})),
    ("FAIL", lambda: judged({**EQUAL, "other": 0.4}, "report.min_speakers=41")),
    ("PASS", lambda: judged(EQUAL, "gate.reference=top")),
    ("FAIL", lambda: judged({"female": 0.3, "male": 0.1}, "discover.clusters.stability_runs=2", speakers=80,
                            embeddings=voices([row["speaker"] for row in heard(EQUAL, speakers=80)]))),
    ("PASS", lambda: judged(EQUAL, unit="character"))],
    ids=["pass", "fail", "insufficient", "few speakers", "no errors", "hidden groups", "beside the top group",
         "drawn apart", "characters"])
def test_every_kind_of_judgement_fits_it(verdict, content):
    found = content()
    assert found["verdict"] == verdict
    assert wrong(found) == []


def test_a_judgement_of_several_recognisers_fits_it(several):
    assert several["systems"] == ["a", "b"]
    assert several["verdicts"]["b"]["regression"]
    assert wrong(several) == []


def test_a_field_that_goes_or_gets_another_name_is_noticed(several):
    places = list(objects(several, SCHEMA))
    assert {len(path) for path, _ in places} >= {0, 1, 2, 3, 4}
    for path, names in places:
        assert sorted(at(several, path)) == sorted(names)
        for name in names:
            without, renamed = copy.deepcopy(several), copy.deepcopy(several)
            del at(without, path)[name]
            at(renamed, path)[f"{name}_"] = at(renamed, path).pop(name)
            assert wrong(without), (*path, name)
            assert wrong(renamed), (*path, name)


@pytest.mark.parametrize(("path", "value"), [
    (("verdict",), "PASSED"), (("verdicts", "b", "whole", "wer"), -0.1), (("verdicts", "b", "whole", "speakers"), 1.5),
    (("inputs", "files", "hyp.tsv"), "0123"), (("systems",), []), (("verdicts", "b", "cohorts", 0, "gap"), "10 %")])
def test_a_value_of_another_kind_is_noticed(several, path, value):
    content = copy.deepcopy(several)
    at(content, path[:-1])[path[-1]] = value
    assert wrong(content)


def test_every_field_is_described_in_a_sentence():
    for kind in (SCHEMA, *SCHEMA["$defs"].values()):
        for name, field in kind.get("properties", {}).items():
            described = field if "description" in field else SCHEMA["$defs"][field["$ref"].rpartition("/")[2]]
            assert described["description"].endswith("."), name
