"""Manifests in every format."""

from __future__ import annotations

import json
import string
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenvoice.data.corpora import manifest
from evenvoice.data.corpora.files import FileAudio
from evenvoice.data.corpora.recording import Recording
from evenvoice.errors import CorpusError, EvenvoiceError, RecordingRejected
from tests.builders.corpora import write_audio, write_manifest

ROW = {"path": "a/1.flac", "text": 'say "stop"', "speaker": "a", "lat": "52.5", "lon": "13.4", "gender": "f",
       "age": "33", "accent": "german", "country": "de", "postal_code": "01067", "split": "train"}


def read(corpus: Path, select: str = "", text_column: str = "text") -> list[Recording]:
    return list(manifest.recordings(corpus, select=select, text_column=text_column))


def check_row(root: Path, recording: Recording) -> None:
    assert recording == Recording(
        key="a/1.flac", text='say "stop"', speaker="a", audio=FileAudio(str(root / "a/1.flac")), lat=52.5, lon=13.4,
        gender="female", age_band="25-34", accent="german", country="de", postal_code="01067", split="train")


def test_tsv_takes_quotation_marks_as_they_are(tmp_path: Path) -> None:
    write_manifest(tmp_path, [ROW])
    check_row(tmp_path, *read(tmp_path))


def test_csv_unwraps_quotation_marks(tmp_path: Path) -> None:
    quoted = ['"say ""stop"""' if value == ROW["text"] else value for value in ROW.values()]
    (tmp_path / "manifest.csv").write_text(",".join(ROW) + "\n" + ",".join(quoted) + "\n")
    check_row(tmp_path, *read(tmp_path))


def test_json_lines_and_parquet_keep_numbers(tmp_path: Path) -> None:
    typed: dict[str, Any] = {**ROW, "lat": 52.5, "lon": 13.4, "age": 33}
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines" / "manifest.jsonl").write_text(json.dumps(typed) + "\n")
    (tmp_path / "table").mkdir()
    pq.write_table(pa.Table.from_pylist([typed]), tmp_path / "table" / "manifest.parquet")
    check_row(tmp_path / "lines", *read(tmp_path / "lines"))
    check_row(tmp_path / "table", *read(tmp_path / "table"))


def test_nemo_names_and_offsets_are_understood(tmp_path: Path) -> None:
    write_audio(tmp_path / "long.flac", seconds=2.0)
    rows = [{"audio_filepath": "long.flac", "duration": 0.5, "offset": offset, "text": "stop", "speaker": 7}
            for offset in (0.0, 1.25)]
    index = tmp_path / "train_manifest.json"
    index.write_text("\n".join(map(json.dumps, rows)))
    first, second = read(index)
    assert (first.key, second.key, first.speaker) == ("long.flac", "long.flac@1.25", "7")
    assert second.audio.load(name="r", max_duration_s=1.0).duration_s == 0.5


def test_another_text_column_can_be_named(tmp_path: Path) -> None:
    write_manifest(tmp_path, [{**ROW, "verbatim": "um stop"}])
    assert read(tmp_path, text_column="verbatim")[0].text == "um stop"
    with pytest.raises(CorpusError, match="have a column named spoken"):
        read(tmp_path, text_column="spoken")


def test_select_takes_one_part(tmp_path: Path) -> None:
    write_manifest(tmp_path, [ROW, {**ROW, "path": "b/1.flac"}])
    assert [recording.key for recording in read(tmp_path, select="b/")] == ["b/1.flac"]


@pytest.mark.parametrize(("column", "value", "message"), [
    ("lat", "north", "column 'lat' in line 2 of .* must be a number, got 'north'"),
    ("lon", "13,4", "column 'lon' in line 2 of .* must be a number"),
])
def test_a_coordinate_that_is_not_a_number_is_refused_by_name(tmp_path: Path, column: str, value: str,
                                                              message: str) -> None:
    write_manifest(tmp_path, [{**ROW, column: value}])
    with pytest.raises(CorpusError, match=message):
        read(tmp_path)


