"""Ends of turns by silence alone."""

from pathlib import Path

import numpy as np
import pytest

from evenvoice.errors import ArtifactError
from evenvoice.multitalker.endpointing import (
    HANGOVERS_S,
    best_threshold,
    endpointing_rows,
    latencies,
    log_power,
    spoken_frames,
    told_ends,
)
from evenvoice.multitalker.heard import said_in
from evenvoice.multitalker.store import MixtureStore
from tests.builders.multitalker import LOUD, QUIET, mixture_row, said, write_mixtures

HOP_S = 0.01


def speech(*spans: tuple[float, float], duration_s: float) -> np.ndarray:
    return spoken_frames([said("a", *span) for span in spans], round(duration_s / HOP_S), HOP_S)


def test_the_energy_of_a_frame_is_the_logarithm_of_its_mean_power():
    features = np.log([[1.0, 3.0], [0.5, 0.5]]).astype(np.float16)
    assert log_power(features) == pytest.approx(np.log([2, 0.5]), abs=1e-3)


def test_pauses_are_not_spoken():
    spoken = spoken_frames([said("a", 0.02, 0.08, pauses=[(0.04, 0.06)])], 10, HOP_S)
    assert np.flatnonzero(spoken).tolist() == [2, 3, 6, 7]


def test_the_threshold_lies_between_noise_and_speech():
    assert best_threshold(np.array([-14.0, -2.0, -13.0, -1.0]), np.array([False, True, False, True])) == -7.5


def test_the_threshold_weighs_speech_and_silence_alike_however_much_there_is_of_each():
    power = np.array([0.0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    spoken = np.array([False, True, False, True, True, True, True, True, True, True])
    assert best_threshold(power, spoken) == 2.5  # 7/8 of speech and all silence; 0.5 would have all speech and half


def test_frames_of_one_kind_have_no_threshold():
    with pytest.raises(ArtifactError, match=r"validate mixtures must hold speech and silence.*got only speech"):
        best_threshold(np.array([1.0, 2.0]), np.array([True, True]))


def test_an_end_is_told_when_silence_lasted_for_the_hangover():
    speech_T = speech((1, 2), (2.5, 3.5), duration_s=6)
    assert np.allclose(told_ends(speech_T, HOP_S, 0.3), [(2, 2.3), (3.5, 3.8)])
    assert np.allclose(told_ends(speech_T, HOP_S, 0.5), [(2, 2.5), (3.5, 4)])
    assert np.allclose(told_ends(speech_T, HOP_S, 0.6), [(3.5, 4.1)])


def test_silence_goes_on_behind_the_recording():
    assert np.allclose(told_ends(speech((1, 2), duration_s=2.2), HOP_S, 0.5), [(2, 2.5)])


def test_without_speech_no_end_is_told():
    assert told_ends(np.zeros(100, dtype=bool), HOP_S, 0.1) == []


def test_an_end_is_that_of_the_turn_that_was_spoken_last():
    turns = [said("a", 1, 2), said("b", 2.25, 3)]
    assert latencies(turns, [(2.03125, 2.25), (3, 3.25)]) == [0.25, 0.25]
    assert latencies(turns, [(3, 3.5)]) == [None, 0.5]
    assert latencies(turns, [(0.5, 0.75)]) == [None, None]


def test_a_pause_that_is_longer_than_the_hangover_cuts_a_turn_off():
    turns = [said("a", 1, 6, pauses=[(3, 4)])]
    assert latencies(turns, [(3, 3.5), (6, 6.5)]) == [-2.5]


def test_longer_hangovers_cut_less_and_wait_longer(tmp_path: Path):
    turns = [said("a", 0.5, 4, pauses=[(2, 2.4)]), said("b", 4.8, 6)]
    rows = [mixture_row(f"{split}-1", turns) for split in ("train", "validate", "test")]
    write_mixtures(tmp_path, rows)
    store = MixtureStore.open(tmp_path, 64)
    spoken = [{"eot_latency_s": 0.2, "cut": False, "into_silence": True},
              {"eot_latency_s": None, "cut": False, "into_silence": True},
              {"eot_latency_s": -3.0, "cut": True, "into_silence": False}]
    found = endpointing_rows(store, validate=said_in(store, "validate"), test=said_in(store, "test"), spoken=spoken,
                             hop_s=HOP_S, cut_tolerance_s=0.1)
    model, *detector = found
    assert model == {"kind": "model", "hangover_s": None, "turns": 2, "cut": 0, "missed": 0.5, "eot_p50_s": 0.2,
                     "eot_p90_s": 0.2}
    assert [row["hangover_s"] for row in detector] == list(HANGOVERS_S)
    by_hangover = {row["hangover_s"]: row for row in detector}
    assert (by_hangover[0.3]["cut"], by_hangover[0.3]["missed"]) == (0.5, 0)
    assert (by_hangover[0.5]["cut"], by_hangover[0.5]["missed"]) == (0, 0)
    assert by_hangover[0.5]["eot_p90_s"] == pytest.approx(0.5)
    assert (by_hangover[1.0]["cut"], by_hangover[1.0]["missed"]) == (0, 0.5)


def test_where_no_turn_ends_in_silence_nothing_is_said(tmp_path: Path):
    write_mixtures(tmp_path, [mixture_row(f"{split}-1", [said("a", 0.5, 2)]) for split in ("validate", "test")])
    store = MixtureStore.open(tmp_path, 64)
    assert endpointing_rows(store, validate=said_in(store, "validate"), test=[], spoken=[], hop_s=HOP_S,
                            cut_tolerance_s=0.1) == []


def test_made_features_are_as_loud_as_they_are_said_to_be():
    row = mixture_row("test-1", [said("a", 0.5, 1)])
    power_T = log_power(np.frombuffer(row["features"], np.float16).reshape(row["frames"], -1))
    assert (power_T[50], power_T[49]) == (LOUD, QUIET)
