"""Faults in index files are named by file and line, with what stands there, whatever the layout and the format."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from evenvoice.data.corpora import manifest
from evenvoice.data.corpora.files import read_lines, shown
from evenvoice.data.corpora.rows import Row, read_rows
from evenvoice.errors import CorpusError
from tests.builders.layouts import LAYOUTS, recordings_of

TEXT_INDEXES = [
    ("kaldi", "wav.scp"), ("kaldi", "text"), ("kaldi", "utt2spk"), ("kaldi", "segments"), ("kaldi", "spk2gender"),
    ("kaldi", "spk2age"), ("tsv", "manifest.tsv"), ("csv", "manifest.csv"), ("jsonl", "manifest.jsonl"),
    ("librispeech", "SPEAKERS.TXT"), ("librispeech", "train-clean-100/3/1/3-1.trans.txt"),
    ("commonvoice", "validated.tsv")]
HEADER = "path,text,speaker\n"


def refusal_of(path: Path, content: str | bytes) -> str:
    """How a table with this content is refused, without the folder it lies in."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CorpusError) as refused:
        list(read_rows(path))
    return str(refused.value).replace(f"{path.parent}/", "")


@pytest.mark.parametrize(("layout", "name"), TEXT_INDEXES)
@pytest.mark.parametrize(("found", "rule", "value"), [
    (b"\r", "hold no carriage return but at its end", r"\r"), (b"\0", "hold no NUL byte", r"\x00"),
    (b"\xe9", "be UTF-8 text", r"\xe9")], ids=["cr", "nul", "latin-1"])
def test_a_byte_that_belongs_in_no_line_is_refused_by_file_and_line(
        tmp_path: Path, layout: str, name: str, found: bytes, rule: str, value: str) -> None:
    corpus = LAYOUTS[layout](tmp_path)
    index = corpus / name
    first, second, *others = index.read_bytes().splitlines(keepends=True)
    index.write_bytes(b"".join([first, b"\r\n", second[:4] + found + second[4:], *others]))
    with pytest.raises(CorpusError) as refused:
        recordings_of(corpus)
    assert str(refused.value).startswith(f"line 3 of {index} must {rule}, got ")
    assert value in refused.value.value


@pytest.mark.parametrize(("layout", "name"), TEXT_INDEXES)
def test_a_file_with_the_line_ends_of_an_old_mac_is_not_read_as_one_line(
        tmp_path: Path, layout: str, name: str) -> None:
    corpus = LAYOUTS[layout](tmp_path)
    index = corpus / name
    index.write_bytes(index.read_bytes().replace(b"\n", b"\r"))
    with pytest.raises(CorpusError, match=rf"line 1 of {index} must hold no carriage return but at its end"):
        recordings_of(corpus)


@pytest.mark.parametrize(("layout", "name"), TEXT_INDEXES)
def test_line_ends_of_windows_a_byte_order_mark_and_empty_lines_change_nothing(
        tmp_path: Path, layout: str, name: str) -> None:
    corpus = LAYOUTS[layout](tmp_path)
    index, expected = corpus / name, recordings_of(corpus)
    index.write_bytes(b"\xef\xbb\xbf" + index.read_bytes().replace(b"\n", b"\r\n\r\n"))
    assert recordings_of(corpus) == expected


def test_lines_keep_their_numbers_where_empty_ones_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a\n\n \nb\u2028c\n")
    assert list(read_lines(tmp_path / "text")) == [(1, "a"), (4, "b\u2028c")]


@pytest.mark.parametrize(("content", "message"), [
    (HEADER + '1,one,s\n2,"two,s\n3,three,s\n', "line 3 of t.csv must begin a record with paired quotation marks, got "
     "'2,\"two,s' (unexpected end of data) instead."),
    (HEADER + '1,one,s\n\n2,"two,s\n3,"three",s\n', "line 4 of t.csv must begin a record with paired quotation marks, "
     "got '2,\"two,s' (',' expected after '\"') instead."),
    (HEADER + '1,"two\nlines",s\n2,two\n', "line 4 of t.csv must have 3 columns, got 2: '2,two' instead."),
    (HEADER + '1,"two\n\nlines",s\n2,"a\nb"\n', "line 5 of t.csv must have 3 columns, got 2: '2,\"a' instead."),
    (HEADER + '1,"' + "long,s\n" * 30000, "line 2 of t.csv must begin a record with paired quotation marks, got "
     "'1,\"long,s' (field larger than field limit (131072)) instead."),
    ('"path,text\n1,one\n', "line 1 of t.csv must begin a record with paired quotation marks"),
])
def test_a_csv_is_refused_by_the_line_where_the_record_begins(tmp_path: Path, content: str, message: str) -> None:
    assert refusal_of(tmp_path / "t.csv", content).startswith(message)