@pytest.mark.parametrize(("column", "value"), [
    ("text", ["stop"]), ("text", 1.5), ("speaker", True), ("speaker", {"id": 1}), ("lat", "52.5N"), ("lat", [52.5]),
    ("postal_code", 1067), ("gender", 1.0), ("path", [[]]), ("text", "\ud800")])
def test_an_unknown_type_is_refused_by_name(tmp_path: Path, column: str, value: Any) -> None:
    (tmp_path / "manifest.jsonl").write_text(json.dumps({**ROW, column: value}) + "\n")
    with pytest.raises(CorpusError, match=f"column '{column}' in line 1 of"):
        read(tmp_path)


@pytest.mark.parametrize("content", [b"path\ttext\nonly one\n", b"\xff\xfe\x00", b"path\tpath\na\tb\n", b"{}\n"])
def test_a_malformed_table_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.tsv").write_bytes(content + b"a\tb\tc\n")
    with pytest.raises(CorpusError):
        read(tmp_path)


@pytest.mark.parametrize("name", ["manifest.jsonl", "manifest.parquet"])
def test_what_is_not_the_format_it_says_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("path\ttext\n")
    with pytest.raises(CorpusError, match="must be"):
        read(tmp_path)


@pytest.mark.parametrize("path", ["../secret.flac", "a/../../secret.flac", ".."])
def test_a_relative_path_does_not_lead_out_of_the_corpus(tmp_path: Path, path: str) -> None:
    write_manifest(tmp_path, [{**ROW, "path": path}])
    with pytest.raises(CorpusError, match="must stay inside"):
        read(tmp_path)


def test_a_null_character_in_a_path_refuses_the_recording_when_it_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_text(json.dumps({**ROW, "path": "null\0character.flac"}) + "\n")
    [recording] = read(tmp_path)
    with pytest.raises(RecordingRejected, match="must name an audio file that can be opened"):
        recording.audio.load(name="r", max_duration_s=5)


def test_an_absolute_path_is_taken_as_it_stands(tmp_path: Path) -> None:
    audio = write_audio(tmp_path / "elsewhere" / "1.flac")
    write_manifest(tmp_path / "corpus", [{**ROW, "path": str(audio)}])
    assert read(tmp_path / "corpus")[0].audio == FileAudio(str(audio))


def test_a_url_is_opened_through_fsspec(tmp_path: Path) -> None:
    audio = write_audio(tmp_path / "1.flac")
    write_manifest(tmp_path, [{**ROW, "path": f"file://{audio}"}])
    assert read(tmp_path)[0].audio.load(name="r", max_duration_s=5).duration_s == 1.0


VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
                   st.lists(st.integers(), max_size=2))
COLUMNS = st.sampled_from([*ROW, "offset", "duration", "id", "audio", "extra"])


@given(rows=st.lists(st.dictionaries(COLUMNS, VALUES, max_size=8), max_size=4))
@settings(max_examples=100)
def test_random_json_lines_are_read_or_refused_but_never_crash(rows: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "manifest.jsonl").write_text("\n".join(map(json.dumps, rows)))
        survive(Path(folder))


@given(content=st.one_of(
    st.binary(max_size=200),
    st.text(alphabet=string.printable, max_size=200).map(lambda text: f"path\ttext\tspeaker\n{text}".encode())),
    suffix=st.sampled_from([".tsv", ".csv", ".jsonl", ".parquet"]))
@settings(max_examples=200)
def test_random_content_is_read_or_refused_but_never_crashes(content: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, f"manifest{suffix}").write_bytes(content)
        survive(Path(folder))


def survive(corpus: Path) -> None:
    """Read everything there is, audio included; only refusals may come out of it."""
    try:
        for recording in read(corpus):
            recording.audio.load(name=recording.key, max_duration_s=1)
    except EvenvoiceError:
        return
