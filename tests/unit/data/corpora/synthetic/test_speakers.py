"""Who lives in the world: places, shares, and what disparity and difficulty do to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest

from evenvoice.data.corpora.synthetic import world
from evenvoice.data.corpora.synthetic.speakers import Speaker, apportion
from tests.builders.synthetic_world import world_of

HARD = {"Appalachia", "Mississippi Delta", "Texas Border", "Navajo Nation"}


def people(**settings: float) -> list[Speaker]:
    return list(world_of(speakers=640, **settings).speakers())  # type: ignore[arg-type]


def mean_snr_db(speakers: Iterable[Speaker]) -> float:
    return float(np.mean([speaker.snr_db for speaker in speakers]))


def test_splits_have_their_shares_of_speakers() -> None:
    assert Counter(speaker.split for speaker in people()) == {"train": 320, "discover": 96, "validate": 64,
                                                              "test": 160}


def test_disadvantaged_regions_are_rare_in_training_only() -> None:
    counts = Counter(speaker.split for speaker in people() if speaker.region in HARD)
    assert counts == {"train": 32, "discover": 40, "validate": 24, "test": 64}


def test_every_region_is_in_every_split() -> None:
    found = Counter((speaker.split, speaker.region) for speaker in people())
    assert len(found) == 4 * len(world.REGIONS)
    assert min(count for (split, _), count in found.items() if split == "test") >= 10


def test_everybody_lives_inside_their_region() -> None:
    regions = {region.name: region for region in world.REGIONS}
    for speaker in people():
        region = regions[speaker.region]
        assert abs(speaker.lat - region.lat) <= region.half_height_deg
        assert abs(speaker.lon - region.lon) <= region.half_width_deg


def test_regions_do_not_overlap_on_the_map() -> None:
    for one in world.REGIONS:
        for other in world.REGIONS:
            apart = (abs(one.lat - other.lat) > one.half_height_deg + other.half_height_deg
                     or abs(one.lon - other.lon) > one.half_width_deg + other.half_width_deg)
            assert apart or one is other, (one.name, other.name)


def test_shares_of_regions_add_up_to_one() -> None:
    assert sum(region.share for region in world.REGIONS) == pytest.approx(1)
    assert sum(region.train_share for region in world.REGIONS) == pytest.approx(1)


def test_disadvantaged_regions_are_harder_to_hear() -> None:
    speakers = people()
    hard = [speaker for speaker in speakers if speaker.region in HARD]
    others = [speaker for speaker in speakers if speaker.region not in HARD]
    assert mean_snr_db(hard) < mean_snr_db(others) - 3
    assert np.mean([s.high_hz < 4000 for s in hard]) > 2 * np.mean([s.high_hz < 4000 for s in others])


def test_without_disparity_every_region_has_the_same_conditions_and_representation() -> None:
    assert len({repr(world.planted(region, 0.0)) for region in world.REGIONS}) == 1
    assert world.planted(world.REGIONS[-1], 0.0).accents == pytest.approx(dict(world.COMMON.accents))
    assert world.speaker_shares("train", 0.0) == pytest.approx(world.speaker_shares("test", 0.0))
    speakers = people(disparity=0.0)
    hard = [speaker for speaker in speakers if speaker.region in HARD]
    others = [speaker for speaker in speakers if speaker.region not in HARD]
    assert mean_snr_db(hard) == pytest.approx(mean_snr_db(others), abs=1.0)
    assert Counter(s.split for s in hard)["train"] == pytest.approx(0.4 * 320, abs=2)


def test_without_disparity_postal_codes_make_no_difference_either() -> None:
    speakers = list(world_of(speakers=4000, disparity=0.0).speakers())
    by_code: dict[str, list[Speaker]] = {}
    for speaker in speakers:
        by_code.setdefault(speaker.postal_code, []).append(speaker)
    means = [mean_snr_db(group) for group in by_code.values()]
    expected = world.SNR_SPREAD_DB / np.sqrt(4000 / len(by_code))
    assert np.std(means) < 1.3 * expected


def test_more_disparity_widens_the_gap() -> None:
    def gap(disparity: float) -> float:
        well, hard = (world.planted(world.REGIONS[where], disparity).snr_db for where in (0, -1))
        return well - hard

    assert gap(0.0) == 0 < gap(1.0) < gap(2.0)


def test_accents_stay_a_mixture_at_the_largest_disparity() -> None:
    for region in world.REGIONS:
        shares = world.planted(region, 2.0).accents.values()
        assert sum(shares) == pytest.approx(1)
        assert min(shares) >= 0


def test_speakers_of_one_region_differ() -> None:
    neighbours = [speaker for speaker in people() if speaker.region == "Appalachia"]
    assert np.std([speaker.snr_db for speaker in neighbours]) > 2
    assert len({speaker.variant for speaker in neighbours}) > 8
    assert len({speaker.postal_code for speaker in neighbours}) == world.POSTAL_CODES_PER_REGION


def test_difficulty_moves_noise_rooms_and_lines_of_the_same_people() -> None:
    easy, hard = people(difficulty=0.5), people(difficulty=1.0)
    assert [s.variant for s in easy] == [s.variant for s in hard]
    assert mean_snr_db(easy) - mean_snr_db(hard) == pytest.approx(6.02, abs=0.01)
    assert np.mean([s.rt60_s for s in easy]) == pytest.approx(0.5 * np.mean([s.rt60_s for s in hard]))
    assert sum(s.high_hz < 4000 for s in easy) < sum(s.high_hz < 4000 for s in hard)


def test_a_world_without_difficulty_is_clean() -> None:
    for speaker in people(difficulty=0.0):
        assert (speaker.snr_db, speaker.direct_to_reverberant_db) == (float("inf"), float("inf"))
        assert speaker.high_hz > 4000


def test_whole_people_are_divided_by_largest_remainder() -> None:
    assert apportion(10, [0.5, 0.3, 0.2]) == [5, 3, 2]
    assert apportion(7, [0.5, 0.25, 0.25]) == [3, 2, 2]
    assert apportion(1, [0.5, 0.5]) == [1, 0]
    assert apportion(12, list(world.SPLIT_SHARES.values())) == [6, 2, 1, 3]
