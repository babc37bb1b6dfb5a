"""Variants of recordings: time and spectrum are stretched, and nothing else."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.data.features import centres_of, hz_of, mel_of
from evenvoice.training.feed import Feed
from evenvoice.training.variants import Variants, at_speed, warped
from tests.builders.models import FEATURIZE, spoken_store, tiny_recogniser

CENTRES_M = centres_of(FEATURIZE.model_copy(update={"n_mels": 64, "high_hz": 7600.0}))


@given(frames=st.integers(1, 300), speed=st.floats(0.5, 1.5))
def test_twice_as_fast_is_half_as_long_and_begins_and_ends_alike(frames: int, speed: float) -> None:
    features_TM = np.random.default_rng(frames).normal(size=(frames, 8)).astype(np.float16)

    said_TM = at_speed(features_TM, speed)

    assert len(said_TM) == max(1, round(frames / speed))
    assert np.array_equal(said_TM[0], features_TM[0])
    assert len(said_TM) == 1 or np.allclose(said_TM[-1], features_TM[-1])
    assert features_TM.min() - 1e-3 <= said_TM.min() <= said_TM.max() <= features_TM.max() + 1e-3


@pytest.mark.parametrize("factor", [0.9, 1.1, 1.3])
def test_a_shorter_vocal_tract_moves_a_peak_up_by_its_share(factor: float) -> None:
    at_hz = 1500.0
    peak_TM = np.exp(-((CENTRES_M - mel_of(at_hz)) / 60) ** 2)[None].astype(np.float32)

    moved_TM = warped(peak_TM, factor, CENTRES_M)

    found_hz = hz_of(CENTRES_M[moved_TM[0].argmax()])
    step_hz = np.diff(hz_of(CENTRES_M)).max()
    assert found_hz == pytest.approx(factor * at_hz, abs=step_hz)


def test_no_change_leaves_the_features_as_they_are() -> None:
    features_TM = np.random.default_rng(0).normal(size=(30, 64)).astype(np.float32)

    assert np.allclose(warped(at_speed(features_TM, 1.0), 1.0, CENTRES_M), features_TM, atol=1e-5)


def features(variants: Variants | None, seed: int = 1) -> torch.Tensor:
    feed = Feed(tiny_recogniser(), spoken_store(), None, torch.device("cpu"), variants)
    batch = feed.batch(np.array([0, 1]), np.random.default_rng(seed))
    lengths = batch.frame_lengths_B.tolist()
    return torch.cat([batch.features_BTM[row, :length] for row, length in enumerate(lengths)])


def test_a_batch_alters_only_the_recordings_it_is_told_to_and_alike_for_the_same_seed() -> None:
    variants = Variants(recordings=np.array([1]), speed=0.2, warp=0.2)
    own = spoken_store().frames[0]

    assert torch.equal(features(variants)[:own], features(None)[:own])
    assert not torch.equal(features(variants)[own:][:20], features(None)[own:][:20])
    assert torch.equal(features(variants), features(variants))
    assert not torch.equal(features(variants)[own:][:20], features(variants, seed=2)[own:][:20])
