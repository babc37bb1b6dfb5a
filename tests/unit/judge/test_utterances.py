"""Tables of what recognisers wrote: columns by their usual names, and one sentence for everything that is wrong."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.errors import CorpusError
from evenvoice.judge.utterances import Utterance, read_table

ROWS = [{"id": "u1", "speaker": "ann", "text": "one two", "pred_text": "one too"},
        {"id": "u2", "speaker": "bob", "text": "three", "pred_text": ""}]


def written(path: Path, rows: list[dict[str, object]]) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix in (".jsonl", ".json"):
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        comma = "," if path.suffix == ".csv" else "\t"
        lines = [rows[0].keys(), *(row.values() for row in rows)]
        path.write_text("".join(comma.join(map(str, line)) + "\n" for line in lines), encoding="utf-8")
    return path


def read(path: Path) -> list[Utterance]:
    return list(read_table(path))


@pytest.mark.parametrize("ending", [".tsv", ".csv", ".jsonl", ".json", ".parquet"])
def test_every_form_of_table_says_the_same(tmp_path, ending):
    first, second = read(written(tmp_path / f"hyp{ending}", ROWS))
    assert (first.key, first.speaker, first.reference, first.written) == (
        "u1", "ann", "one two", {"pred_text": "one too"})
    assert second.written == {"pred_text": ""}


@pytest.mark.parametrize(("columns", "systems"), [
    (["pred_text"], ["pred_text"]), (["hypothesis"], ["hypothesis"]), (["hyp_new", "hyp_old"], ["new", "old"]),
    (["pred_text_small", "pred_text_large"], ["small", "large"]), (["prediction", "pred_text_b"], ["prediction", "b"])])
def test_recognisers_are_named_by_their_columns_in_the_order_of_the_table(tmp_path, columns, systems):
    rows = [{"utterance": "u", "speaker": "s", "ref": "x", **dict.fromkeys(columns, "x")}]
    assert list(read(written(tmp_path / "hyp.tsv", rows))[0].written) == systems


@pytest.mark.parametrize(("row", "says"), [
    ({"id": "u", "speaker": "s", "text": "x"}, "have a column of what a recogniser wrote"),
    ({"speaker": "s", "text": "x", "pred_text": "x"}, "have a column named utterance or utterance_id"),
    ({"id": "u", "speaker": "s", "pred_text": "x"}, "have a column named reference or ref or text"),
    ({"id": "u", "text": "x", "pred_text_a": "x", "hyp_a": "y"}, "have one column of what each recogniser wrote"),
    ({"id": "", "text": "x", "pred_text": "x"}, "name its utterance")])
def test_a_table_that_cannot_be_read_is_refused_by_what_it_lacks(tmp_path, row, says):
    with pytest.raises(CorpusError, match=says):
        read(written(tmp_path / "hyp.tsv", [row]))


def test_a_line_that_was_not_transcribed_is_not_taken_for_silence(tmp_path):
    path = written(tmp_path / "hyp.jsonl", [ROWS[0], {"id": "u2", "speaker": "bob", "text": "three"}])
    with pytest.raises(CorpusError, match=r"line 2 of .* must have 'pred_text', as other rows, got no such column"):
        read(path)
    with pytest.raises(CorpusError, match=r"row 2 of .* must have 'pred_text', as other rows, got null"):
        read(written(tmp_path / "hyp.parquet", [ROWS[0], {**ROWS[1], "pred_text": None}]))


@given(st.binary(max_size=300))
def test_whatever_lies_there_is_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fuzz") / "hyp.jsonl"
    path.write_bytes(content)
    with suppress(CorpusError):
        read(path)
