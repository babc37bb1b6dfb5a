"""Who stays in training when a part of a cohort leaves."""

from __future__ import annotations

import numpy as np
import pytest

from evenvoice.wanted.thinning import thinned
from tests.builders.models import spoken_store

MEMBERS = frozenset({"s0", "s1", "s2", "s4"})


def speakers_of(indices: np.ndarray) -> set[str]:
    return set(spoken_store().speakers[indices].astype(str).tolist())


def test_others_stay_and_of_the_cohort_a_part() -> None:
    found = thinned(spoken_store(), MEMBERS, 0.5, seed=1)

    assert (found.speakers, found.of) == (2, 4)
    assert speakers_of(found.indices) >= speakers_of(spoken_store().indices("train")) - MEMBERS
    assert len(speakers_of(found.indices) & MEMBERS) == 2


def test_who_stays_with_a_quarter_stays_with_a_half() -> None:
    quarter, half = (thinned(spoken_store(), MEMBERS, part, seed=1) for part in (0.25, 0.5))

    assert speakers_of(quarter.indices) < speakers_of(half.indices)


def test_at_least_one_stays() -> None:
    assert thinned(spoken_store(), MEMBERS, 0.01, seed=1).speakers == 1


def test_hours_are_those_of_the_whole_cohort() -> None:
    store = spoken_store()
    theirs = [i for i in store.indices("train") if str(store.speakers[i]) in MEMBERS]

    assert thinned(store, MEMBERS, 0.25, seed=1).hours == pytest.approx(float(store.durations_s[theirs].sum()) / 3600)


def test_a_cohort_without_training_speakers_loses_nobody() -> None:
    found = thinned(spoken_store(), frozenset({"elsewhere"}), 0.25, seed=1)

    assert (found.speakers, found.of) == (0, 0)
    assert np.array_equal(found.indices, spoken_store().indices("train"))


def test_another_seed_takes_others_away() -> None:
    assert len({frozenset(speakers_of(thinned(spoken_store(), MEMBERS, 0.25, seed=seed).indices))
                for seed in range(8)}) > 1
