"""Who goes where."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.data import splits
from evenvoice.data.corpora.recording import Recording
from evenvoice.errors import CorpusError, RecordingRejected
from evenvoice.params import Ingest
from tests.builders.corpora import described, params_with

SHARES = {"train": 0.5, "discover": 0.15, "validate": 0.1, "test": 0.25}
CORPUS_SPLIT = params_with({"ingest": {"splits": "corpus"}}).ingest
OVERLAP = params_with({"ingest": {"splits": "corpus", "allow_speaker_overlap": True}}).ingest


def by_corpus(recordings: list[Recording], settings: Ingest) -> tuple[splits.Placement, list[Recording]]:
    placement = splits.by_corpus(iter(recordings), settings, seed=1)
    return placement, [placement.place(recording) for recording in recordings]


def test_shares_of_speakers_hold() -> None:
    drawn = splits.draw([f"voice{i}" for i in range(640)], SHARES, seed=1)
    assert Counter(drawn.values()) == {"train": 320, "discover": 96, "validate": 64, "test": 160}


def test_the_draw_depends_on_seed_and_name_but_not_on_order() -> None:
    names = [f"voice{i}" for i in range(40)]
    assert splits.draw(names, SHARES, seed=1) == splits.draw(reversed(names), SHARES, seed=1)
    assert splits.draw(names, SHARES, seed=1) != splits.draw(names, SHARES, seed=2)


def test_even_four_speakers_fill_four_splits() -> None:
    assert Counter(splits.draw("abcd", SHARES, seed=1).values()) == dict.fromkeys(SHARES, 1)


@given(st.integers(0, 300), st.lists(st.floats(0, 1), min_size=4, max_size=4).filter(lambda shares: sum(shares) > 0.1))
def test_counts_add_up_and_stay_within_two_of_their_share(total: int, weights: list[float]) -> None:
    shares = dict(zip(SHARES, weights, strict=True))
    counts = Counter(splits.draw(map(str, range(total)), shares, seed=1).values())
    assert counts.total() == total
    for split, weight in shares.items():
        assert abs(counts[split] - total * weight / sum(weights)) < 4
        assert weight > 0 or counts[split] == 0


def test_a_corpus_that_brings_train_and_test_has_its_train_part_divided_by_speaker() -> None:
    recordings = [described(f"{i}-{n}", f"voice{i}", split="test" if i >= 30 else "train")
                  for i in range(40) for n in range(2)]
    placement, placed = by_corpus(recordings, CORPUS_SPLIT)
    assert placement.speakers == {(r.speaker, r.split) for r in placed}
    assert len(placement.speakers) == 40
    assert {r.speaker for r in placed if r.split == "test"} == {f"voice{i}" for i in range(30, 40)}
    assert Counter(r.split for r in placed) == {"train": 40, "discover": 12, "validate": 8, "test": 20}


def test_a_corpus_that_brings_all_four_is_left_alone() -> None:
    recordings = [described(split, split, split=split) for split in SHARES]
    assert by_corpus(recordings, CORPUS_SPLIT)[1] == recordings


def test_a_speaker_in_two_splits_is_refused_by_name() -> None:
    recordings = [described("1", "voice1", split="train"), described("2", "voice1", split="test")]
    with pytest.raises(CorpusError, match="speaker 'voice1' must be in one split only"):
        splits.by_corpus(recordings, CORPUS_SPLIT, seed=1)


def test_overlapping_speakers_are_divided_by_recording_where_that_is_allowed() -> None:
    recordings = [described(f"{i}-{n}", f"voice{i}", split="test" if n < 5 else "train")
                  for i in range(2) for n in range(35)]
    placement, placed = by_corpus(recordings, OVERLAP)
    assert placement.speakers == {(r.speaker, r.split) for r in placed}
    for speaker in ("voice0", "voice1"):
        assert Counter(r.split for r in placed if r.speaker == speaker) == {
            "train": 20, "discover": 6, "validate": 4, "test": 5}


@pytest.mark.parametrize(("found", "ours"), [("dev", "validate"), ("TRAIN", "train"), ("validation", "validate")])
def test_splits_are_brought_to_one_spelling(found: str, ours: str) -> None:
    assert splits.canonical(described("1", "voice1", split=found)).split == ours


@pytest.mark.parametrize("found", [None, "", "holdout"])
def test_a_recording_without_a_known_split_is_refused(found: str | None) -> None:
    with pytest.raises(RecordingRejected, match="recording '1' must name its split"):
        splits.canonical(described("1", "voice1", split=found))
