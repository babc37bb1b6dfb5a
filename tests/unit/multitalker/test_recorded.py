"""A corpus of recordings of several talkers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evenvoice.data.pseudonyms import Pseudonyms
from evenvoice.data.schemas import SPEAKERS
from evenvoice.data.tables import rows_table
from evenvoice.errors import CorpusError, RecordingRejected
from evenvoice.multitalker.recorded import RecordedCorpus, recorded_mixtures
from tests.builders.audio import file_bytes, tone
from tests.builders.corpora import write_manifest

NAMES = Pseudonyms(key=b"secret", source="environment")
SPLITS = {"a": "train", "b": "validate", "c": "test"}
"""Each recording is of the two speakers whose names begin with its own."""


def segments(name: str) -> list[dict[str, Any]]:
    return [{"session_id": name, "speaker": f"{name}{number}", "words": f"Word {number}", "start_time": 0.2 * number,
             "end_time": 0.2 * number + 0.3} for number in (1, 2)]


def write_seglst(path: Path, content: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "calls").mkdir()
    for name in SPLITS:
        (tmp_path / "calls" / f"{name}.flac").write_bytes(file_bytes(tone(1.0)))
        write_seglst(tmp_path / "calls" / f"{name}.seglst.json", segments(name))
    return write_manifest(tmp_path, rows())


def rows(**changes: str) -> list[dict[str, str]]:
    """Of the manifest; ``changes`` are those of the last."""
    found = [{"path": f"calls/{name}.flac", "split": split} for name, split in SPLITS.items()]
    return [*found[:-1], {**found[-1], **changes}]


def read(corpus: Path, **arguments: Any) -> RecordedCorpus:
    return recorded_mixtures(corpus, names=NAMES, **arguments)


def test_mixtures_come_with_turns_split_and_pseudonyms(corpus: Path) -> None:
    first, *others = read(corpus).mixtures
    assert (first.name, first.split) == (NAMES.utterance("calls/a.flac"), "train")
    assert [(turn.speaker, turn.start_s, turn.text) for turn in first.turns] == [
        (NAMES.speaker("a1"), 0.2, "word 1"), (NAMES.speaker("a2"), 0.4, "word 2")]
    assert [mixture.split for mixture in others] == ["validate", "test"]


def test_audio_is_loaded_late_and_holds_its_turns(corpus: Path) -> None:
    mixture = read(corpus).mixtures[0]
    waveform, turns = mixture.load(max_duration_s=2.0)
    assert (waveform.duration_s, turns) == (1.0, list(mixture.turns))
    with pytest.raises(RecordingRejected, match=r"must last at most 0.5 s"):
        mixture.load(max_duration_s=0.5)


def test_a_turn_beyond_the_recording_is_refused(corpus: Path) -> None:
    write_seglst(corpus.parent / "calls" / "a.seglst.json", [{**segments("a")[0], "end_time": 1.5}])
    with pytest.raises(CorpusError, match=r"0.200 to 1.500 s of .*a.seglst.json must lie within the recording"):
        read(corpus).mixtures[0].load(max_duration_s=2.0)


def test_a_manifest_may_name_the_seglst_or_be_of_another_format(corpus: Path) -> None:
    expected, root = read(corpus), corpus.parent
    (root / "calls" / "c.seglst.json").rename(root / "said.json")
    parquet = root / "calls.parquet"
    pq.write_table(pa.Table.from_pylist(rows(seglst="said.json")[::-1]), parquet)
    found = read(parquet).mixtures[0]
    assert (found.name, found.turns) == (expected.mixtures[-1].name, expected.mixtures[-1].turns)
    lines = root / "calls.jsonl"
    lines.write_text("\n".join(map(json.dumps, rows(seglst="said.json"))))
    assert [mixture.turns for mixture in read(lines).mixtures] == [mixture.turns for mixture in expected.mixtures]


def test_a_folder_holds_its_manifest(corpus: Path) -> None:
    assert read(corpus.parent) == read(corpus)
    with pytest.raises(CorpusError, match=r"must be a manifest .* or hold one"):
        read(corpus.parent / "calls")


def test_a_silent_recording_has_no_turns(corpus: Path) -> None:
    write_seglst(corpus.parent / "calls" / "b.seglst.json", [])
    assert read(corpus).mixtures[1].turns == ()


@pytest.mark.parametrize(("changes", "message"), [
    ({"split": "discover"}, r"line 4 of .*manifest.tsv must name its split \(train, validate, test\), got 'discover'"),
    ({"split": ""}, "must name its split"),
    ({"split": "train"}, r"manifest.tsv must have recordings of train, validate, test, got none of test"),
    ({"path": ""}, "must name its audio as path or audio_filepath or audio"),
    ({"path": "calls/../calls/a.flac"}, "must name audio of its own, got .* as line 2 of .* does"),
    ({"path": "../a.flac"}, "must stay inside"),
    ({"path": "calls/d.flac"}, r"calls/d.seglst.json must exist"),
])
def test_a_wrong_row_is_refused(corpus: Path, changes: dict[str, str], message: str) -> None:
    write_manifest(corpus.parent, rows(**changes))
    with pytest.raises(CorpusError, match=message):
        read(corpus)


def test_a_part_of_a_file_is_refused(corpus: Path) -> None:
    lines = corpus.with_name("calls.jsonl")
    lines.write_text(json.dumps({**rows()[0], "offset": 1.5}))
    with pytest.raises(CorpusError, match="must take its audio from the beginning"):
        read(lines)


def test_a_wrong_seglst_is_refused_by_its_path(corpus: Path) -> None:
    write_seglst(corpus.parent / "calls" / "b.seglst.json", [{"words": "stop"}])
    with pytest.raises(CorpusError, match=r"segment 1 of .*calls/b.seglst.json must have session_id"):
        read(corpus)


def test_a_speaker_in_two_splits_is_refused_unless_that_is_accepted(corpus: Path) -> None:
    write_seglst(corpus.parent / "calls" / "c.seglst.json", segments("a"))
    with pytest.raises(CorpusError, match=r"speaker 'a1' must be in one split only, got train \(.*test \(.*2 such"):
        read(corpus)
    assert not read_with(corpus, segments("c")).speakers_overlap
    assert read_with(corpus, segments("a"), allow_speaker_overlap=True).speakers_overlap


def read_with(corpus: Path, last: list[dict[str, Any]], **arguments: Any) -> RecordedCorpus:
    write_seglst(corpus.parent / "calls" / "c.seglst.json", last)
    return read(corpus, **arguments)


def speaker_table(**changes: str) -> list[dict[str, str]]:
    found = [{"speaker": f"{name}{number}", "gender": "f", "age": "33", "accent": "scottish", "country": "",
              "phone": "old"} for name in SPLITS for number in (1, 2)]
    return [*found[:-1], {**found[-1], **changes}]


def test_a_speaker_table_tells_of_speakers(corpus: Path) -> None:
    write_manifest(corpus.parent, speaker_table(), name="speakers.tsv")
    found = read(corpus, columns=("phone",)).speaker_rows()
    assert {row["speaker"]: row["split"] for row in found} == {
        NAMES.speaker(f"{name}{number}"): split for name, split in SPLITS.items() for number in (1, 2)}
    assert {(row["gender"], row["age_band"], row["accent"], row["country"], row["lat"]) for row in found} == {
        ("female", "25-34", "scottish", None, None)}
    assert rows_table(found, SPEAKERS)["further"].to_pylist()[0] == [("phone", "old")]


def test_without_a_table_nothing_is_known_of_speakers(corpus: Path) -> None:
    table = rows_table(read(corpus).speaker_rows(), SPEAKERS)
    assert (table.num_rows, table["gender"].null_count) == (6, 6)


@pytest.mark.parametrize(("changes", "message"), [
    ({"speaker": "z"}, r"speaker 'c2' of .*c.seglst.json must stand in .*speakers.csv, got no such row"),
    ({"speaker": "a1"}, r"line 7 of .*speakers.csv must name a speaker of its own .*'a1', as line 2 of .* does"),
    ({"speaker": ""}, "must name a speaker of its own"),
])
def test_a_table_has_every_speaker_once(corpus: Path, changes: dict[str, str], message: str) -> None:
    lines = [list(row.values()) for row in speaker_table(**changes)]
    text = "\n".join(",".join(line) for line in (list(speaker_table()[0]), *lines))
    corpus.with_name("speakers.csv").write_text(text + "\n")
    with pytest.raises(CorpusError, match=message):
        read(corpus)
