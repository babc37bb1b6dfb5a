"""Census tables, wherever they lie and however they were written."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evenvoice.data.census import checked_census, read_census
from evenvoice.data.corpora.places import ObjectPath, place
from evenvoice.errors import CorpusError

ROWS = {"postal_code": ["01067", "10115"], "rural": [0.25, 0.0]}
CSV = b"postal_code,rural\n01067,0.25\n10115,0\n"


def content(suffix: str) -> bytes:
    if suffix == ".parquet":
        sink = io.BytesIO()
        pq.write_table(pa.table(ROWS), sink)
        return sink.getvalue()
    text = CSV.replace(b",", b"\t") if ".tsv" in suffix else CSV
    return gzip.compress(text) if suffix.endswith(".gz") else text


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".CSV", ".csv.gz", ".tsv.gz"])
def test_every_format_is_read_from_a_disk(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"census{suffix}"
    path.write_bytes(content(suffix))
    assert read_census(path).to_pydict() == ROWS


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_every_format_is_read_from_an_object_store(monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    asked: list[str] = []

    def opened(path: ObjectPath) -> io.BytesIO:
        asked.append(str(path))
        return io.BytesIO(content(suffix))

    monkeypatch.setattr(ObjectPath, "open_binary", opened)
    assert read_census(place(f"s3://bucket/speech/census{suffix}")).to_pydict() == ROWS
    assert asked == [f"s3://bucket/speech/census{suffix}"]


@pytest.mark.parametrize(("where", "found"), [
    ("census.csv", "No such file or directory"), ("census.parquet", "No such file or directory"),
    (".", "Is a directory"), ("s3://bucket/census.csv", "no such object"),
])
def test_a_census_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str,
                                               found: str) -> None:
    def missing(path: ObjectPath) -> io.BytesIO:
        raise FileNotFoundError(str(path))

    monkeypatch.setattr(ObjectPath, "open_binary", missing)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CorpusError, match=f"^census {where} must be a file, got {found} instead. Correct"):
        read_census(place(where))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_census_that_may_not_be_read_is_refused_with_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
                                                               suffix: str) -> None:
    path = tmp_path / f"census{suffix}"
    path.write_bytes(content(suffix))

    def forbidden(*_args: object, **_kwargs: object) -> io.BytesIO:  # root may read everything
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(CorpusError, match=f"^{path} must be readable by user .*, got Permission denied") as caught:
        read_census(path)
    assert caught.value.exit_code == 3


def test_codes_are_brought_to_one_spelling() -> None:
    table = pa.table({"postal_code": ["\ufeff01067 ", "SW1A\u00a01AA"], "rural": [0.25, 0.0]})
    assert checked_census(table, name="c").column("postal_code").to_pylist() == ["01067", "SW1A 1AA"]


@pytest.mark.parametrize("codes", [["01067", "01067 "], ["01067", ""], ["01067", " "], ["01067", None]])
def test_a_code_that_is_blank_or_stands_twice_is_refused(codes: list[str | None]) -> None:
    with pytest.raises(CorpusError, match="have each postal_code once"):
        checked_census(pa.table({"postal_code": codes, "rural": [0.25, 0.0]}), name="c")
