"""Whatever file a parameter names is an input by its content."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from dags import inputs
from evenvoice.errors import CorpusError, ParamsError
from evenvoice.params import InputPath, Params, overlay
from tests.builders.corpora import REPOSITORY, write_manifest


def params_yaml() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    return content


def marked(rules: Any, name: str = "") -> list[str]:
    """The dotted name of every field that the schema of the parameters marks as a path, by a walk of its own."""
    if reference := rules.get("$ref"):
        rules = Params.model_json_schema(by_alias=True)["$defs"][reference.rpartition("/")[2]]
    below = [found for key, inner in rules.get("properties", {}).items() for found in marked(inner, f"{name}.{key}")]
    return [*below, *([name.removeprefix(".")] if "is_input_path" in json.dumps(
        {key: value for key, value in rules.items() if key != "properties"}) else [])]


MARKED = marked({key: value for key, value in Params.model_json_schema(by_alias=True).items() if key != "$defs"})
DESCRIBED = [name for name in MARKED if name != inputs.WATCHED]


def with_value(params: dict[str, Any], name: str, value: Any) -> dict[str, Any]:
    for part in reversed(name.split(".")):
        value = {part: value}
    return overlay(params, value)


def replace_in_place(path: Path) -> None:
    before = path.stat()
    path.write_bytes(path.read_bytes().swapcase())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def test_corpora_the_census_and_the_cohorts_of_an_earlier_run_are_paths() -> None:
    assert MARKED == ["ingest.corpus", "ingest.census", "mix.corpus", "discover.watched.rules"]


def test_watched_cohorts_are_not_described_so_that_ingest_need_not_run_again_for_them(tmp_path: Path) -> None:
    watching = with_value(params_yaml(), inputs.WATCHED, str(tmp_path))

    assert inputs.describe(watching) == inputs.describe(params_yaml())
    ingest = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text(encoding="utf-8"))["stages"]["ingest"]
    assert not {"discover", "watched.json"} & {*ingest["params"], *ingest["deps"]}


@pytest.mark.parametrize("name", DESCRIBED)
def test_every_file_that_a_parameter_names_is_seen_to_change_in_place(name: str, tmp_path: Path) -> None:
    path = write_manifest(tmp_path, [{"path": "a.flac", "postal_code": "10115"}], "table.tsv")
    params = with_value(params_yaml(), name, str(path))
    before = inputs.describe(params)
    assert inputs.describe(params) == before
    replace_in_place(path)
    assert inputs.describe(params) != before


@pytest.mark.parametrize("name", DESCRIBED)
def test_every_folder_that_a_parameter_names_is_seen_to_change_below(name: str, tmp_path: Path) -> None:
    path = write_manifest(tmp_path / "folder" / "deep", [{"path": "a.flac", "postal_code": "10115"}], "table.tsv")
    params = with_value(params_yaml(), name, str(tmp_path / "folder"))
    before = inputs.describe(params)
    replace_in_place(path)
    assert inputs.describe(params) != before


@pytest.mark.parametrize("name", DESCRIBED)
def test_every_path_that_a_parameter_names_in_vain_is_refused_by_name(name: str, tmp_path: Path) -> None:
    params = with_value(params_yaml(), name, str(tmp_path / "nowhere"))
    with pytest.raises((ParamsError, CorpusError), match=f"{name.rpartition('.')[2]}.* must .*exist"):
        inputs.describe(params)


@pytest.mark.parametrize("name", MARKED)
def test_every_path_is_meant_from_the_checkout_and_an_empty_one_or_an_address_stays(name: str, tmp_path: Path) -> None:
    def absolute(path: str) -> str:
        return inputs.named_paths(inputs.absolute(tmp_path, with_value(params_yaml(), name, path))).get(name, "")

    assert absolute("tables/one.tsv") == str(tmp_path / "tables" / "one.tsv")
    assert absolute("~/one.tsv") == str(Path.home() / "one.tsv")
    assert [absolute(path) for path in ("/one.tsv", "s3://bucket/one.tsv", "")] == [
        "/one.tsv", "s3://bucket/one.tsv", ""]


@pytest.mark.parametrize("name", DESCRIBED)
def test_a_stage_that_is_told_of_a_path_is_told_of_what_lies_there(name: str) -> None:
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text(encoding="utf-8"))["stages"].values()
    assert [stage for stage in stages if "corpus.json" in stage.get("deps", ())
            and {name, name.partition(".")[0]} & set(stage.get("params", ()))]


def test_synthetic_speech_alone_is_described_in_a_word() -> None:
    assert inputs.describe(params_yaml()) == {"corpus": "synthetic"}


def test_a_census_is_described_by_content_alone_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("postal_code,share\n10115,0.5\n", encoding="utf-8")
    (tmp_path / "b.csv").write_bytes((tmp_path / "a.csv").read_bytes())
    one, other = (inputs.describe(with_value(params_yaml(), "ingest.census", str(tmp_path / name)))
                  for name in ("a.csv", "b.csv"))
    assert one == other
    assert one["others"]["ingest.census"]["bytes"] == 28


def test_parameters_are_left_as_they_are_but_for_paths() -> None:
    assert inputs.absolute(REPOSITORY, params_yaml()) == params_yaml()


def test_paths_in_lists_mappings_and_options_are_found_too() -> None:
    class Part(BaseModel):
        words: InputPath | None
        tables: list[InputPath]
        by_region: dict[str, InputPath]
        name: str

    class Whole(BaseModel):
        parts: list[Part]

    part = {"words": "w", "tables": ["t", ""], "by_region": {"north": "n"}, "name": "no path"}
    found = inputs.named_paths({"parts": [part, {**part, "words": None}]}, Whole.model_json_schema())
    assert found == {"parts.0.words": "w", "parts.0.tables.0": "t", "parts.0.by_region.north": "n",
                     "parts.1.tables.0": "t", "parts.1.by_region.north": "n"}
