"""A verifier in use: recordings in, how likely they are of one speaker out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evenvoice.data.audio import Waveform, resample
from evenvoice.data.features import LogMel
from evenvoice.errors import ArtifactError, RecordingRejected
from evenvoice.origins import HEARING
from evenvoice.params import Featurize
from evenvoice.speakers.embedding import embed_features
from evenvoice.speakers.encoder import SpeakerEncoder
from evenvoice.storage import read_json
from evenvoice.verification.assembling import CALIBRATION
from evenvoice.verification.calibration import Calibration


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Whether two recordings are of one speaker.

    Attributes:
        llr: natural logarithm of how much likelier the recordings are if one speaker said both.
        same: whether it reaches the threshold.
    """

    llr: float
    same: bool


@dataclass(frozen=True)
class Voice:
    """What is kept of a recording while it is compared: an embedding, and the rate of the recording in Hz."""

    embedding: NDArray[np.float32]
    rate: int
    name: str


class Verifier:
    """An encoder, how it hears, and its calibration."""

    def __init__(self, encoder: SpeakerEncoder, featurize: Featurize, sample_rate: int, calibration: Calibration
                 ) -> None:
        self._encoder, self._sample_rate, self.calibration = encoder, sample_rate, calibration
        self._log_mel = LogMel(featurize, sample_rate)

    @classmethod
    def load(cls, directory: Path) -> Verifier:
        """Read what :func:`evenvoice.verification.assembling.assemble` wrote.

        Raises:
            ArtifactError: a file is missing, altered or something else.
        """
        encoder, hearing = SpeakerEncoder.load(directory), read_json(directory / HEARING)
        try:
            featurize, rate = Featurize(**hearing["featurize"]), int(hearing["sample_rate"])
        except (KeyError, TypeError, ValueError) as error:
            raise ArtifactError(name=str(directory / HEARING), rule="say how recordings are heard",
                                value=str(error).splitlines()[0],
                                action="Run the stage train_speaker again.") from error
        calibration = Calibration.read(read_json(directory / CALIBRATION), str(directory / CALIBRATION))
        return cls(encoder, featurize, rate, calibration)

    def hear(self, waveform: Waveform, name: str) -> Voice:
        """Listen to one recording.

        Raises:
            RecordingRejected: it is shorter than one frame.
        """
        features_TM = self._log_mel(resample(waveform, self._sample_rate).samples).astype(np.float16)
        if not len(features_TM):
            raise RecordingRejected(name=name, rule="last at least one frame of features",
                                    value=f"{len(waveform.samples) / waveform.rate:.3f} s", action="Record more.")
        return Voice(embed_features(self._encoder, features_TM), waveform.rate, name)

    def compare(self, one: Voice, other: Voice) -> Answer:
        """Whether one speaker said both.

        Raises:
            RecordingRejected: the recordings have different rates, so that bandwidth would be taken for a voice.
        """
        if one.rate != other.rate:
            raise RecordingRejected(name=f"{one.name} and {other.name}", rule="have one sampling rate",
                                    value=f"{one.rate} and {other.rate} Hz",
                                    action="Compare recordings of one kind: what a telephone cuts off would be taken "
                                           "for a difference of voices.")
        llr = float(self.calibration.llr(np.array([self.score(one, other)]))[0])
        return Answer(llr=llr, same=llr >= self.calibration.threshold)

    def score(self, one: Voice, other: Voice) -> float:
        """Cosine of the embeddings."""
        return float(one.embedding @ other.embedding)
