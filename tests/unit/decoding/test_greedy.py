"""Greedy search hears the same whole, in chunks, alone and in company."""

import numpy as np
import pytest
import torch

from evenvoice.decoding.greedy import GreedyDecoder, transcribe
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


def labels_of(recogniser: Recogniser, features: np.ndarray, size: int) -> list[int]:
    decoder = GreedyDecoder(recogniser.transducer.eval(), 3)
    state, labels = decoder.initial_state(1), []
    for chunk_BTM in torch.from_numpy(features.astype(np.float32))[None].split(size, dim=1):
        (found,), state = decoder.step(chunk_BTM, state)
        labels += found
    return labels


@pytest.mark.parametrize("size", [1, 3, 7, 16])
def test_chunk_by_chunk_is_the_whole_utterance(talkative, size):
    for text in TEXTS:
        features = spoken(text)
        whole = labels_of(talkative, features, len(features))
        assert len(set(whole)) > 2
        assert labels_of(talkative, features, size) == whole


def test_company_of_other_lengths_changes_no_transcript(talkative):
    recordings = [spoken(text) for text in TEXTS]
    alone = [transcribe(talkative, [recording], 3)[0] for recording in recordings]
    assert transcribe(talkative, recordings, 3) == alone
    assert transcribe(talkative, recordings, 3, batch_s=2.0) == alone
    assert len(set(alone)) == len(TEXTS)


def test_what_is_left_over_in_the_padding_is_not_heard(talkative):
    decoder = GreedyDecoder(talkative.transducer.eval(), 3)
    features_BTM = torch.from_numpy(spoken("yes no").astype(np.float32))[None]
    cut, _ = decoder.step(features_BTM, decoder.initial_state(1), torch.tensor([40]))
    short, _ = decoder.step(features_BTM[:, :40], decoder.initial_state(1))
    assert cut == short


def test_a_frame_emits_no_more_than_it_may():
    recogniser = tiny_recogniser()
    with torch.no_grad():
        recogniser.transducer.joiner.output.bias[0] = -1e4  # never blank
    decoder = GreedyDecoder(recogniser.transducer.eval(), 2)
    (labels,), _ = decoder.step(torch.randn(1, 20, MELS), decoder.initial_state(1))
    assert len(labels) == 2 * 5


def test_nothing_to_transcribe_gives_nothing(talkative):
    assert transcribe(talkative, [], 3) == []


def test_progress_counts_recordings(talkative):
    progress = Progress("test", total=len(TEXTS))
    transcribe(talkative, [spoken(text) for text in TEXTS], 3, batch_s=2.0, progress=progress)
    assert progress.done == len(TEXTS)
