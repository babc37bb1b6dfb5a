"""What is said while listening is the beginning of what is written of the whole."""

import numpy as np
import pytest
import torch

from evenvoice.decoding.stream import Stream, recognise
from evenvoice.errors import ParamsError
from evenvoice.models.recogniser import Recogniser
from tests.builders.models import tiny_recogniser


@pytest.fixture(scope="module")
def talkative() -> Recogniser:
    recogniser = tiny_recogniser(seed=2, width=32)
    recogniser.transducer.set_normalisation(torch.full((8,), -5.0), torch.ones(8))
    with torch.no_grad():
        recogniser.transducer.joiner.output.weight *= 8
        recogniser.transducer.joiner.frame.weight *= 3
        recogniser.transducer.joiner.output.bias[2] += 4  # many spaces, so that there are words
    return recogniser


def noise(seconds: float, rate: int) -> np.ndarray:
    loudness = np.linspace(0.01, 0.5, round(seconds * rate))
    return (loudness * np.random.default_rng(3).normal(size=len(loudness))).astype(np.float32)


@pytest.mark.parametrize(("beam", "rate", "block"), [(1, 8000, 160), (1, 8000, 1111), (1, 48000, 4000), (3, 8000, 800)])
def test_a_stream_ends_with_the_transcript_of_the_whole(talkative, beam, rate, block):
    samples = noise(2.0, rate)
    stream, said = Stream(talkative, rate, beam=beam, nbest=beam), ""
    for start in range(0, len(samples), block):
        said += stream.feed(samples[start:start + block])
    found, whole = stream.finish(), recognise(talkative, samples, rate, beam=beam, nbest=beam)
    assert [transcript.text for transcript in found] == [transcript.text for transcript in whole]
    assert [word.start_s for word in found[0].words] == [word.start_s for word in whole[0].words]
    assert len(found[0].words) > 3
    assert said
    assert said == stream.said
    assert found[0].text.startswith(said)


@pytest.mark.parametrize("samples", [1, 100, 200, 300, 520])
def test_recordings_shorter_than_a_frame_are_heard_alike(talkative, samples):
    stream = Stream(talkative, 8000)
    stream.feed(noise(1.0, 8000)[:samples])
    assert stream.finish()[0].text == recognise(talkative, noise(1.0, 8000)[:samples], 8000)[0].text


def test_more_transcripts_than_the_beam_holds_are_refused(talkative):
    with pytest.raises(ParamsError, match="nbest must be at least 1 and at most the beam"):
        Stream(talkative, 8000, beam=2, nbest=3)
