"""Samples of a mixture."""

import numpy as np
import pytest

from evenvoice.multitalker.mixing import FADE_S, LEVEL, MARGIN_S, Mixed, Voiced, mixed, speech_of
from evenvoice.multitalker.plans import Plan, PlannedTurn
from tests.builders.audio import tone

RATE = 8000
NOISE_DB = -60.0
NOISE = 10 ** (NOISE_DB / 20)
PLANNED = PlannedTurn(recording=0, speaker="a", gain_db=0.0, pause_s=0.0, gap_s=0.5, overlap=0.0)


def planned(**changes) -> PlannedTurn:
    return PlannedTurn(**{**vars(PLANNED), **changes})


def plan(*turns: PlannedTurn, edge_s: float = 0.5, tail_s: float = 1.0) -> Plan:
    return Plan(name="test-000000", turns=turns, edge_s=edge_s, tail_s=tail_s, noise_seed=3)


def voice(seconds: float = 1.0, hertz: float = 440.0, peak: float = 0.5, text: str = "yes", rate: int = RATE) -> Voiced:
    return Voiced(tone(seconds, rate, hertz, peak).samples, text)


def made(what: Plan, *voices: Voiced, rate: int = RATE) -> Mixed:
    return mixed(what, voices, rate, NOISE_DB)


def rms(samples_T: np.ndarray, start_s: float, end_s: float, rate: int = RATE) -> float:
    part_T = samples_T[round(start_s * rate):round(end_s * rate)]
    return float(np.sqrt(np.mean(np.square(part_T, dtype=np.float64))))


def test_a_turn_starts_and_ends_where_it_says():
    samples_T, [turn] = made(plan(planned()), voice(1.25))
    assert (turn.speaker, turn.text, turn.start_s, turn.end_s, turn.pauses) == ("a", "yes", 0.5, 1.75, ())
    assert len(samples_T) == 2.75 * RATE
    assert rms(samples_T, 0, 0.5) == pytest.approx(NOISE, rel=0.05)
    assert rms(samples_T, 0.5, 0.51) > 10 * NOISE < rms(samples_T, 1.74, 1.75)
    assert rms(samples_T, 1.75, 2.75) == pytest.approx(NOISE, rel=0.05)


def test_two_at_once_are_the_sum_of_both():
    both = plan(planned(), planned(speaker="b", overlap=0.4))
    samples_T, (first, second) = made(both, voice(2.0), voice(1.0, 1000.0, text="no"))
    assert (first.end_s, second.start_s, second.text) == (2.5, 2.1, "no")
    assert rms(samples_T, 2.1, 2.5) == pytest.approx(np.sqrt(2) * LEVEL, rel=0.02)
    assert rms(samples_T, 2.5, 3.1) == pytest.approx(LEVEL, rel=0.02)


@pytest.mark.parametrize("peak", [0.001, 0.5])
def test_every_turn_has_one_level_but_for_its_gain(peak):
    quiet, loud = (made(plan(planned(gain_db=gain_db)), voice(peak=peak)).samples_T for gain_db in (0.0, 6.0))
    assert rms(quiet, 0.5, 1.5) == pytest.approx(LEVEL, rel=0.01)
    assert rms(loud, 0.5, 1.5) == pytest.approx(LEVEL * 10 ** (6 / 20), rel=0.01)


def test_silence_instead_of_speech_is_not_made_loud():
    assert rms(made(plan(planned()), Voiced(np.zeros(RATE, np.float32), "yes")).samples_T, 0, 2.5) < 1.1 * NOISE


def test_a_pause_is_silent_and_speech_goes_on_behind_it():
    samples_T, [turn] = made(plan(planned(pause_s=0.8)), voice(2.0))
    [(start_s, end_s)] = turn.pauses
    assert end_s - start_s == pytest.approx(0.8)
    assert turn.end_s - turn.start_s == pytest.approx(2.8)
    assert 0.5 + 0.3 * 2.0 <= start_s <= 0.5 + 0.7 * 2.0
    assert rms(samples_T, start_s, end_s) == pytest.approx(NOISE, rel=0.05)
    for first_s, last_s in ((turn.start_s, start_s - FADE_S), (end_s + FADE_S, turn.end_s)):
        assert rms(samples_T, first_s, last_s) == pytest.approx(LEVEL, rel=0.03)


@pytest.mark.parametrize("rate", [8000, 11025, 16000])
def test_a_pause_is_put_where_the_recording_is_quietest(rate):
    recording = voice(28.0, rate=rate)
    recording.samples_T[19 * rate:round(19.06 * rate)] *= 0.01
    [turn] = made(plan(planned(pause_s=0.5), edge_s=0.0), recording, rate=rate).turns
    assert 19.0 < turn.pauses[0][0] < 19.06


def test_a_recording_that_is_too_short_for_a_pause_gets_none():
    assert made(plan(planned(pause_s=0.8)), voice(0.05)).turns[0].pauses == ()


def test_the_peak_is_never_above_full_scale():
    turns = [planned(speaker="ab"[place % 2], gain_db=30.0, overlap=0.9 * bool(place)) for place in range(2)]
    samples_T = made(plan(*turns), voice(), voice()).samples_T
    assert (np.abs(samples_T).max(), samples_T.dtype) == (1.0, np.float32)


def test_where_nobody_speaks_there_is_noise_alone():
    samples_T, turns = made(plan(edge_s=3.0, tail_s=0.0))
    assert (len(samples_T), turns) == (3 * RATE, ())
    assert rms(samples_T, 0, 3) == pytest.approx(NOISE, rel=0.02)


def test_a_plan_always_gives_the_same_samples():
    what = plan(planned(pause_s=0.4), planned(speaker="b", overlap=0.3))
    first, again = (made(what, voice(), voice(1.5, 700.0)) for _ in range(2))
    np.testing.assert_array_equal(first.samples_T, again.samples_T)


@pytest.mark.parametrize("hush", [0.0, 0.001])
def test_speech_is_cut_out_of_the_silence_around_it(hush):
    noise_T = hush * np.random.default_rng(0).standard_normal(3 * RATE).astype(np.float32)
    noise_T[RATE:2 * RATE] += tone(1.0, RATE).samples
    found_T = speech_of(noise_T, RATE)
    assert len(found_T) / RATE == pytest.approx(1.0 + 2 * MARGIN_S, abs=0.021)
    assert rms(found_T, MARGIN_S, MARGIN_S + 1.0) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


def test_what_is_speech_from_end_to_end_or_silent_stays_whole():
    for samples_T in (tone(1.0, RATE).samples, np.zeros(RATE, np.float32)):
        np.testing.assert_array_equal(speech_of(samples_T, RATE), samples_T)


def test_silence_between_words_stays():
    words_T = np.concatenate([tone(0.5, RATE).samples, np.zeros(RATE, np.float32), tone(0.5, RATE).samples])
    assert len(speech_of(words_T, RATE)) == 2 * RATE


@pytest.mark.parametrize("samples", [1, 100, 161, 319])
def test_recordings_of_any_length_are_mixed(samples):
    short_T = speech_of(np.full(samples, 0.1, np.float32), RATE)
    assert len(short_T) == samples
    [turn] = made(plan(planned(pause_s=0.5)), Voiced(short_T, "yes")).turns
    assert turn.end_s > turn.start_s
