"""Which turns a mixture is made of, and when they begin."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.multitalker.plans import (
    EDGE_S,
    SILENCE_S,
    TAIL_S,
    Plan,
    Recordings,
    placed,
    plan_mixtures,
)
from evenvoice.multitalker.turns import Turn, channels_of
from evenvoice.params import Mix, load_params

VOICES = ["bea", "abe", "cem", "bea", "dan", "abe", "eve"]
SHORT_S, LONG_S = 0.2, 2.0


def settings(**changes) -> Mix:
    return load_params().mix.model_copy(update={"shortest_gap_s": SHORT_S, "longest_gap_s": LONG_S,
                                                "silent_share": 0.0, **changes})


def plans(count: int = 200, *, seed: int = 1, split: str = "test", voices: list[str] = VOICES, **changes) -> list[Plan]:
    return plan_mixtures(Recordings.by_speaker(voices), count=count, split=split, settings=settings(**changes),
                         seed=seed)


def turns_of(plan: Plan, lengths_s: list[float]) -> list[Turn]:
    return [Turn(speaker=turn.speaker, start_s=turn.start_s, end_s=turn.start_s + length_s, text="")
            for turn, length_s in zip(placed(plan, lengths_s), lengths_s, strict=True)]


def test_every_turn_is_a_recording_of_its_own_speaker():
    turns = [turn for plan in plans() for turn in plan.turns]
    assert all(VOICES[turn.recording] == turn.speaker for turn in turns)
    assert {turn.recording for turn in turns} == set(range(len(VOICES)))


def test_the_seed_and_the_split_decide_everything():
    assert plans(20) == plans(20)
    assert plans(20, seed=2) != plans(20)
    assert [plan.turns for plan in plans(20, split="train")] != [plan.turns for plan in plans(20)]
    assert plans(20) == plans(40)[:20]


def test_mixtures_have_names_of_their_own():
    assert [plan.name for plan in plans(2)] == ["test-000000", "test-000001"]


def test_no_mixture_has_more_turns_or_speakers_than_it_may():
    made = plans(most_turns=5, most_speakers=2)
    assert {len(plan.turns) for plan in made} == {1, 2, 3, 4, 5}
    assert {len({turn.speaker for turn in plan.turns}) for plan in made} == {1, 2}


def test_one_speaker_alone_makes_mixtures_too():
    made = plans(voices=["abe"], overlapping_share=1.0)
    assert {turn.overlap for plan in made for turn in plan.turns} == {0.0}


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_in_a_share_of_the_mixtures_nobody_speaks(share):
    silent = [plan for plan in plans(2000, silent_share=share) if not plan.turns]
    assert len(silent) / 2000 == pytest.approx(share, abs=0.02)
    assert all(SILENCE_S[0] <= plan.edge_s <= SILENCE_S[1] and plan.tail_s == 0 for plan in silent)


def test_a_share_of_the_turns_has_a_pause_as_long_as_a_gap():
    pauses = [turn.pause_s for plan in plans(1000, pause_share=0.3) for turn in plan.turns]
    assert np.mean(np.array(pauses) > 0) == pytest.approx(0.3, abs=0.03)
    assert all(pause_s == 0 or SHORT_S <= pause_s <= LONG_S for pause_s in pauses)
    assert not any(turn.pause_s for plan in plans(pause_share=0.0) for turn in plan.turns)


def test_a_share_of_the_neighbours_of_different_speakers_overlaps():
    pairs = [(before, turn) for plan in plans(1000, overlapping_share=0.6) for before, turn in pairwise(plan.turns)]
    others = [turn for before, turn in pairs if before.speaker != turn.speaker]
    assert np.mean([turn.overlap > 0 for turn in others]) == pytest.approx(0.6, abs=0.04)
    assert not any(turn.overlap for before, turn in pairs if before.speaker == turn.speaker)
    assert not any(plan.turns[0].overlap for plan in plans(overlapping_share=1.0))


def test_turns_are_louder_or_softer_than_another_by_no_more_than_the_gain():
    gains = [turn.gain_db for plan in plans(1000, gain_db=5.0) for turn in plan.turns]
    assert max(gains) - min(gains) == pytest.approx(5.0, abs=0.1)
    assert {turn.gain_db for plan in plans(gain_db=0.0) for turn in plan.turns} == {0.0}


def test_the_first_turn_begins_behind_the_edge_and_a_tail_follows_the_last():
    for plan in plans():
        assert placed(plan, [1.0] * len(plan.turns))[0].start_s == plan.edge_s
        assert EDGE_S[0] <= plan.edge_s <= EDGE_S[1]
        assert TAIL_S[0] <= plan.tail_s <= TAIL_S[1]


def test_two_neighbours_overlap_by_a_share_of_the_shorter_one():
    plan = next(plan for plan in plans(overlapping_share=1.0) if len(plan.turns) == 2 and plan.turns[1].overlap)
    first, second = turns_of(plan, [4.0, 1.0])
    assert first.end_s - second.start_s == pytest.approx(plan.turns[1].overlap * 1.0)


LENGTHS = st.lists(st.floats(0.1, 20.0), min_size=20, max_size=20)
ANY = {"seed": st.integers(0, 2**32), "lengths_s": LENGTHS, "voices": st.sampled_from([VOICES, VOICES[:2], VOICES[:3]]),
       "overlap": st.sampled_from([0.0, 0.4, 0.99])}


def any_plans(seed: int, voices: list[str], overlap: float) -> list[Plan]:
    return plans(8, seed=seed, voices=voices, overlap=overlap, most_turns=20, most_speakers=8, overlapping_share=0.7)


@given(**ANY)
def test_never_speak_more_than_two_at_once_and_nobody_while_they_speak_themselves(seed, lengths_s, voices, overlap):
    for plan in any_plans(seed, voices, overlap):
        turns = turns_of(plan, lengths_s[:len(plan.turns)])
        assert [turn.start_s for turn in turns] == sorted(turn.start_s for turn in turns)
        channels_of(turns, plan.name)
        for speaker in {turn.speaker for turn in turns}:
            own = [turn for turn in turns if turn.speaker == speaker]
            assert all(after.start_s - before.end_s + 1e-9 >= SHORT_S for before, after in pairwise(own))


@given(**ANY)
def test_silence_between_turns_is_as_long_as_a_gap_may_be(seed, lengths_s, voices, overlap):
    for plan in any_plans(seed, voices, overlap):
        turns = turns_of(plan, lengths_s[:len(plan.turns)])
        for place in range(1, len(turns)):
            silent_s = turns[place].start_s - max(turn.end_s for turn in turns[:place])
            assert silent_s <= 0 or SHORT_S - 1e-9 <= silent_s <= LONG_S + 1e-9
