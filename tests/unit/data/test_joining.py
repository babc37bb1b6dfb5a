"""Connected strings."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from evenvoice.data.joining import GAP_S, JoinedAudio, join
from tests.builders.corpora import ToneAudio, described

DIGITS = [described(f"{speaker}-{split}-{n}", speaker, split=split, text=str(n % 10))
          for speaker in ("voice0", "voice1") for split in ("train", "test") for n in range(50)]


def strings(seed: int = 1):
    return join(DIGITS, shortest=3, longest=7, repeats=2, seed=seed)


def test_every_recording_is_used_as_often_as_asked() -> None:
    used = Counter(key for string in strings() for key in string.key.partition(": ")[2].split(" + "))
    assert used == {recording.key: 2 for recording in DIGITS}


def test_a_string_stays_with_one_speaker_in_one_split() -> None:
    for string in strings():
        assert f"{string.speaker}-{string.split}-" in string.key
        assert string.key.count(f"{string.speaker}-{string.split}-") == len(string.text.split())


def test_lengths_stay_within_the_limits_and_vary() -> None:
    lengths = {len(string.text.split()) for seed in range(20) for string in strings(seed)}
    assert lengths == {3, 4, 5, 6, 7}


def test_keys_are_unique_and_follow_from_the_seed() -> None:
    keys = [string.key for string in strings(1)]
    assert len(set(keys)) == len(keys)
    assert keys == [string.key for string in strings(1)]
    assert keys != [string.key for string in strings(2)]


def test_what_is_drawn_for_one_speaker_does_not_depend_on_the_others() -> None:
    alone = [recording for recording in DIGITS if (recording.speaker, recording.split) == ("voice1", "train")]
    assert join(alone, shortest=3, longest=7, repeats=2, seed=1) == [
        string for string in strings(1) if (string.speaker, string.split) == ("voice1", "train")]


def test_fewer_recordings_than_a_string_needs_give_one_short_string() -> None:
    few = DIGITS[:2]
    assert [len(s.text.split()) for s in join(few, shortest=3, longest=7, repeats=1, seed=1)] == [2]


def test_audio_is_one_part_after_the_other_with_silence_between() -> None:
    audio = JoinedAudio((ToneAudio(0.5), ToneAudio(0.25, rate=8000)), (0.1,))
    waveform = audio.load(name="r1", max_duration_s=5)
    assert waveform.rate == 16000
    assert waveform.duration_s == pytest.approx(0.85)
    assert not waveform.samples[8000:9600].any()
    assert np.abs(waveform.samples[9700:]).max() > 0.4


@pytest.mark.parametrize("beyond", [0, 1, 2])
def test_a_string_is_scaled_where_any_part_of_it_was(beyond: int) -> None:
    parts = [ToneAudio(0.5), ToneAudio(0.5), ToneAudio(0.5)]
    parts[beyond].waveform = replace(parts[beyond].waveform, scaled=True)
    assert JoinedAudio(tuple(parts), (0.1, 0.1)).load(name="r1", max_duration_s=5).scaled
    assert not JoinedAudio((ToneAudio(0.5), ToneAudio(0.5)), (0.1,)).load(name="r1", max_duration_s=5).scaled


def test_a_part_that_overshoots_when_resampled_lowers_the_string_and_marks_nothing() -> None:
    square = ToneAudio(0.5, rate=8000)
    square.waveform = replace(square.waveform, samples=np.sign(square.waveform.samples))
    waveform = JoinedAudio((ToneAudio(0.5), square), (0.1,)).load(name="r1", max_duration_s=5)
    assert np.abs(waveform.samples).max() == 1
    assert not waveform.scaled
    assert np.abs(waveform.samples[:8000]).max() < 0.48


def test_silences_are_those_of_connected_speech() -> None:
    gaps = [gap for string in strings() for gap in string.audio.gaps_s]
    assert GAP_S[0] <= min(gaps) < max(gaps) <= GAP_S[1]
