"""SpecAugment masks what it may, where it may, the same every time."""

import numpy as np
import pytest

from evenvoice.training.augment import mask
from evenvoice.training.settings import SpecAugment

FILL_M = np.array([9.0, 8.0, 7.0, 6.0, 5.0, 4.0], np.float32)
FRAMES = np.array([50, 20])


def masked(settings: SpecAugment, seed: int = 0) -> np.ndarray:
    features_BTM = np.zeros((2, 50, 6), np.float32)
    mask(features_BTM, frames=FRAMES, fill_M=FILL_M, hop_s=0.01, settings=settings, rng=np.random.default_rng(seed))
    return features_BTM


def test_the_same_generator_gives_the_same_masks():
    settings = SpecAugment(time_masks=2, time_mask_s=0.1, frequency_masks=2, frequency_mask_bands=3)
    assert np.array_equal(masked(settings, 1), masked(settings, 1))
    assert not np.array_equal(masked(settings, 1), masked(settings, 2))


def test_masked_cells_hold_the_mean_of_their_band():
    settings = SpecAugment(time_masks=2, time_mask_s=0.1, frequency_masks=2, frequency_mask_bands=3)
    features_BTM = masked(settings)
    assert (features_BTM > 0).any()
    assert np.isin(features_BTM, [0.0, *FILL_M]).all()
    assert (features_BTM[features_BTM > 0] == np.broadcast_to(FILL_M, features_BTM.shape)[features_BTM > 0]).all()


def test_time_masks_stay_short_and_within_the_speech():
    settings = SpecAugment(time_masks=1, time_mask_s=10.0, frequency_masks=0, frequency_mask_bands=0)
    for seed in range(200):
        covered_BT = masked(settings, seed)[..., 0] > 0
        assert not covered_BT[1, 20:].any()
        assert (covered_BT.sum(1) <= FRAMES // 5).all()


@pytest.mark.parametrize(("frames", "most"), [(4, 0), (9, 1), (14, 2)])
def test_a_time_mask_covers_a_fifth_at_most(frames, most):
    features_BTM = np.ones((200, frames, 4), np.float32)
    mask(features_BTM, frames=np.full(200, frames), fill_M=np.zeros(4, np.float32), hop_s=0.01,
         settings=SpecAugment(time_masks=1, time_mask_s=1.0, frequency_masks=0, frequency_mask_bands=0),
         rng=np.random.default_rng(0))
    assert (features_BTM[..., 0] == 0).sum(1).max() == most


def test_frequency_masks_are_no_wider_than_they_may_be():
    settings = SpecAugment(time_masks=0, time_mask_s=0.0, frequency_masks=1, frequency_mask_bands=2)
    widths = {int((masked(settings, seed)[0, 0] > 0).sum()) for seed in range(100)}
    assert widths == {0, 1, 2}


def test_no_masks_change_nothing():
    settings = SpecAugment(time_masks=0, time_mask_s=1.0, frequency_masks=0, frequency_mask_bands=5)
    assert not masked(settings).any()
