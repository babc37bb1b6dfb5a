"""The transducer: encoder, predictor and joiner, with the normalisation in front and a CTC head beside.

Tensor names: B utterance, T frame, U label position, M mel band, D encoder channel, V vocabulary.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from evenvoice.models import build_encoder
from evenvoice.models.joiner import Joiner
from evenvoice.models.predictor import Predictor
from evenvoice.params import Encoder as EncoderSettings

BLANK = 0
LEAST_STD = 1e-3
"""A mel band that never changes in training is not blown up to unit variance."""


class Scores(NamedTuple):
    """What training needs of a batch."""

    logits_BTUV: Tensor
    ctc_logits_BTV: Tensor
    frame_lengths_B: Tensor  # encoder frames


class Transducer(nn.Module):
    """A streaming transducer over raw log-mel frames; the corpus statistics travel with the weights."""

    mean_M: Tensor
    std_M: Tensor

    def __init__(self, *, encoder: EncoderSettings, predictor_width: int, joiner_width: int, dropout: float,
                 n_mels: int, vocabulary: int) -> None:
        super().__init__()
        self.register_buffer("mean_M", torch.zeros(n_mels))
        self.register_buffer("std_M", torch.ones(n_mels))
        self.encoder = build_encoder(encoder, n_mels=n_mels, dropout=dropout)
        self.predictor = Predictor(vocabulary=vocabulary, width=predictor_width, dropout=dropout, blank=BLANK)
        self.joiner = Joiner(encoder_width=self.encoder.width, predictor_width=predictor_width, width=joiner_width,
                             vocabulary=vocabulary)
        self.ctc = nn.Linear(self.encoder.width, vocabulary)

    def set_normalisation(self, mean_M: Tensor, std_M: Tensor) -> None:
        """Remember the mean and standard deviation of each mel band over the training speech."""
        self.mean_M.copy_(mean_M)
        self.std_M.copy_(std_M.clamp(min=LEAST_STD))

    def normalise(self, features_BTM: Tensor) -> Tensor:
        """Bring each mel band to mean 0 and variance 1 over the training speech."""
        return (features_BTM - self.mean_M) / self.std_M

    def encode_chunk(self, chunk_BTM: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Encode the next log-mel frames of a stream; ``state`` is the encoder's."""
        encoded: tuple[Tensor, Any] = self.encoder.step(self.normalise(chunk_BTM), state)
        return encoded

    def encoded_lengths(self, frame_lengths_B: Tensor) -> Tensor:
        """Encoder frames that so many log-mel frames give."""
        return torch.div(frame_lengths_B, self.encoder.subsampling, rounding_mode="floor")

    def forward(self, features_BTM: Tensor, frame_lengths_B: Tensor, labels_BU: Tensor,
                label_lengths_B: Tensor) -> Scores:
        """Score every alignment of a padded batch with its labels."""
        encoded_BTD = self.encoder(self.normalise(features_BTM))
        lengths_B = self.encoded_lengths(frame_lengths_B)
        logits_BTUV = self.joiner(encoded_BTD, self.predictor.start(labels_BU), lengths_B, label_lengths_B)
        return Scores(logits_BTUV, self.ctc(encoded_BTD), lengths_B)

    @property
    def parameter_count(self) -> int:
        """Trained numbers, the CTC head included."""
        return sum(parameter.numel() for parameter in self.parameters())