def test_a_quoted_value_keeps_its_line_breaks(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes((HEADER + '1,"two\n\nlines",s\n\n2,two,s\n').replace("\n", "\r\n").encode())
    assert [(row.number, row.values["text"]) for row in read_rows(tmp_path / "t.csv")] == [
        (2, "two\n\nlines"), (6, "two")]


@pytest.mark.parametrize(("name", "content", "message"), [
    ("t.tsv", "path\ttext\n\n1\tone\n2\n", "line 4 of t.tsv must have 2 columns, got 1: '2' instead."),
    ("t.jsonl", '{"path": "1"}\n\n{"path": 2', "line 3 of t.jsonl must be JSON, got '{\"path\": 2' (Expecting ',' "
     "delimiter at character 11) instead."),
    ("t.json", '\n["path"]\n', "line 2 of t.json must be a JSON object, got '[\"path\"]' instead."),
])
def test_other_tables_are_refused_by_the_line_of_the_file(tmp_path: Path, name: str, content: str,
                                                          message: str) -> None:
    assert refusal_of(tmp_path / name, content).startswith(message)


@pytest.mark.parametrize(("table", "line", "rule"), [
    ("utt2spk", "x John Smith", "read '<id> <word>'"), ("spk2gender", "x very f", "read '<id> <word>'")])
def test_a_line_of_kaldi_with_too_many_words_is_refused(tmp_path: Path, table: str, line: str, rule: str) -> None:
    corpus = LAYOUTS["kaldi"](tmp_path)
    lines = (corpus / table).read_text().splitlines()
    (corpus / table).write_text("\n".join([lines[0], "", line, *lines[1:]]))
    with pytest.raises(CorpusError) as refused:
        recordings_of(corpus)
    assert str(refused.value).startswith(f"line 3 of {corpus / table} must {rule}, got '{line}' instead.")


def test_a_line_of_speakers_without_a_bar_is_refused(tmp_path: Path) -> None:
    corpus = LAYOUTS["librispeech"](tmp_path)
    (corpus / "SPEAKERS.TXT").write_text("; comment\n\n0 F\n")
    with pytest.raises(CorpusError, match=r"line 3 of .*SPEAKERS.TXT must read '<id> | <sex> | ...', got '0 F'"):
        recordings_of(corpus)


def test_a_value_of_the_wrong_type_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('path,text,speaker,lat\n\n1,"a\nb",s,1\n2,two,s,north\n')
    with pytest.raises(CorpusError, match=r"column 'lat' in line 5 of .*t\.csv must be a number, got 'north'"):
        list(manifest.recordings(path, select="", text_column="text"))


def test_a_row_without_a_path_is_called_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("path\ttext\tspeaker\n\n\tone\ts\n")
    [recording] = manifest.recordings(path, select="", text_column="text")
    assert recording.key == "line 3 of t.tsv"


def test_text_of_a_parquet_table_that_is_not_utf8_is_refused_by_its_row(tmp_path: Path) -> None:
    texts = [b"fine"] * 2000
    texts[1500] = b"caf\xe9"
    table = pa.table({"text": pa.array(texts, pa.binary()).view(pa.string())})
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(CorpusError) as refused:
        list(read_rows(tmp_path / "t.parquet"))
    assert str(refused.value).startswith(f"row 1501 of {tmp_path / 't.parquet'} must be UTF-8 text, got b'caf\\xe9'")


def test_a_parquet_table_with_a_column_twice_is_refused(tmp_path: Path) -> None:
    pa.parquet.write_table(pa.table([["a"], ["b"]], names=["path", "path"]), tmp_path / "t.parquet")
    with pytest.raises(CorpusError, match=r"header of .*t\.parquet must name each column once, got path, path"):
        list(read_rows(tmp_path / "t.parquet"))


def test_rows_of_parquet_are_called_rows(tmp_path: Path) -> None:
    assert Row({}, tmp_path / "t.parquet", 7).where == f"row 7 of {tmp_path / 't.parquet'}"


def test_what_is_shown_of_a_line_is_short_and_on_one_line() -> None:
    assert shown("a\nb") == r"'a\nb'"
    assert shown("x" * 200) == f"'{'x' * 76}..."
