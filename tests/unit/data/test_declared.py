"""What corpora declare of speakers: further columns, one value of each, and what makes no groups."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evenvoice.data.corpora import kaldi, manifest
from evenvoice.data.declared import Declared
from evenvoice.data.pseudonyms import KEY_VARIABLE
from evenvoice.data.schemas import REJECTED, SPEAKERS
from evenvoice.data.tables import read_table
from evenvoice.errors import CorpusError, RecordingRejected
from tests.builders.corpora import described, kaldi_corpus, params_with, speakers_corpus, write_manifest
from tests.builders.ingested import ingest_into

DEVICES = ("phone", "headset", "phone", "headset", "phone", "headset", "phone", "Unknown")


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    found = speakers_corpus(tmp_path / "corpus")
    return [{**row, "device": DEVICES[number // 2], "gender": "f"} for number, row in enumerate(found)]


def run(root: Path, rows: list[dict[str, str]], **changes: Any) -> Path:
    write_manifest(root / "corpus", rows)
    params = params_with({"ingest": {"corpus": str(root / "corpus"), "columns": ["device"], **changes}})
    return ingest_into(root / "out", params)


def test_a_further_column_goes_into_the_table_of_speakers(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    speakers = read_table(run(tmp_path, rows) / "speakers.parquet", SPEAKERS).to_pylist()
    assert sorted(map(str, (row["further"] for row in speakers))) == [
        *["[('device', 'headset')]"] * 3, *["[('device', 'phone')]"] * 4, "[]"]


def test_without_further_columns_there_are_no_further_values(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    speakers = read_table(run(tmp_path, rows, columns=[]) / "speakers.parquet", SPEAKERS).to_pylist()
    assert [row["further"] for row in speakers] == [[]] * 8


@pytest.mark.parametrize("name", ["devise", "DEVICE"])
def test_an_unknown_column_is_refused_by_name(tmp_path: Path, rows: list[dict[str, str]], name: str) -> None:
    with pytest.raises(CorpusError, match=f"have the column '{name}', which ingest.columns names"):
        run(tmp_path, rows, columns=[name])


def test_lines_of_json_may_lack_a_column_but_not_all_of_them(tmp_path: Path) -> None:
    row = {"path": "a.flac", "text": "stop", "speaker": "a"}
    path = tmp_path / "manifest.jsonl"
    path.write_text(f"{json.dumps({**row, 'device': 'phone'})}\n{json.dumps({**row, 'path': 'b.flac'})}\n")
    found = list(manifest.recordings(path, select="", text_column="text", columns=["device"]))
    assert [recording.further for recording in found] == [(("device", "phone"),), ()]
    declared = Declared(("devise",))
    declared.one_value(found[0])
    with pytest.raises(CorpusError, match="devise must be a column with a value for somebody"):
        declared.check()


def test_parquet_brings_further_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"path": ["a.flac"], "text": ["stop"], "speaker": ["a"], "floor": [3]}),
                   tmp_path / "manifest.parquet")
    [found] = manifest.recordings(tmp_path, select="", text_column="text", columns=["floor"])
    assert found.further == (("floor", "3"),)


def test_a_kaldi_directory_brings_further_columns_as_tables_of_speakers(tmp_path: Path) -> None:
    directory = kaldi_corpus(tmp_path, {"a-1": ("a", "STOP"), "b-1": ("b", "GO")})
    (directory / "spk2mother_tongue").write_text("a Upper Sorbian\n")
    found = list(kaldi.recordings(directory, select="", columns=["mother_tongue"]))
    assert [recording.further for recording in found] == [(("mother_tongue", "Upper Sorbian"),), ()]
    with pytest.raises(CorpusError, match="spk2device must hold the column 'device'"):
        list(kaldi.recordings(directory, select="", columns=["device"]))


def test_a_layout_without_further_columns_refuses_them() -> None:
    params = params_with({"ingest": {"columns": ["device"]}})
    with pytest.raises(CorpusError, match="device must be a column of the corpus"):
        ingest_into(Path("nowhere"), params)


@pytest.mark.parametrize(("column", "other"), [("device", "tablet"), ("gender", "male")])
def test_a_second_value_of_a_speaker_is_refused_with_both_values(tmp_path: Path, rows: list[dict[str, str]],
                                                                 column: str, other: str) -> None:
    rows[1][column] = other
    rejected = read_table(run(tmp_path, rows, max_rejected=0.1) / "rejected.parquet", REJECTED).to_pylist()
    first = "phone" if column == "device" else "female"
    assert [(row["rule"], row["value"]) for row in rejected] == [
        (f"give its speaker one value of {column}", f"'{other}', and '{first}' before")]


def test_an_unknown_value_beside_a_known_one_is_no_second_value(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    rows[0]["device"] = ""
    speakers = read_table(run(tmp_path, rows) / "speakers.parquet", SPEAKERS).to_pylist()
    assert sum(row["further"] == [("device", "phone")] for row in speakers) == 4


def test_people_grow_older_and_keep_the_first_age() -> None:
    declared = Declared(())
    for band in ("20-29", "30-39"):
        declared.one_value(described("r", "anna", age_band=band))


def test_other_spellings_of_one_value_are_one_value(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    rows[1]["gender"] = "female_feminine"
    assert read_table(run(tmp_path, rows) / "rejected.parquet", REJECTED).num_rows == 0


def test_a_column_with_as_many_values_as_speakers_is_refused(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    named = [{**row, "device": row["speaker"]} for row in rows]
    with pytest.raises(CorpusError, match="device must have fewer values than speakers, got 8 values"):
        run(tmp_path, named)


def test_values_that_the_table_does_not_know_are_counted_by_speaker(tmp_path: Path, rows: list[dict[str, str]]
                                                                    ) -> None:
    changed = [{**row, "gender": "Two-Spirit" if number < 4 else "f"} for number, row in enumerate(rows)]
    summary = json.loads((run(tmp_path, changed) / "summary.json").read_text())
    assert summary["attributes"] == {"values_version": 1, "kept_as_written": {"gender": {"two-spirit": 2}},
                                     "columns": ["gender", "age_band", "accent", "country", "device"]}


def test_a_refused_recording_is_refused_on_every_look(tmp_path: Path) -> None:
    declared = Declared(("device",))
    first, second = (described(key, "anna", further=(("device", value),)) for key, value in (("1", "a"), ("2", "b")))
    for _ in range(2):
        assert declared.one_value(first) is first
        with pytest.raises(RecordingRejected, match="give its speaker one value of device, got 'b', and 'a' before"):
            declared.one_value(second)
