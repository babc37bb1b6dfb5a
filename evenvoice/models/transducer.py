"""The transducer: encoder, predictor and joiner, with the normalisation in front and a CTC head beside.

Tensor names: B utterance, T frame, U label position, M mel band, D encoder channel, J joiner channel,
V vocabulary.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from evenvoice.models import build_encoder
from evenvoice.models.encoder import EncoderState
from evenvoice.models.joiner import Joiner
from evenvoice.models.predictor import Predictor
from evenvoice.models.shapes import Architecture

BLANK = 0
LEAST_STD = 1e-3
"""A mel band that never changes in training is not blown up to unit variance."""


class Scores(NamedTuple):
    """What training needs of a batch; one row for each channel, where recordings have several."""

    frame_BTJ: Tensor  # the joiner's projections
    label_BUJ: Tensor
    ctc_logits_BTV: Tensor
    frame_lengths_B: Tensor  # encoder frames
    activity_BT: Tensor | None = None  # logits of whether somebody speaks, of a model that tells talkers apart


class Transducer(nn.Module):
    """A streaming transducer over raw log-mel frames; the corpus statistics travel with the weights.

    Args:
        architecture: what it is built from.
        cohorts: how many cohorts of speakers it can be told; 0 takes no heed of them.
    """

    mean_M: Tensor
    std_M: Tensor

    def __init__(self, architecture: Architecture, cohorts: int = 0) -> None:
        super().__init__()
        self.register_buffer("mean_M", torch.zeros(architecture.n_mels))
        self.register_buffer("std_M", torch.ones(architecture.n_mels))
        self.encoder = build_encoder(architecture, cohorts)
        self.predictor = Predictor(vocabulary=architecture.vocabulary, width=architecture.predictor_width,
                                   dropout=architecture.dropout, blank=BLANK)
        self.joiner = Joiner(encoder_width=self.encoder.width, predictor_width=architecture.predictor_width,
                             width=architecture.joiner_width, vocabulary=architecture.vocabulary)
        self.ctc = nn.Linear(self.encoder.width, architecture.vocabulary)
        self.activity = None if architecture.separator is None else nn.Linear(self.encoder.width, 1)

    @property
    def channels(self) -> int:
        """Rows of output that each recording has: one, or one for each talker at once."""
        return self.encoder.channels

    def set_normalisation(self, mean_M: Tensor, std_M: Tensor) -> None:
        """Remember the mean and standard deviation of each mel band over the training speech."""
        self.mean_M.copy_(mean_M)
        self.std_M.copy_(std_M.clamp(min=LEAST_STD))

    def normalise(self, features_BTM: Tensor) -> Tensor:
        """Bring each mel band to mean 0 and variance 1 over the training speech."""
        return (features_BTM - self.mean_M) / self.std_M

    def encode(self, features_BTM: Tensor, frame_lengths_B: Tensor, cohorts_B: Tensor | None = None) -> Tensor:
        """Encode a padded batch; whatever the padding holds changes nothing."""
        places_T = torch.arange(features_BTM.shape[1], device=features_BTM.device)
        real_BT = places_T < frame_lengths_B.to(places_T.device)[:, None]
        normalised_BTM = torch.where(real_BT[..., None], self.normalise(features_BTM), 0.0)
        encoded_BTD: Tensor = self.encoder(normalised_BTM, cohorts_B)
        return encoded_BTD

    def encode_chunk(self, chunk_BTM: Tensor, state: EncoderState) -> tuple[Tensor, EncoderState]:
        """Encode the next log-mel frames of a stream; ``state`` is the encoder's."""
        return self.encoder.step(self.normalise(chunk_BTM), state)

    def encode_end(self, state: EncoderState) -> Tensor:
        """Encode what look-ahead still held back when the stream ended."""
        return self.encoder.finish(state)

    def encoded_lengths(self, frame_lengths_B: Tensor) -> Tensor:
        """Encoder frames (R,) that so many log-mel frames of each recording give."""
        lengths_B = torch.div(frame_lengths_B, self.encoder.subsampling, rounding_mode="floor")
        return lengths_B if self.channels == 1 else lengths_B.repeat_interleave(self.channels)

    def forward(self, features_BTM: Tensor, frame_lengths_B: Tensor, labels_BU: Tensor,
                cohorts_B: Tensor | None = None) -> Scores:
        """Encode a padded batch and what its labels predict, as far as no frame has to meet a label."""
        encoded_BTD = self.encode(features_BTM, frame_lengths_B, cohorts_B)
        return Scores(self.joiner.frame(encoded_BTD), self.joiner.label(self.predictor.start(labels_BU)),
                      self.ctc(encoded_BTD), self.encoded_lengths(frame_lengths_B),
                      None if self.activity is None else self.activity(encoded_BTD)[..., 0])

    @property
    def parameter_count(self) -> int:
        """Trained numbers, the CTC head included."""
        return sum(parameter.numel() for parameter in self.parameters())
