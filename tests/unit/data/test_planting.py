"""A planted difference changes the recordings of those it is meant for, tells what it did, and hides whom it chose."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import settings as rules
from hypothesis import strategies as st

from evenvoice.data.corpora.synthetic import SyntheticCorpus
from evenvoice.data.pieces import Pieces
from evenvoice.data.planting import Candidates
from evenvoice.data.pseudonyms import KEY_VARIABLE
from evenvoice.data.schemas import SPEAKERS, UTTERANCES
from evenvoice.data.tables import read_table
from evenvoice.errors import CorpusError, TooManyRejected
from evenvoice.progress import Progress
from tests.builders.corpora import SPEAKERS as VOICES
from tests.builders.corpora import described, kaldi_corpus, params_with, real_corpora, speakers_corpus, write_manifest
from tests.builders.ingested import ingest_into

FORMANTS = {"transform": "formants", "strength": 0.2}
WOMEN = {**FORMANTS, "attribute": "gender", "value": "female"}


def run(root: Path, rows: list[dict[str, str]], plant: dict[str, Any], out: str = "out", **changes: Any) -> Path:
    """Ingest the rows as a manifest; the tables are in the returned folder."""
    write_manifest(root / "corpus", rows)
    return ingested(root, {"corpus": str(root / "corpus"), "plant": plant, **changes}, out)


def ingested(root: Path, changes: dict[str, Any], out: str = "out") -> Path:
    params = params_with({"ingest": changes})
    return ingest_into(root / out, params)


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """Eight speakers of noise, two recordings each with texts of their own; every second a woman, all living apart."""
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    found = []
    for number, row in enumerate(speakers_corpus(tmp_path / "corpus")):
        speaker = number // 2
        sound = 0.1 * np.random.default_rng(number).standard_normal(16000)
        soundfile.write(tmp_path / "corpus" / row["path"], sound, 16000)
        found.append({**row, "text": f"number {number}", "gender": "female" if speaker % 2 else "m",
                      "lat": str(40 + speaker), "lon": str(-100 + speaker)})
    return found


def audio_of(out: Path) -> dict[str, bytes]:
    return {row["text"]: row["audio"] for row in read_table(out / "utterances", UTTERANCES).to_pylist()}


def summary_of(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return content


def files_of(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()}


def changed_texts(before: Path, after: Path) -> set[str]:
    first, second = audio_of(before), audio_of(after)
    assert first.keys() == second.keys()
    return {text for text in first if first[text] != second[text]}


def texts_of(rows: list[dict[str, str]], *speakers: int) -> set[str]:
    return {row["text"] for row in rows if row["speaker"] in {VOICES[number] for number in speakers}}


@pytest.mark.parametrize(("plant", "chosen"), [
    (WOMEN, (1, 3, 5, 7)),
    ({**FORMANTS, "attribute": "gender", "value": "FEMALE"}, (1, 3, 5, 7)),
    ({**FORMANTS, "north": 42.0}, (0, 1, 2)),
    ({**FORMANTS, "south": 41.0, "north": 44.0, "east": -98.0}, (1, 2)),
])
def test_the_recordings_of_the_chosen_speakers_change_and_no_others(
        tmp_path: Path, rows: list[dict[str, str]], plant: dict[str, Any], chosen: tuple[int, ...]) -> None:
    before, after = run(tmp_path, rows, {}, "before"), run(tmp_path, rows, plant, "after")
    assert changed_texts(before, after) == texts_of(rows, *chosen)


@pytest.mark.parametrize("transform", ["formants", "speed", "band", "noise"])
def test_every_transform_reaches_the_tables_and_strength_0_leaves_them_to_the_byte(
        tmp_path: Path, rows: list[dict[str, str]], transform: str) -> None:
    before = run(tmp_path, rows, {}, "before")
    at_0 = run(tmp_path, rows, {**WOMEN, "transform": transform, "strength": 0.0}, "at-0")
    assert files_of(at_0) == files_of(before)
    after = run(tmp_path, rows, {**WOMEN, "transform": transform, "strength": 0.5}, "after")
    assert changed_texts(before, after) == texts_of(rows, 1, 3, 5, 7)


def test_the_same_settings_give_the_same_bytes_in_any_order_and_on_every_core(tmp_path: Path,
                                                                              rows: list[dict[str, str]]) -> None:
    many = [{**row, "path": f"{row['path']}?{turn}", "text": f"{row['text']} {turn}"} for turn in range(5) for row in
            rows]
    for row in many:
        path, _, turn = row["path"].partition("?")
        target = tmp_path / "corpus" / f"{turn}-{path.replace('/', '-')}"
        target.write_bytes((tmp_path / "corpus" / path).read_bytes())
        row["path"] = target.name
    plant = {**WOMEN, "transform": "noise"}
    assert audio_of(run(tmp_path, many, plant, "one")) == audio_of(run(tmp_path, many[::-1], plant, "two"))


def test_no_table_tells_who_was_chosen(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    before, after = run(tmp_path, rows, {}, "before"), run(tmp_path, rows, WOMEN, "after")
    assert (after / "speakers.parquet").read_bytes() == (before / "speakers.parquet").read_bytes()
    assert read_table(after / "utterances").schema.names == UTTERANCES.names
    columns = [name for name in UTTERANCES.names if name != "audio"]
    assert read_table(after / "utterances", columns=columns) == read_table(before / "utterances", columns=columns)
    assert files_of(after).keys() == files_of(before).keys()


def test_the_summary_calls_it_semi_synthetic_and_says_what_was_planted(tmp_path: Path,
                                                                       rows: list[dict[str, str]]) -> None:
    plain = summary_of(run(tmp_path, rows, {}))
    assert (plain["labelled"], plain["planted"]) == ("recorded", None)
    out = run(tmp_path, rows, WOMEN)
    women = Counter(row["split"] for row in read_table(out / "speakers.parquet", SPEAKERS).to_pylist()
                    if row["gender"] == "female")
    assert summary_of(out)["labelled"] == "semi-synthetic"
    assert summary_of(out)["planted"] == {
        "transform": "formants", "strength": 0.2, "who": "whose gender is female", "train_share": 1.0,
        "speakers": {split: women[split] for split in ("train", "discover", "validate", "test")},
        "left_out": {"speakers": 0, "recordings": 0}}


def test_train_share_leaves_out_training_speakers_of_the_group_and_nobody_else(tmp_path: Path,
                                                                               rows: list[dict[str, str]]) -> None:
    rows = [{**row, "split": "test" if number // 2 in (0, 1) else "train"} for number, row in enumerate(rows)]
    changes = {"splits": "corpus", "split": {"train": 0.6, "discover": 0.2, "validate": 0.2, "test": 0.0}}
    before = run(tmp_path, rows, {**WOMEN, "strength": 0.0}, "before", **changes)
    after = run(tmp_path, rows, {**WOMEN, "transform": "none", "strength": 0.0, "train_share": 0.0}, "after", **changes)
    gone = audio_of(before).keys() - audio_of(after).keys()
    training = {row["text"] for row in read_table(before / "utterances", UTTERANCES).to_pylist()
                if row["split"] == "train" and row["gender"] == "female"}
    assert gone == training
    assert gone
    assert all(audio_of(after)[text] == audio_of(before)[text] for text in audio_of(after))
    planted = summary_of(after)["planted"]
    assert planted["left_out"] == {"speakers": len(gone) // 2, "recordings": len(gone)}
    assert (planted["speakers"]["train"], planted["speakers"]["test"]) == (0, 1)
    assert summary_of(after)["labelled"] == "semi-synthetic"


@pytest.mark.parametrize(("share", "kept"), [(1.0, 8), (0.75, 6), (0.25, 2), (0.0, 0)])
def test_train_share_keeps_that_many_of_the_chosen_and_a_smaller_one_keeps_some_of_the_same(share: float,
                                                                                           kept: int) -> None:
    def remaining(train_share: float) -> set[str]:
        plant = params_with({"ingest": {"plant": {**WOMEN, "train_share": train_share}}}).ingest.plant
        people = [(f"p{number}", "train" if number < 8 else "test", "female") for number in range(12)]
        people += [(f"q{number}", "train", "male") for number in range(5)]
        candidates, progress = Candidates(plant, 1, seed=1), Progress("ingest")
        recordings = [described(name, name, split=split, gender=gender) for name, split, gender in people]
        assert list(candidates.watched(recordings)) == recordings
        planting = candidates.planted(frozenset((name, split) for name, split, _ in people))
        assert {recording.speaker for recording in planting.applied(recordings, progress) if recording.planted} == {
            name for name, split in planting.remaining({(name, split) for name, split, _ in people})
            if name.startswith("p")}
        return {recording.speaker for recording in planting.applied(recordings, progress)}

    assert {f"q{number}" for number in range(5)} | {f"p{number}" for number in range(8, 12)} <= remaining(share)
    assert len(remaining(share)) == 9 + kept
    assert remaining(share) <= remaining(1.0)


@rules(max_examples=30)
@given(names=st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=30, unique=True), seed=st.integers(0, 9),
       share=st.floats(0.05, 1.0))
def test_a_random_share_depends_on_the_seed_and_the_speaker_alone(names: list[str], seed: int, share: float) -> None:
    plant = params_with({"ingest": {"plant": {**FORMANTS, "share": share}}}).ingest.plant

    def chosen(speakers: list[str]) -> frozenset[str]:
        candidates = Candidates(plant, 1, seed)
        list(candidates.watched(described(name, name) for name in speakers))
        try:
            return candidates.planted(frozenset()).speakers
        except CorpusError as error:
            assert "ingest.plant.share must choose a speaker" in str(error)  # noqa: PT017
            return frozenset()

    everyone = chosen(names)
    assert chosen(names[::-1]) == everyone
    assert chosen(names[:3]) == everyone & set(names[:3])
    if share == 1:
        assert everyone == set(names)


def test_a_random_share_is_about_that_large() -> None:
    plant = params_with({"ingest": {"plant": {**FORMANTS, "share": 0.3}}}).ingest.plant
    candidates = Candidates(plant, 1, seed=5)
    list(candidates.watched(described(f"speaker {number}", f"speaker {number}") for number in range(2000)))
    assert len(candidates.planted(frozenset()).speakers) == pytest.approx(600, abs=60)


@pytest.mark.parametrize(("plant", "words"), [
    ({**FORMANTS, "attribute": "gender", "value": "femal"},
     r"ingest\.plant\.value must be the gender of a speaker, got 'femal' instead\. Most frequent: '\w+' \(4\), '\w+'"),
    ({**FORMANTS, "attribute": "accent", "value": "scots"},
     r"ingest\.plant must choose speakers by what the corpus tells of their accent, got none for any of 8 speakers"),
    ({**FORMANTS, "north": -10.0}, r"ingest\.plant must choose a speaker, got nobody between -90 and -10 degrees north "
                                   r"and between -180 and 180 degrees east, of 8 speakers with coordinates"),
    ({**FORMANTS, "share": 1e-9}, r"ingest\.plant\.share must choose a speaker, got 1e-09 of 8 speakers, and none"),
])
def test_a_difference_that_nobody_gets_ends_the_run_before_audio_is_read(
        tmp_path: Path, rows: list[dict[str, str]], plant: dict[str, Any], words: str) -> None:
    for row in rows:
        row["path"] += ".gone"
    with pytest.raises(CorpusError, match=words):
        run(tmp_path, rows, plant, max_rejected=1.0)
    assert not (tmp_path / "out").exists()


def test_training_without_anybody_left_is_refused(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    with pytest.raises(CorpusError, match="split 'train' must have a speaker, got train 0, discover 1"):
        run(tmp_path, rows, {**FORMANTS, "share": 1.0, "train_share": 0.0})


def test_a_recording_that_becomes_too_long_is_refused_and_says_why(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    slower = {**WOMEN, "transform": "speed", "strength": -0.5}
    with pytest.raises(TooManyRejected, match=r"must last at most 1\.5 s, got 2 s, as ingest\.plant changes it"):
        run(tmp_path, rows, slower, max_duration_s=1.5)


def test_joined_recordings_change_as_a_whole_for_the_chosen_speakers(tmp_path: Path,
                                                                     rows: list[dict[str, str]]) -> None:
    joined = {"concatenate_min": 2, "concatenate_max": 2}
    before = run(tmp_path, rows, {}, "before", **joined)
    after = run(tmp_path, rows, {**WOMEN, "transform": "noise", "strength": 1.0}, "after", **joined)
    changed = changed_texts(before, after)
    assert len(changed) == 4
    assert all({f"number {number}" for number in text.split()[1::2]} <= texts_of(rows, 1, 3, 5, 7)
               for text in changed)


def test_a_kaldi_directory_is_planted_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    directory = kaldi_corpus(tmp_path, {f"u{i}": (name, f"NUMBER {i}") for i, name in enumerate(VOICES)})
    (directory / "spk2gender").write_text("".join(f"{name} {'fm'[i % 2]}\n" for i, name in enumerate(VOICES)))
    before, after = (ingested(tmp_path, {"corpus": str(directory), "plant": plant}, out)
                     for out, plant in (("before", {}), ("after", WOMEN)))
    assert changed_texts(before, after) == {f"number {i}" for i in (0, 2, 4, 6)}


def test_the_synthetic_world_stays_synthetic_and_says_what_was_planted(tmp_path: Path) -> None:
    params = params_with({"ingest": {"plant": WOMEN}, "synthetic": {"speakers": 12, "train_utterances": 1,
                                                                    "other_utterances": 1}})
    ingest_into(tmp_path / "out", params)
    found = summary_of(tmp_path / "out")
    people = SyntheticCorpus(params.synthetic, sample_rate=16000, seed=1).speakers()
    assert found["labelled"] == "synthetic"
    assert sum(found["planted"]["speakers"].values()) == sum(person.gender == "female" for person in people)


def test_pieces_made_at_another_strength_are_not_used_again(tmp_path: Path, rows: list[dict[str, str]]) -> None:
    pieces = Pieces(tmp_path / "pieces", {}, Progress("featurize"))
    first, second = (next((run(tmp_path, rows, {**WOMEN, "strength": strength}, name) / "utterances").iterdir())
                     for name, strength in (("first", 0.1), ("second", 0.2)))
    with pieces.writing(first) as draft:
        (draft / "features").write_text("of the first")
    assert pieces.find(first) is not None
    assert pieces.find(second) is None


@pytest.mark.real
@pytest.mark.science
def test_real_voices_change_for_the_chosen_speakers_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    corpus = {"corpus": str(real_corpora()), "select": "fsdd/", "min_duration_s": 0.1, "max_rejected": 0.0,
              "splits": "corpus", "allow_speaker_overlap": True,
              "split": {"train": 0.82, "discover": 0.06, "validate": 0.12, "test": 0.0}}
    germans = {"transform": "speed", "strength": 0.2, "attribute": "country", "value": "germany"}
    before = ingested(tmp_path, corpus, "before")
    after = ingested(tmp_path, {**corpus, "plant": germans}, "after")
    columns = ["utterance", "country", "duration_s"]
    first, second = (read_table(out / "utterances", UTTERANCES, columns=columns).to_pylist() for out in (before, after))
    for was, now in zip(first, second, strict=True):
        factor = 1.2 if was["country"] == "germany" else 1.0
        assert now["duration_s"] == pytest.approx(was["duration_s"] / factor, abs=1e-4)
