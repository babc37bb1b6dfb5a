"""The benchmark of training speed at toy size: both loops train the same model on the same speech."""

import argparse

import pytest
import torch

from benchmarks.drawn_speech import drawn_store, drawn_tokenizer
from benchmarks.train_throughput import measure

OPTIONS = argparse.Namespace(batch_s=20.0, steps=1, turns=1)


def test_both_ways_of_training_are_measured_in_turns():
    row = measure("tiny", "lstm", OPTIONS, torch.device("cpu"))
    assert row["ratio"] == pytest.approx(row["ours_audio_s_per_s"] / row["ordinary_audio_s_per_s"])
    assert row["ours_padding_share"] < row["ordinary_padding_share"]
    assert 0 <= row["ours_data_wait_share"] < 1


def test_drawn_speech_has_the_lengths_and_units_asked_for():
    tokenizer = drawn_tokenizer(32)
    store = drawn_store(tokenizer, seconds=600, units_per_s=12)
    assert tokenizer.size == 32
    assert store.durations_s.sum() == pytest.approx(600, abs=16)
    assert 1 <= store.durations_s.min() < 2.5 < 6 < store.durations_s.max() <= 16
    assert len(tokenizer.encode(store.texts[0])) == round(float(store.durations_s[0]) * 12)
