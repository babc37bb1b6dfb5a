"""The corpus as ingest sees it: late, picklable, and the same bytes in whichever process it is spoken."""

from __future__ import annotations

import hashlib
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from evenvoice.data.corpora.recording import Corpus, Recording
from evenvoice.data.schemas import SPLITS
from tests.builders.synthetic_world import world_of


def digest(recording: Recording) -> str:
    waveform = recording.audio.load(name=recording.key, max_duration_s=30)
    return hashlib.sha256(waveform.samples.tobytes()).hexdigest()


def test_it_is_a_corpus_labelled_synthetic() -> None:
    corpus: Corpus = world_of()
    assert corpus.labelled == "synthetic"


def test_the_same_seed_gives_the_same_recordings_in_the_same_order() -> None:
    first, second = (list(world_of().recordings()) for _ in range(2))
    assert first == second
    assert [digest(recording) for recording in first[:4]] == [digest(recording) for recording in second[:4]]


def test_another_seed_gives_another_world() -> None:
    one, other = (list(world_of(seed=seed).recordings()) for seed in (7, 8))
    assert [recording.text for recording in one] != [recording.text for recording in other]
    assert digest(one[0]) != digest(other[0])


def test_another_process_in_another_order_makes_the_same_bytes() -> None:
    recordings = list(world_of().recordings())[:8]
    here = [digest(recording) for recording in recordings]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        there = list(pool.map(digest, reversed(recordings)))
    assert there[::-1] == here


def test_a_recording_is_small_when_pickled() -> None:
    assert len(pickle.dumps(next(world_of().recordings()))) < 1500


def test_training_speakers_say_more() -> None:
    recordings = list(world_of(train_utterances=3, other_utterances=2).recordings())
    said = {split: [recording for recording in recordings if recording.split == split] for split in SPLITS}
    assert {split: len(group) for split, group in said.items()} == {"train": 27, "discover": 8, "validate": 4,
                                                                    "test": 18}
    assert len({recording.speaker for recording in said["train"]}) == 9


def test_keys_are_unique_and_no_speaker_is_in_two_splits() -> None:
    recordings = list(world_of(speakers=60).recordings())
    assert len({recording.key for recording in recordings}) == len(recordings)
    assert len({(r.speaker, r.split) for r in recordings}) == len({r.speaker for r in recordings}) == 60


def test_more_recordings_each_leave_the_first_ones_as_they_were() -> None:
    short, long = (list(world_of(train_utterances=count).recordings()) for count in (1, 3))
    assert short[0] == long[0]


@pytest.mark.parametrize("settings", [{}, {"difficulty": 0.0}, {"difficulty": 2.0, "disparity": 2.0}])
def test_recordings_are_whole_audible_and_of_a_plausible_length(settings: dict[str, float]) -> None:
    for recording in list(world_of(**settings).recordings())[::3]:  # type: ignore[arg-type]
        waveform = recording.audio.load(name=recording.key, max_duration_s=30)
        assert waveform.rate == 16_000
        assert waveform.samples.dtype == np.float32
        assert np.isfinite(waveform.samples).all()
        assert 0.01 < np.abs(waveform.samples).max() < 0.96
        assert 1.0 < waveform.duration_s < 7.0


def test_speech_is_spoken_at_the_rate_asked_for() -> None:
    wide, narrow = (next(world_of(sample_rate=rate, difficulty=0.0).recordings()) for rate in (16_000, 8_000))
    wide_audio, narrow_audio = (r.audio.load(name=r.key, max_duration_s=30) for r in (wide, narrow))
    assert narrow_audio.rate == 8_000
    assert narrow_audio.duration_s == pytest.approx(wide_audio.duration_s, abs=0.01)


def test_a_speakers_recordings_share_a_room_but_not_a_background() -> None:
    first, second = list(world_of().recordings())[:2]
    assert first.speaker == second.speaker
    assert first.audio.scene.rt60_s == second.audio.scene.rt60_s  # type: ignore[attr-defined]
    assert first.audio.scene.snr_db != second.audio.scene.snr_db  # type: ignore[attr-defined]
