"""Greedy transcripts of many recordings (tests/unit/decoding/test_search.py has what all searches share)."""

import pytest
import torch

from evenvoice.decoding.greedy import GreedyDecoder, transcribe_labels
from evenvoice.models.recogniser import Recogniser
from evenvoice.progress import Progress
from tests.builders.models import MELS, TEXTS, spoken, tiny_recogniser


@pytest.fixture(scope="module")
def talkative() -> Recogniser:
    """Untrained, but with large weights and little blank, so that many and various labels come out."""
    recogniser = tiny_recogniser(seed=2, width=32)
    with torch.no_grad():
        recogniser.transducer.joiner.output.weight *= 8
        recogniser.transducer.joiner.frame.weight *= 3
    return recogniser


def test_company_of_other_lengths_changes_no_transcript(talkative):
    recordings = [spoken(text) for text in TEXTS]
    alone = [transcribe_labels(talkative, [recording], batch_s=600.0)[0] for recording in recordings]
    assert transcribe_labels(talkative, recordings, batch_s=600.0) == alone
    assert transcribe_labels(talkative, recordings, batch_s=2.0) == alone
    assert len(set(map(tuple, alone))) == len(TEXTS)


def test_a_frame_emits_no_more_than_it_may():
    recogniser = tiny_recogniser()
    with torch.no_grad():
        recogniser.transducer.joiner.output.bias[0] = -1e4  # never blank
    decoder = GreedyDecoder(recogniser.transducer.eval(), 2)
    ((best,),) = decoder.finish(decoder.step(torch.randn(1, 20, MELS), decoder.initial_state(1)))
    assert best.frames == (0, 0, 1, 1, 2, 2, 3, 3, 4, 4)
    assert best.times_s(0.5) == (0.0, 0.0, 0.5, 0.5, 1.0, 1.0, 1.5, 1.5, 2.0, 2.0)
    assert best.score < -4e4  # a blank must be taken after all, whatever it costs


def test_nothing_to_transcribe_gives_nothing(talkative):
    assert transcribe_labels(talkative, [], batch_s=600.0) == []


def test_progress_counts_recordings(talkative):
    progress = Progress("test", total=len(TEXTS))
    transcribe_labels(talkative, [spoken(text) for text in TEXTS], batch_s=2.0, progress=progress)
    assert progress.done == len(TEXTS)
