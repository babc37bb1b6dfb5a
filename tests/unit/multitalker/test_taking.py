"""A corpus that brings its mixtures, as the mix stage takes it."""

from __future__ import annotations

import json
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evenvoice.data.pseudonyms import KEY_VARIABLE, from_environment
from evenvoice.data.schemas import SPEAKERS
from evenvoice.data.tables import read_table
from evenvoice.errors import CorpusError, ParamsError, RecordingRejected
from evenvoice.multitalker import taking
from evenvoice.multitalker.mixtures import Settings
from evenvoice.multitalker.recorded import RecordedMixture
from evenvoice.multitalker.store import MixtureStore
from evenvoice.multitalker.taking import take_mixtures
from evenvoice.params import load_params
from evenvoice.progress import Progress
from evenvoice.storage import read_json
from evenvoice.verification.groups import read_labels
from tests.builders.audio import file_bytes, tone
from tests.builders.corpora import write_manifest
from tests.builders.models import FEATURIZE, MELS
from tests.builders.talkers import RATE

SPLITS = {"a": "test", "b": "train", "c": "validate", "d": "validate"}
"""Recordings, in the order of a store; each is of two speakers whose names begin with its own."""
SECONDS = 3.0
SETTINGS = Settings(mix=load_params().mix, featurize=FEATURIZE, sample_rate=RATE, seed=7)


def segments(name: str) -> list[dict[str, object]]:
    return [{"session_id": name, "speaker": f"{name}{number}", "words": f"Word {number}", "start_time": 0.5 * number,
             "end_time": 0.5 * number + 1.0} for number in (1, 2)]


def write_recording(root: Path, name: str, said: object, *, rate: int = RATE) -> None:
    root.mkdir(exist_ok=True, parents=True)
    (root / f"{name}.flac").write_bytes(file_bytes(tone(SECONDS, rate)))
    (root / f"{name}.seglst.json").write_text(json.dumps(said))


def rows(**changes: str) -> list[dict[str, str]]:
    """Of the manifest; ``changes`` are those of the last."""
    found = [{"path": f"{name}.flac", "split": split} for name, split in SPLITS.items()]
    return [*found[:-1], {**found[-1], **changes}]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    for name in SPLITS:
        write_recording(tmp_path / "calls", name, segments(name), rate=2 * RATE if name == "b" else RATE)
    write_manifest(tmp_path / "calls", rows())
    return tmp_path / "calls"


def take(corpus: Path, **changes: Any) -> MixtureStore:
    out = corpus.parent / "mixtures"
    take_mixtures(corpus=str(corpus), out=out, settings=SETTINGS, progress=Progress("mix"),
                  **{"allow_speaker_overlap": False, "columns": (), **changes})
    return MixtureStore.open(out, MELS)


def test_recordings_become_mixtures_with_their_turns(corpus):
    store, names = take(corpus), from_environment(7, people=True)
    assert store.ids.tolist() == [names.utterance(f"{name}.flac") for name in SPLITS]
    assert store.splits.tolist() == list(SPLITS.values())
    assert store.durations_s.tolist() == [SECONDS] * 4
    assert [(turn.speaker, turn.start_s, turn.end_s, turn.text, turn.pauses) for turn in store.turns[2]] == [
        (names.speaker("c1"), 0.5, 1.5, "word 1", ()), (names.speaker("c2"), 1.0, 2.0, "word 2", ())]


def test_audio_of_another_rate_is_resampled(corpus):
    store = take(corpus)
    assert len(set(store.frames.tolist())) == 1
    np.testing.assert_allclose(store.features(1)[5:-5, :4], store.features(0)[5:-5, :4], atol=0.05)


def test_the_summary_says_that_they_were_recorded(corpus):
    take(corpus)
    summary = read_json(corpus.parent / "mixtures" / "summary.json")
    assert (summary["source"], summary["speakers_overlap"]) == ("recorded", False)
    assert summary["splits"]["validate"] == {"mixtures": 2, "turns": 4, "speakers": 4, "hours": 6 / 3600,
                                         "overlap_share": pytest.approx(1 / 3)}


def test_a_recording_in_which_nobody_speaks_has_no_turns(corpus):
    (corpus / "d.seglst.json").write_text("[]")
    assert take(corpus).turns[3] == ()


