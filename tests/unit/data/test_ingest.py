"""Files to tables: what goes in, what is refused, and that nothing is half-written."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import soundfile

from evenvoice.data.audio import decode
from evenvoice.data.pseudonyms import KEY_VARIABLE
from evenvoice.data.schemas import REJECTED, SPEAKERS, UTTERANCES
from evenvoice.data.tables import read_table
from evenvoice.errors import CorpusError, TooManyRejected
from tests.builders.audio import tone
from tests.builders.corpora import SPEAKERS as VOICES
from tests.builders.corpora import kaldi_corpus, params_with, speakers_corpus, write_audio, write_manifest
from tests.builders.ingested import ingest_into


def run(root: Path, rows: list[dict[str, str]], **changes: Any) -> Path:
    """Ingest the rows as a manifest; the tables are in the returned folder."""
    write_manifest(root / "corpus", rows)
    params = params_with({"ingest": {"corpus": str(root / "corpus"), **changes}})
    return ingest_into(root / "out", params)


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    return speakers_corpus(tmp_path / "corpus")


def test_every_recording_becomes_an_utterance(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    out = run(tmp_path, rows)
    utterances = read_table(out / "utterances", UTTERANCES).to_pylist()
    assert len(utterances) == 16
    first = utterances[0]
    assert (first["text"], first["duration_s"]) == ("turn it up", 1.0)
    assert (round(first["lat"], 4), round(first["lon"], 4)) == (52.5, 13.4)
    assert decode(first["audio"], name="r", max_duration_s=5).duration_s == 1.0
    assert Counter(row["split"] for row in read_table(out / "speakers.parquet", SPEAKERS).to_pylist()) == {
        "train": 4, "discover": 1, "validate": 1, "test": 2}


def test_a_session_has_a_pseudonym_that_holds_for_its_speaker_alone(tmp_path: Path,
                                                                    rows: list[dict[str, str]]) -> None:
    speakers = sorted({row["speaker"] for row in rows})
    told = [{**row, "session": "" if row["speaker"] == speakers[0] else "2026-11-30 at home"} for row in rows]
    utterances = read_table(run(tmp_path, told) / "utterances", UTTERANCES).to_pylist()
    by_speaker = {row["speaker"]: {other["session"] for other in utterances if other["speaker"] == row["speaker"]}
                  for row in utterances}
    assert sum(sessions == {None} for sessions in by_speaker.values()) == 1
    known = [sessions for sessions in by_speaker.values() if sessions != {None}]
    assert all(len(sessions) == 1 for sessions in known)
    assert len(set().union(*known)) == len(known)
    assert not any("2026" in name for sessions in known for name in sessions)


def test_the_summary_counts_what_is_there(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    summary = json.loads((run(tmp_path, rows) / "summary.json").read_text())
    assert summary["splits"]["train"] == {"speakers": 4, "recordings": 8, "hours": 0.0022}
    assert (summary["recordings"], summary["rejected"], summary["hours"]) == (16, 0, 0.0044)
    assert (summary["layout"], summary["labelled"], summary["speakers_overlap"]) == ("manifest", "recorded", False)
    assert summary["pseudonym_key"] == "seed"


def test_no_name_of_a_speaker_is_in_the_tables(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    out = run(tmp_path, rows)
    for table in (read_table(out / "utterances"), read_table(out / "speakers.parquet")):
        assert not any(voice in str(table.to_pylist()) for voice in VOICES)


def test_the_same_corpus_gives_the_same_bytes(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    first = {path.name: path.read_bytes() for path in run(tmp_path, rows).rglob("*") if path.is_file()}
    again = {path.name: path.read_bytes() for path in run(tmp_path, rows).rglob("*") if path.is_file()}
    assert first == again


def test_many_recordings_keep_their_order_on_every_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    rows = [{**row, "text": f"number {i}"} for i, row in enumerate(speakers_corpus(tmp_path / "corpus", 10))]
    texts = read_table(run(tmp_path, rows) / "utterances", columns=["text"])["text"].to_pylist()
    assert texts == [f"number {i}" for i in range(80)]


def test_one_bad_recording_stops_the_run_and_leaves_the_old_tables(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    before = (run(tmp_path, rows) / "summary.json").read_bytes()
    (tmp_path / "corpus" / "voice03" / "1.flac").write_bytes(b"fLaC")
    with pytest.raises(TooManyRejected, match=r"0\.0625 \(1 of 16\).*The first: recording 'voice03/1\.flac' must"):
        run(tmp_path, rows)
    assert (tmp_path / "out" / "summary.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if "draft" in path.name] == []


def test_all_refused_recordings_are_listed_for_a_person(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    rows[0]["text"], rows[5]["path"] = "", "gone.flac"
    with pytest.raises(TooManyRejected, match=r"checkpoints/rejected\.tsv"):
        run(tmp_path, rows)
    header, first, second = (tmp_path / "checkpoints" / "rejected.tsv").read_text().splitlines()
    assert header == "recording\trule\tvalue\taction"
    assert first.startswith("voice00/0.flac\thave a transcript\tnone\t")
    assert second.startswith("gone.flac\tname an audio file that can be opened\t")


def test_tolerated_refusals_are_a_table_and_a_count(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    (tmp_path / "corpus" / "voice03" / "1.flac").write_bytes(b"")
    rows[0]["text"] = "a word" * 20
    out = run(tmp_path, rows, max_rejected=0.125)
    assert [row["recording"] for row in read_table(out / "rejected.parquet", REJECTED).to_pylist()] == [
        "voice00/0.flac", "voice03/1.flac"]
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["source_recordings"], summary["recordings"], summary["rejected"]) == (16, 14, 2)


def test_an_id_that_stands_twice_is_refused_by_name(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    with pytest.raises(CorpusError, match=r"id 'voice00/0\.flac' must stand for one recording"):
        run(tmp_path, [*rows, rows[0]], max_rejected=1.0)


def test_nothing_selected_is_refused(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    with pytest.raises(CorpusError, match="must hold recordings, got none under 'nobody/'"):
        run(tmp_path, rows, select="nobody/")


def test_too_few_speakers_for_four_splits_are_refused(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    with pytest.raises(CorpusError, match="split 'discover' must have a speaker, got train 1, discover 0"):
        run(tmp_path, rows[:2])


def test_a_split_whose_only_speaker_is_refused_stops_the_run(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    splits = read_table(run(tmp_path, rows, splits="speakers") / "utterances", columns=["split"])["split"].to_pylist()
    at = splits.index("validate")
    for row in rows[at:at + 2]:
        (tmp_path / "corpus" / row["path"]).write_bytes(b"")
    with pytest.raises(CorpusError, match="split 'validate' must have a speaker"):
        run(tmp_path, rows, max_rejected=0.5)


def test_everything_refused_is_never_tolerated(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    with pytest.raises(CorpusError, match="must have a speaker"):
        run(tmp_path, [{**row, "text": ""} for row in rows], max_rejected=1.0)


def test_a_speaker_in_two_splits_is_refused_unless_that_is_asked_for(tmp_path: Path,
                                                                     rows: list[dict[str, str]]) -> None:
    for i, row in enumerate(rows):
        row["split"] = "test" if i % 2 else "train"
    with pytest.raises(CorpusError, match="speaker 'voice00' must be in one split only"):
        run(tmp_path, rows, splits="corpus")


def test_joined_recordings_say_all_their_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    rows = [{**row, "text": "four"} for row in speakers_corpus(tmp_path / "corpus", 4)]
    out = run(tmp_path, rows, concatenate_min=2, concatenate_max=2, concatenate_repeats=3)
    utterances = read_table(out / "utterances", UTTERANCES).to_pylist()
    assert len(utterances) == 8 * 4 * 3 // 2
    assert {row["text"] for row in utterances} == {"four four"}
    assert all(2.02 <= row["duration_s"] <= 2.15 for row in utterances)


def test_a_census_beside_the_corpus_comes_along(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    census = tmp_path / "census.csv"
    census.write_text("postal_code,median_income,rural\n01067,41000,0.25\n10115,52000,0\n")
    rows = [{**row, "postal_code": "01067"} for row in rows]
    table = read_table(run(tmp_path, rows, census=str(census)) / "census.parquet").to_pylist()
    assert table == [{"postal_code": "01067", "median_income": 41000.0, "rural": 0.25},
                     {"postal_code": "10115", "median_income": 52000.0, "rural": 0.0}]


@pytest.mark.parametrize(("content", "rule"), [
    ("zip,rural\n01067,0.2\n", "have a text column 'postal_code'"),
    ("postal_code,rural\n01067,0.2\n01067,0.3\n", "have each postal_code once"),
    ("postal_code,rural\n01067,much\n", "be numeric"),
    ("postal_code,rural\n01067\n", "be a readable CSV"),
])
def test_a_census_that_cannot_be_used_is_refused(tmp_path: Path, rows: list[dict[str, str]], content: str,
                                                 rule: str) -> None:
    (tmp_path / "census.csv").write_text(content)
    with pytest.raises(CorpusError, match=rule):
        run(tmp_path, rows, census=str(tmp_path / "census.csv"))


def summary_of(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return content


def test_lost_zeros_stop_the_run_before_audio_is_read_and_leave_the_old_tables(tmp_path: Path,
                                                                               rows: list[dict[str, str]]) -> None:
    before = (run(tmp_path, rows) / "summary.json").read_bytes()
    census = tmp_path / "census.csv"
    census.write_text("postal_code,rural\n" + "".join(f"{number:05d},0.5\n" for number in range(2100, 2112)))
    rows = [{**row, "postal_code": str(2100 + i // 2), "path": f"gone{i}.flac"} for i, row in enumerate(rows)]
    with pytest.raises(CorpusError, match=r"got those of 0 of 8.*'2100'.*'02100'.*Leading zeros were lost"):
        run(tmp_path, rows, census=str(census), max_rejected=1.0)
    assert (tmp_path / "out" / "summary.json").read_bytes() == before


def test_a_corpus_without_postal_codes_cannot_use_a_census(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    (tmp_path / "census.csv").write_text("postal_code,rural\n01067,0.2\n")
    with pytest.raises(CorpusError, match="Fill in the column postal_code"):
        run(tmp_path, rows, census=str(tmp_path / "census.csv"))
    assert not (tmp_path / "out").exists()


def test_the_summary_says_how_many_speakers_the_census_knows(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    (tmp_path / "census.csv").write_text("postal_code,rural\n01067 ,0.2\n10115,0.3\n")
    codes = {"voice00": "01067", "voice01": "\u00a001067", "voice02": "99999"}
    rows = [{**row, "postal_code": codes.get(row["speaker"], "")} for row in rows]
    summary = summary_of(run(tmp_path, rows, census=str(tmp_path / "census.csv")))
    assert summary["census"] == {"rows": 2, "speakers": 8, "with_code": 3, "matched": 2, "share_without_match": 0.75}


def test_without_a_census_the_summary_has_none(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    assert summary_of(run(tmp_path, rows))["census"] is None


def test_the_summary_has_the_box_that_speakers_live_in(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    rows[0]["lat"], rows[0]["lon"] = "-0.4", "-13.2"
    assert summary_of(run(tmp_path, rows))["coordinates"] == {
        "speakers": 8, "south": -1, "north": 53, "west": -14, "east": 14}


def test_one_person_of_several_spellings_is_one_speaker(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    written = {"voice00": ("anna", "anna "), "voice01": ("Jos\u00e9", "Jose\u0301"),
               "voice02": ("b b", "b\u00a0 b\u200b"), "voice03": ("Anna", "Anna")}
    rows = [{**row, "speaker": written.get(row["speaker"], (row["speaker"],) * 2)[i % 2]} for i, row in enumerate(rows)]
    out = run(tmp_path, rows)
    assert len(read_table(out / "speakers.parquet", SPEAKERS)) == 8
    assert summary_of(out)["speaker_spellings_merged"] == 3


def test_one_person_of_several_spellings_stands_in_one_split_of_the_corpus(tmp_path: Path,
                                                                           rows: list[dict[str, str]]) -> None:
    names = ("train", "discover", "validate", "test")
    rows = [{**row, "split": names[i // 4]} for i, row in enumerate(rows)]
    rows[0]["speaker"], rows[15]["speaker"] = "anna", "anna "
    with pytest.raises(CorpusError, match="speaker 'anna' must be in one split only"):
        run(tmp_path, rows, splits="corpus")


def test_one_person_of_several_spellings_is_one_speaker_of_a_kaldi_directory(tmp_path: Path) -> None:
    speakers = ["Jos\u00e9", "Jose\u0301", "Jos\u00e9\u200b", *VOICES[:7]]
    directory = kaldi_corpus(tmp_path, {f"u{i}": (name, "TURN IT UP") for i, name in enumerate(speakers)})
    params = params_with({"ingest": {"corpus": str(directory)}})
    ingest_into(tmp_path / "out", params)
    assert len(read_table(tmp_path / "out" / "speakers.parquet", SPEAKERS)) == 8
    assert summary_of(tmp_path / "out")["speaker_spellings_merged"] == 2


def test_recordings_beyond_full_scale_are_counted(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    assert summary_of(run(tmp_path, rows))["scaled_recordings"] == 0
    for row in rows[3:5]:
        row["path"] = row["path"].replace(".flac", ".wav")
        soundfile.write(tmp_path / "corpus" / row["path"], tone(1.0, peak=0.5).samples * 4, 16000, subtype="FLOAT")
    summary = summary_of(run(tmp_path, rows))
    assert (summary["scaled_recordings"], summary["recordings"], summary["rejected"]) == (2, 16, 0)


def test_markup_is_refused_with_its_tag(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    rows[3]["text"] = "okay <COMMA> go"
    with pytest.raises(TooManyRejected, match=r"recording 'voice01/1\.flac' must have a transcript without markup, "
                                              "got '<COMMA>'"):
        run(tmp_path, rows)


@pytest.mark.parametrize(("policy", "texts"), [
    ("refuse", {"turn it up"}), ("drop", {"turn it up", "okay go", "don't"}),
    ("keep", {"turn it up", "okay comma go comma", "don 39 t", "ignore time segment in scoring"}),
])
def test_markup_is_counted_under_every_policy(tmp_path: Path, rows: list[dict[str, str]], policy: str,
                                              texts: set[str]) -> None:
    rows[0]["text"], rows[2]["text"] = "okay <COMMA> go <COMMA>", "ignore_time_segment_in_scoring"
    rows[4]["text"] = "don&#39;t"
    out = run(tmp_path, rows, markup=policy, max_rejected=0.5)
    assert set(read_table(out / "utterances", columns=["text"])["text"].to_pylist()) == texts
    assert summary_of(out)["markup"] == {"policy": policy, "recordings": 3, "kinds": {
        "<COMMA>": 2, "&#39;": 1, "ignore_time_segment_in_scoring": 1}}


def test_a_secret_key_changes_the_names_and_is_noted(tmp_path: Path, rows: list[dict[str, str]],
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    by_seed = read_table(run(tmp_path, rows) / "speakers.parquet")["speaker"].to_pylist()
    monkeypatch.setenv(KEY_VARIABLE, "one secret")
    out = run(tmp_path, rows)
    assert set(by_seed).isdisjoint(read_table(out / "speakers.parquet")["speaker"].to_pylist())
    assert json.loads((out / "summary.json").read_text())["pseudonym_key"] == "environment"


def test_first_known_attribute_stands_for_the_speaker(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    for i, row in enumerate(rows):
        row["accent"] = "" if i % 2 == 0 else "scottish"
    speakers = read_table(run(tmp_path, rows) / "speakers.parquet", SPEAKERS).to_pylist()
    assert {row["accent"] for row in speakers} == {"scottish"}


def test_long_audio_is_refused_by_its_header(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    write_audio(tmp_path / "corpus" / rows[0]["path"], seconds=3.0)
    with pytest.raises(TooManyRejected, match="must last at most 2 s, got 3 s"):
        run(tmp_path, rows, max_duration_s=2.0)
