"""Settings mean to us what they mean to DVC; what readers of YAML disagree about is refused with its line."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from dvc.utils.serialize import loads_yaml
from hypothesis import example, given
from hypothesis import strategies as st

from evenvoice.errors import ParamsError
from evenvoice.settings import Layer, dump, parse, read_settings, read_value

WORDS = st.text(alphabet="0123456789+-._:eExbonyNaftTrusl~=", max_size=8)


def settings(folder: Path, text: str) -> Layer:
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    return read_settings(folder / "params.yaml", "params.yaml")


@pytest.mark.parametrize(("written", "value"), [
    ("1e-3", 0.001), ("1.5e3", 1500.0), ("12", 12), ("1_000", 1000), ("-0.5", -0.5), (".5", 0.5), ("5.", 5.0),
    ("true", True), ("FALSE", False), ("~", None), ("", None), ("yes", "yes"), ("off", "off"), ("1.5M", "1.5M"),
    ('"01200"', "01200"), ("'20:00'", "20:00"), ("d41d8cd98f00b204", "d41d8cd98f00b204"),
])
def test_words_and_numbers_mean_what_they_mean_in_yaml_1_2(written: str, value: object) -> None:
    read = read_value(written, "train.steps", "SET")

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("written", ["01200", "-01", "0_1", "20:00", "1:30:00.5", "0x1F", "0o17", "0b11", "2024-01-01",
                                     ".5e3", "+_1"])
def test_what_readers_disagree_about_is_refused_with_its_line(tmp_path: Path, written: str) -> None:
    with pytest.raises(ParamsError) as refused:
        settings(tmp_path, f"seed: 1\ntrain:\n  steps: {written}  # a comment\n")

    assert str(refused.value) == (
        f"params.yaml, line 3: train.steps must mean the same to every reader of YAML, got {written} instead. "
        "Write a decimal number without leading zeros, or put quotes around a text.")


def test_a_name_that_stands_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"params\.yaml, line 4: train\.steps must stand once, got it .* on line 2"):
        settings(tmp_path, "train:\n  steps: 1\n  size: tiny\n  steps: 2\n")


def test_a_value_that_is_merged_in_may_be_given_anew(tmp_path: Path) -> None:
    layer = settings(tmp_path, "light: &light\n  cpus: 1\n  gpus: 0\ndata:\n  <<: *light\n  cpus: 4\n")

    assert layer.content["data"] == {"cpus": 4, "gpus": 0}
    assert layer.place(("data", "cpus")) == "params.yaml, line 6"


@pytest.mark.parametrize(("content", "words"), [
    (b"seed: [1", "line 1"),
    (b"a: 1\n\tb: 2\n", "line 2"),
    (b"a: 1\nb: \x01\n", "params.yaml, line 2 must be YAML, got a character that YAML forbids"),
    (b"a: 1\nb: \xe4\n", "params.yaml, line 2 must be UTF-8, got the byte 0xe4 instead. Save the file as UTF-8."),
    (b"a: !!int yes\n", "yes is no int at line 1"),
    (b"a: !!python/name:os.system\n", "could not determine a constructor"),
    (b"a: 1\n---\nb: 1\n", "line 2"),
    (b"[" * 100_000, "params.yaml, line 1 must nest at most 20 deep"),
    (b"- a\n", "params.yaml must hold a mapping of names to values, got ['a'] instead"),
    (b"# all of it is commented out\n", "params.yaml must hold a mapping of names to values, got nothing instead"),
])
def test_what_is_no_file_of_settings_says_where(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "params.yaml").write_bytes(content)

    with pytest.raises(ParamsError) as refused:
        read_settings(tmp_path / "params.yaml", "params.yaml")

    assert words in str(refused.value)


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="must be a file that can be read, got Is a directory"):
        read_settings(tmp_path)


def test_a_mark_of_byte_order_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    assert settings(tmp_path, "\ufeffseed: 1\n").content == {"seed": 1}


def test_a_mapping_within_itself_is_read_once(tmp_path: Path) -> None:
    layer = settings(tmp_path, "train: &train\n  again: *train\n")

    assert layer.content["train"]["again"] is layer.content["train"]


def test_what_a_tool_wrote_may_hold_what_settings_may_not() -> None:
    lock = "params:\n  select: 20:00\n  layout: yes\nmd5: 08990123456789012345678901234567\nother: '0123e5'\n"

    assert parse(lock, "dvc.lock").content == {
        "params": {"select": "20:00", "layout": "yes"}, "md5": "08990123456789012345678901234567", "other": "0123e5"}


@given(WORDS, st.sampled_from(["a: {}", "{{a: {}}}"]))
@example("0:=", "{{a: {}}}")
def test_dvc_reads_the_same(written: str, form: str) -> None:
    try:
        read = read_value(form.format(written), "a", "SET")
    except ParamsError:
        return
    dvc = loads_yaml(form.format(written))
    assert read == dvc or (math.isnan(read["a"]) and math.isnan(dvc["a"]))
    assert {name: type(value) for name, value in read.items()} == {name: type(value) for name, value in dvc.items()}


@pytest.mark.parametrize("written", ["{corpus: s3://speech/english}", "[a, 0:x]", "{a: {b: [x:y]}}", "{x:y: 1}"])
def test_a_colon_between_brackets_which_dvc_cannot_read_is_refused_with_the_way_out(written: str) -> None:
    with pytest.raises(ParamsError, match=r"SET: ingest\S* must mean the same to every reader of YAML.*quotes"):
        read_value(written, "ingest", "SET")


@pytest.mark.parametrize("written", ['{corpus: "s3://speech/english"}', "s3://speech/english", "[a, 'x:y']"])
def test_a_colon_in_quotes_or_outside_brackets_is_as_good_as_any_letter(written: str) -> None:
    assert read_value(written, "ingest", "SET") == loads_yaml(f"ingest: {written}")["ingest"]


@given(st.one_of(WORDS, st.text(), st.floats(allow_nan=False), st.integers(), st.booleans(), st.none()))
def test_what_is_written_is_read_alike_by_all(value: object) -> None:
    text = dump({"ingest": {"select": value}})

    assert parse(text, "params.yaml").content == {"ingest": {"select": value}}
    assert read_value(text, "ingest", "params.yaml") == {"ingest": {"select": value}}
    assert loads_yaml(text) == yaml.safe_load(text) == {"ingest": {"select": value}}


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ParamsError):
        read_value(text, "train.steps", "SET")
