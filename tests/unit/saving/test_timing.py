"""Times of two recognisers in turns: what is made of them, not how long they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evenvoice.progress import Progress
from evenvoice.saving.timing import ROUNDS, Timed, time_batches, time_stream
from tests.builders.models import spoken, tiny_recogniser


def test_the_ratio_is_of_all_the_time_and_its_interval_holds_it() -> None:
    seconds_P2 = np.array([[1.0, 0.4], [2.0, 1.1], [4.0, 2.0]])
    found = Timed.of(seconds_P2, np.array([10.0, 20.0, 40.0]))
    assert (found.audio_s, found.ratio) == (70.0, pytest.approx(0.5))
    assert (found.reference_rtf, found.rtf) == (pytest.approx(0.1), pytest.approx(0.05))
    assert 0.4 <= found.ratio_low < found.ratio < found.ratio_high <= 0.55


def test_one_piece_of_speech_does_not_make_sure() -> None:
    found = Timed.of(np.array([[2.0, 1.0]]), np.array([10.0]))
    assert (found.ratio, found.ratio_low, found.ratio_high) == (0.5, 0.0, 1.0)


def test_both_transcribe_all_speech_in_every_round_and_threads_are_as_before() -> None:
    dense, gated, threads = tiny_recogniser(encoder="transformer"), tiny_recogniser(encoder="amortized"), 2
    torch.set_num_threads(threads)
    speech = [spoken(text) for text in ("yes no", "no yes no", "one two", "no no")]
    streamed, batches = Progress("timing"), Progress("timing")
    found = [time_stream(dense, gated, speech, streamed), time_batches(dense, gated, speech, batches, together=3)]
    assert (streamed.done, batches.done) == (ROUNDS * 4, ROUNDS * 2)
    assert found[0].audio_s == found[1].audio_s == pytest.approx(sum(map(len, speech)) / 100)
    assert all(one.rtf > 0 and one.reference_rtf > 0 for one in found)
    assert torch.get_num_threads() == threads
