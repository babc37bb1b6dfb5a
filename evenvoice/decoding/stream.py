"""Recognise speech while it is being said.

    stream = Stream(recogniser, rate=16000)
    for block in blocks:
        print(stream.feed(block), end="")       # words that nothing to come can change
    stream.finish()[0].text                      # the same as of the whole recording

Greedy search never takes back a label; a beam has settled on those that all its hypotheses share.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from evenvoice.data.audio import Waveform, resample
from evenvoice.data.features import LogMel
from evenvoice.data.streaming import StreamingLogMel
from evenvoice.decoding.beam import BeamDecoder
from evenvoice.decoding.greedy import GreedyDecoder
from evenvoice.decoding.offline import decode_recordings
from evenvoice.decoding.search import Search
from evenvoice.decoding.words import Transcript
from evenvoice.decoding.work import WorkMeter
from evenvoice.errors import ParamsError
from evenvoice.models.gates import gating
from evenvoice.models.recogniser import Recogniser
from evenvoice.params import UNKNOWN

WIDEST_BEAM = 256
"""Beyond, memory goes and no word changes."""


def build_search(recogniser: Recogniser, *, beam: int = 1, nbest: int = 1) -> Search[Any]:
    """Greedy search for a beam of one, else beam search.

    Raises:
        ParamsError: a beam wider than 256, fewer than one hypothesis, more than the beam holds, or a recogniser of two
            talkers.
    """
    demand_one_talker(recogniser)
    if not 1 <= beam <= WIDEST_BEAM:
        raise ParamsError(name="beam", rule=f"be from 1 to {WIDEST_BEAM}", value=beam, action="Narrow the beam.")
    if not 1 <= nbest <= beam:
        raise ParamsError(name="nbest", rule=f"be at least 1 and at most the beam ({beam})", value=nbest,
                          action="Widen the beam or ask for fewer hypotheses.")
    transducer = recogniser.transducer.eval()
    if beam == 1:
        return GreedyDecoder(transducer)
    return BeamDecoder(transducer, width=beam, nbest=nbest)


def demand_one_talker(recogniser: Recogniser) -> None:
    """Refuse a recogniser that writes two channels where one text is wanted.

    Raises:
        ParamsError: it tells talkers apart.
    """
    if recogniser.separator is not None:
        raise ParamsError(name="the recogniser", rule="hear one talker", value="one that tells two talkers apart",
                          action="Transcribe with --talkers 2, or name a model that `make run` trained (--model).")


def recognise(recogniser: Recogniser, samples: NDArray[np.float32], rate: int, *, beam: int = 1,
              nbest: int = 1, cohort: str = UNKNOWN, meter: WorkMeter | None = None) -> list[Transcript]:
    """Transcribe a whole recording of (T,) mono samples; the most probable transcript first.

    Args:
        recogniser: decodes on the device on which its weights are.
        samples: of one speaker.
        rate: of the samples, in Hz.
        beam: width of the search; 1 is greedy.
        nbest: transcripts to return.
        cohort: the speaker's, for a model with a cohort input.
        meter: of one recording, told what an encoder with gates did on it.

    Raises:
        ParamsError: a cohort that the model does not know, or any for one that takes no heed of cohorts.
    """
    number = recogniser.cohort_number(cohort)
    waveform = resample(Waveform(samples, rate), recogniser.sample_rate)
    features = LogMel(recogniser.featurize, recogniser.sample_rate)(waveform.samples)
    (found,) = decode_recordings(build_search(recogniser, beam=beam, nbest=nbest), recogniser, [features],
                                 cohorts=None if number is None else [number], meter=meter)
    return [Transcript.of(hypothesis, recogniser.tokenizer, recogniser.frame_s) for hypothesis in found]


class Stream:
    """One speaker's stream of samples.

    Args:
        recogniser: decodes on the device on which its weights are.
        rate: of the samples, in Hz.
        beam: width of the search; 1 is greedy.
        nbest: transcripts that :meth:`finish` returns.
        cohort: the speaker's, for a model with a cohort input.

    Raises:
        ParamsError: a cohort that the model does not know, or any for one that takes no heed of cohorts.
    """

    def __init__(self, recogniser: Recogniser, rate: int, *, beam: int = 1, nbest: int = 1,
                 cohort: str = UNKNOWN) -> None:
        self._recogniser = recogniser
        self._search = build_search(recogniser, beam=beam, nbest=nbest)
        self._front_end = StreamingLogMel(LogMel(recogniser.featurize, recogniser.sample_rate), rate)
        number = recogniser.cohort_number(cohort)
        self._state = self._search.initial_state(1, None if number is None else torch.tensor([number]))
        self._frames = 0
        self._executed = self._dense = 0.0
        self._said = ""

    def feed(self, samples: NDArray[np.float32]) -> str:
        """Hear the next (T,) samples; return what they add to the text in whole words, spaces included."""
        self._decode(self._front_end.feed(samples))
        text = self._recogniser.tokenizer.decode(self._search.stable(self._state)[0])
        said, self._said = self._said, text[:text.rfind(" ") + 1]
        return self._said[len(said):]

    def finish(self) -> list[Transcript]:
        """End the stream; return its transcripts, the most probable first, which begins with all that was said."""
        self._decode(self._front_end.finish())
        self._decode(self._filling())
        return [Transcript.of(hypothesis, self._recogniser.tokenizer, self._recogniser.frame_s)
                for hypothesis in self._search.finish(self._state)[0]]

    @property
    def executed_share(self) -> float | None:
        """Of the encoder's work without gates that was done so far; None for an encoder without any."""
        return self._executed / self._dense if self._dense else None

    @property
    def said(self) -> str:
        """What :meth:`feed` has returned so far."""
        return self._said

    def _decode(self, features_TM: NDArray[np.float32]) -> None:
        if len(features_TM):
            self._frames += len(features_TM)
            chunk_TM = torch.from_numpy(features_TM).to(self._recogniser.transducer.mean_M.device)
            with gating() as steps:
                self._state = self._search.step(chunk_TM[None], self._state)
            self._executed += sum(float(work.executed_BT.sum()) for work in steps)
            self._dense += sum(float(work.dense_BT.sum()) for work in steps)

    def _filling(self) -> NDArray[np.float32]:
        """What makes a recording too short for one encoder frame long enough, as in a batch of whole recordings."""
        transducer = self._recogniser.transducer
        missing = max(0, transducer.encoder.subsampling - self._frames)
        return np.repeat(transducer.mean_M.cpu().numpy()[None], missing, axis=0)
