"""Which pairs of recordings are compared."""

import numpy as np
import pytest

from evenvoice.errors import CorpusError
from evenvoice.params import load_params
from evenvoice.verification.trials import (
    ALIKE,
    RECORDING,
    RECORDINGS,
    SESSION,
    SESSIONS,
    UNKNOWN,
    UNLIKE,
    make_trials,
    segments_of,
)
from tests.builders.speakers import open_voices


def settings(**changes):
    return load_params().verify.model_copy(update=changes)


def segments(store, cut_frames: int = 0, most_speakers: int = 1000):
    return segments_of(store, "test", cut_frames=cut_frames, most_speakers=most_speakers, seed=0)


def trials(found, genders=None, **changes):
    return make_trials(found, genders or [None] * len(found.names), settings(**changes), split="test", seed=0)


def test_every_speaker_is_compared_with_itself_and_with_every_other(tmp_path):
    found = segments(open_voices(tmp_path, speakers={"train": 3, "test": 5}, recordings=4))
    made = trials(found)
    assert len(found) == 20
    assert made.same.sum() == 5 * 6
    pairs = {tuple(sorted(pair)) for pair in zip(found.speakers[made.first[~made.same]].tolist(),
                                                 found.speakers[made.second[~made.same]].tolist(), strict=True)}
    assert len(pairs) == 10
    assert (found.speakers[made.first[made.same]] == found.speakers[made.second[made.same]]).all()


def test_no_more_pairs_are_made_than_asked_for_and_none_twice(tmp_path):
    made = trials(segments(open_voices(tmp_path, speakers={"test": 4}, recordings=5)), same_per_speaker=3,
                  different_per_pair=7)
    assert made.same.sum() == 4 * 3
    assert 6 * 4 <= (~made.same).sum() <= 6 * 7
    assert len({*zip(made.first.tolist(), made.second.tolist(), strict=True)}) == len(made)


def test_a_long_recording_is_cut_into_pieces_and_a_short_one_stays_whole(tmp_path):
    store = open_voices(tmp_path, speakers={"test": 3}, recordings=1, frames=200)
    found = segments(store, cut_frames=40)
    for number in range(3):
        own = found.recordings == store.indices("test")[number]
        assert own.sum() == store.frames[store.indices("test")[number]] // 40
    assert set((found.stops - found.starts).tolist()) == {40}
    assert len(segments(store, cut_frames=150)) == 3


def test_pieces_of_a_recording_are_told_from_recordings(tmp_path):
    store = open_voices(tmp_path, speakers={"test": 3}, recordings=2, frames=200)
    made = trials(segments(store, cut_frames=40))
    assert set(made.condition[made.same].tolist()) == {RECORDING, RECORDINGS}


def test_trials_within_a_session_are_told_from_those_across_sessions(tmp_path):
    store = open_voices(tmp_path, speakers={"test": 3}, recordings=3)
    sessions = {name: "monday" if name.endswith(("-0", "-1")) else "tuesday" for name in store.ids.tolist()}
    found = segments_of(store, "test", cut_frames=0, most_speakers=9, seed=0, sessions=sessions)
    kinds = (made := trials(found)).condition[made.same].tolist()
    assert (kinds.count(SESSION), kinds.count(SESSIONS)) == (3, 6)


def test_trials_between_men_and_women_are_told_from_others(tmp_path):
    made = trials(segments(open_voices(tmp_path, speakers={"test": 4})), genders=["female", "female", "male", None])
    kinds = made.condition[~made.same].tolist()
    assert {kind: kinds.count(kind) for kind in (ALIKE, UNLIKE, UNKNOWN)} == {ALIKE: 1, UNLIKE: 2, UNKNOWN: 3}


def test_of_too_many_speakers_some_are_drawn(tmp_path):
    found = segments(open_voices(tmp_path, speakers={"test": 9}), most_speakers=4)
    assert len(found.names) == 4
    assert sorted(set(found.speakers.tolist())) == [0, 1, 2, 3]


def test_equal_seeds_give_equal_trials(tmp_path):
    found = segments(open_voices(tmp_path, speakers={"test": 6}))
    one, other = trials(found, different_per_pair=3), trials(found, different_per_pair=3)
    assert np.array_equal(one.first, other.first)
    assert np.array_equal(one.second, other.second)


def test_one_recording_per_speaker_is_refused_with_a_way_out(tmp_path):
    with pytest.raises(CorpusError, match=r"two recordings of a speaker.*got one recording per speaker.*verify\.cut_s"):
        trials(segments(open_voices(tmp_path, speakers={"test": 6}, recordings=1)))


def test_one_speaker_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="the test split must hold at least 2 speakers to verify, got 1"):
        trials(segments(open_voices(tmp_path, speakers={"test": 1})))