def test_what_a_corpus_tells_of_its_speakers_stands_beside_the_mixtures(corpus):
    table = [{"speaker": f"{name}{number}", "gender": "f" if number == 1 else "m", "phone": "old"}
             for name in SPLITS for number in (1, 2)]
    write_manifest(corpus, table, name="speakers.tsv")
    take(corpus, columns=("phone",))
    told = read_table(corpus.parent / "mixtures" / "speakers.parquet", SPEAKERS)
    assert (len(told), set(told["gender"].to_pylist())) == (8, {"female", "male"})
    labels = read_labels(corpus=corpus.parent / "mixtures", embeddings=corpus, columns=("gender", "phone"), clusters=0,
                         seed=0)
    assert (labels.groups("gender"), labels.groups("phone")) == (("female", "male"), ("old",))


def test_a_corpus_that_tells_nothing_of_them_has_no_table(corpus):
    take(corpus)
    assert not (corpus.parent / "mixtures" / "speakers.parquet").exists()


def test_a_secret_key_names_them(corpus, monkeypatch):
    before = take(corpus)
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    assert not {*take(corpus).ids} & {*before.ids}


def test_one_recording_is_in_memory_at_a_time(corpus, monkeypatch):
    held: list[weakref.ref[Any]] = []
    load = RecordedMixture.load

    def watched(mixture: RecordedMixture, **arguments: float) -> Any:
        assert not any(samples() is not None for samples in held)
        waveform, turns = load(mixture, **arguments)
        held.append(weakref.ref(waveform.samples))
        return waveform, turns

    monkeypatch.setattr(RecordedMixture, "load", watched)
    take(corpus)
    assert len(held) == 4


def test_a_manifest_instead_of_its_folder_is_refused(corpus):
    with pytest.raises(ParamsError, match=r"mix.corpus must name a folder .* got the file .*tsv .* Name its folder"):
        take(corpus / "manifest.tsv")


def test_a_folder_without_a_manifest_is_refused(corpus):
    (corpus / "manifest.tsv").unlink()
    with pytest.raises(CorpusError, match=r"Correct mix.corpus"):
        take(corpus)


@pytest.mark.parametrize("column", ["path", "seglst"])
def test_what_lies_outside_of_the_folder_is_refused_unless_linked_from_there(corpus, column):
    write_recording(corpus.parent / "elsewhere", "d", segments("d"))
    outside = corpus.parent / "elsewhere" / ("d.flac" if column == "path" else "d.seglst.json")
    named = [{**row, "seglst": row["path"].replace(".flac", ".seglst.json")} for row in rows()]
    write_manifest(corpus, [*named[:-1], {**named[-1], column: str(outside)}])
    with pytest.raises(CorpusError, match=rf"{outside} must lie in {corpus} \(mix.corpus\)"):
        take(corpus)
    (corpus / "linked").symlink_to(outside.parent)
    write_manifest(corpus, [*named[:-1], {**named[-1], column: f"linked/{outside.name}"}])
    assert len(take(corpus)) == 4


def test_an_absolute_path_within_the_folder_is_taken(corpus):
    write_manifest(corpus, rows(path=str(corpus / "d.flac")))
    assert len(take(corpus)) == 4


def test_a_speaker_in_two_splits_is_refused_unless_that_is_accepted_and_then_said(corpus):
    (corpus / "c.seglst.json").write_text(json.dumps(segments("a")))
    with pytest.raises(CorpusError, match="speaker 'a1' must be in one split only"):
        take(corpus)
    take(corpus, allow_speaker_overlap=True)
    assert read_json(corpus.parent / "mixtures" / "summary.json")["speakers_overlap"]


def test_a_recording_that_no_meeting_lasts_is_refused_by_name(corpus, monkeypatch):
    monkeypatch.setattr(taking, "LONGEST_S", 2.0)
    with pytest.raises(RecordingRejected, match=r"recording .*b.flac. must last at most 2 s.* Cut it, and its SegLST"):
        take(corpus)
    assert not (corpus.parent / "mixtures").exists()


def test_three_at_once_are_refused_by_the_name_of_their_file(corpus):
    (corpus / "d.seglst.json").write_text(json.dumps([*segments("d"), {**segments("d")[1], "speaker": "d3"}]))
    with pytest.raises(CorpusError, match=r"d.seglst.json must have at most 2 turns at once"):
        take(corpus)
