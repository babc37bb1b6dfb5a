"""Who lives in the world: places, shares, and what cause, disparity and difficulty do to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, get_args

import numpy as np
import pytest

from evenvoice.data.corpora.synthetic import voices, world
from evenvoice.data.corpora.synthetic.causes import conditions
from evenvoice.data.corpora.synthetic.speakers import Speaker, apportion
from evenvoice.params import Cause, Place
from tests.builders.synthetic_world import world_of

REGIONS = {region.name: region for region in world.REGIONS}


def people(**settings: Any) -> list[Speaker]:
    return list(world_of(speakers=1200, **settings).speakers())


def mean_snr_db(speakers: Iterable[Speaker]) -> float:
    return float(np.mean([speaker.snr_db for speaker in speakers]))


def parted(speakers: Iterable[Speaker]) -> tuple[list[Speaker], list[Speaker]]:
    """The left out, and everybody else."""
    everyone = list(speakers)
    return [s for s in everyone if s.left_out], [s for s in everyone if not s.left_out]


def left_out_share(speakers: Iterable[Speaker], split: str) -> float:
    return float(np.mean([speaker.left_out for speaker in speakers if speaker.split == split]))


def test_splits_have_their_shares_of_speakers() -> None:
    assert Counter(speaker.split for speaker in people()) == {"train": 432, "discover": 192, "validate": 132,
                                                              "test": 444}


@pytest.mark.parametrize("cause", ["accent", "voice"])
def test_the_left_out_are_a_third_of_the_people_but_scarce_in_training(cause: str) -> None:
    speakers = people(cause=cause)
    for split in ("discover", "validate", "test"):
        assert left_out_share(speakers, split) == pytest.approx(1 / 3, abs=0.04)
    assert left_out_share(speakers, "train") == pytest.approx(world.SCARCITY / (world.SCARCITY + 2), abs=0.02)


def test_noise_leaves_training_its_due_of_everybody() -> None:
    assert left_out_share(people(cause="noise"), "train") == pytest.approx(1 / 3, abs=0.01)


def test_without_a_cause_nobody_is_left_out() -> None:
    speakers = people(cause="none")
    assert not any(speaker.left_out for speaker in speakers)
    assert world.SCARCE_ACCENT not in {speaker.accent for speaker in speakers}


@pytest.mark.parametrize("cause", ["accent", "noise", "voice", "none"])
def test_every_region_is_in_every_split(cause: str) -> None:
    found = Counter((speaker.split, speaker.region) for speaker in people(cause=cause))
    assert len(found) == 4 * len(world.REGIONS)
    assert min(count for (split, _), count in found.items() if split == "test") >= 30


@pytest.mark.parametrize("cause", ["accent", "noise"])
def test_a_cause_in_the_place_leaves_out_whole_regions(cause: str) -> None:
    for speaker in people(cause=cause):
        assert speaker.left_out == REGIONS[speaker.region].disadvantaged


def test_a_cause_in_the_voice_leaves_out_some_in_every_region() -> None:
    found = Counter((speaker.region, speaker.left_out) for speaker in people(cause="voice"))
    assert len(found) == 2 * len(world.REGIONS)


def test_everybody_lives_inside_their_region() -> None:
    for speaker in people():
        region = REGIONS[speaker.region]
        assert abs(speaker.lat - region.lat) <= region.half_height_deg
        assert abs(speaker.lon - region.lon) <= region.half_width_deg


def test_regions_do_not_overlap_on_the_map() -> None:
    for one in world.REGIONS:
        for other in world.REGIONS:
            apart = (abs(one.lat - other.lat) > one.half_height_deg + other.half_height_deg
                     or abs(one.lon - other.lon) > one.half_width_deg + other.half_width_deg)
            assert apart or one is other, (one.name, other.name)


def test_the_parameters_know_every_region_and_no_other() -> None:
    assert [region.place for region in world.REGIONS] == list(get_args(Place))


def test_the_scarce_accent_is_at_home_in_the_left_out_regions_alone() -> None:
    left_out, others = parted(people(cause="accent"))
    assert np.mean([s.accent == world.SCARCE_ACCENT for s in left_out]) == pytest.approx(world.AT_HOME, abs=0.05)
    assert not any(s.accent == world.SCARCE_ACCENT for s in others)


def test_an_accent_makes_no_other_difference() -> None:
    left_out, others = parted(people(cause="accent"))
    for name, close in (("snr_db", 0.6), ("rt60_s", 0.02), ("rate_wpm", 3.0), ("pitch", 2.5), ("vocal_tract", 0.01)):
        ours, theirs = (np.mean([getattr(s, name) for s in group]) for group in (left_out, others))
        assert ours == pytest.approx(theirs, abs=close), name


def test_noise_makes_the_left_out_harder_to_hear() -> None:
    left_out, others = parted(people(cause="noise"))
    assert mean_snr_db(left_out) < mean_snr_db(others) - 5
    assert np.mean([s.high_hz < 4000 for s in left_out]) > 1.6 * np.mean([s.high_hz < 4000 for s in others])


def test_voices_of_the_left_out_are_high_short_and_fast() -> None:
    left_out, others = parted(people(cause="voice"))
    def mean(name: str, group: list[Speaker]) -> float:
        return float(np.mean([getattr(s, name) for s in group]))

    assert mean("pitch", left_out) > mean("pitch", others) + 15
    assert mean("vocal_tract", left_out) < mean("vocal_tract", others) - 0.1
    assert mean("rate_wpm", left_out) > mean("rate_wpm", others) + 20


@pytest.mark.parametrize("cause", ["accent", "noise", "voice"])
def test_without_disparity_the_left_out_are_like_everybody(cause: Cause) -> None:
    apart, common = (conditions(cause, 0.0, left_out=left_out) for left_out in (True, False))
    assert apart == common
    assert left_out_share(people(cause=cause, disparity=0.0), "train") == pytest.approx(1 / 3, abs=0.01)


def test_without_disparity_postal_codes_make_no_difference_either() -> None:
    speakers = list(world_of(speakers=4000, cause="noise", disparity=0.0).speakers())
    by_code: dict[str, list[Speaker]] = {}
    for speaker in speakers:
        by_code.setdefault(speaker.postal_code, []).append(speaker)
    means = [mean_snr_db(group) for group in by_code.values()]
    expected = world.SNR_SPREAD_DB / np.sqrt(4000 / len(by_code))
    assert np.std(means) < 1.3 * expected


def test_more_disparity_makes_scarcer() -> None:
    shares = [left_out_share(people(disparity=disparity), "train") for disparity in (0.0, 0.5, 1.0, 2.0)]
    assert shares == sorted(shares, reverse=True)


def test_the_collected_join_training_and_nobody_else_changes() -> None:
    before, after = people(), people(collect={"ozarks": 7, "appalachia": 5})
    assert after[:len(before)] == before
    assert Counter((s.split, s.region, s.left_out) for s in after[len(before):]) == {
        ("train", "Ozarks", True): 7, ("train", "Appalachia", True): 5}


def test_the_collected_of_a_world_of_voices_are_as_its_people_are() -> None:
    collected = people(cause="voice", collect={"ozarks": 30})[1200:]
    assert Counter(s.left_out for s in collected) == {False: 20, True: 10}


def test_speakers_of_one_region_differ() -> None:
    neighbours = [speaker for speaker in people() if speaker.region == "Appalachia"]
    assert np.std([speaker.snr_db for speaker in neighbours]) > 0.9
    assert {speaker.variant for speaker in neighbours} == {*voices.FEMALE, *voices.MALE}
    assert len({speaker.postal_code for speaker in neighbours}) == world.POSTAL_CODES_PER_REGION


def test_difficulty_moves_noise_rooms_and_lines_of_the_same_people() -> None:
    easy, hard = (people(cause="noise", difficulty=difficulty) for difficulty in (0.5, 1.0))
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
    assert apportion(12, list(world.SPLIT_SHARES.values())) == [4, 2, 1, 5]
