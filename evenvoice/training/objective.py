"""The training loss: transducer plus weighted CTC.

At first nothing may be written into the beginning of an utterance (``listening``). Before a model has learned anything,
all alignments are alike, and among them the first label lies some two frames behind the beginning: earlier than speech
begins. There a model can lower its loss only by writing what most utterances begin with, and where it learns that, the
frames of the word itself have no share in the alignment any more, so nothing moves it back: every utterance begins with
the same word. CTC does the same. Where the first frames cannot write, the first label falls on speech; by the time that
they may, they have learned to be silent (docs/experiments.md).

Tensor names: B utterance, T frame, U label, M mel band, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from evenvoice.losses.rnnt import rnnt
from evenvoice.models.transducer import BLANK, Transducer

SHORTEST: Final = 4
"""What is left to the shortest utterance of a batch is three quarters of it, at least."""


@dataclass(frozen=True)
class Batch:
    """Padded recordings and their labels."""

    ids: tuple[str, ...]
    features_BTM: Tensor
    frame_lengths_B: Tensor
    labels_BU: Tensor
    label_lengths_B: Tensor
    cohorts_B: Tensor | None = None
    """Number of each speaker's cohort, for a model that is told it."""

    @property
    def labels(self) -> int:
        """Labels of all recordings."""
        return int(self.label_lengths_B.sum())


class Objective(nn.Module):
    """Loss of each utterance. One module, so that data parallelism can wrap it."""

    def __init__(self, transducer: Transducer, ctc_weight: float) -> None:
        super().__init__()
        self.transducer = transducer
        self.ctc_weight = ctc_weight

    def forward(self, batch: Batch, listening: int = 0) -> Tensor:
        """Negative log-likelihoods (B,) in nats, in float32 whatever autocast does.

        Args:
            batch: recordings and labels.
            listening: encoder frames at the beginning that write nothing; at most a quarter of the shortest utterance.
        """
        scores = self.transducer(batch.features_BTM, batch.frame_lengths_B, batch.labels_BU, batch.cohorts_B)
        listening = min(listening, int(scores.frame_lengths_B.min()) // SHORTEST)
        lengths_B, output = scores.frame_lengths_B - listening, self.transducer.joiner.output
        losses_B = rnnt(scores.frame_BTJ[:, listening:].contiguous(), scores.label_BUJ, output.weight, output.bias,
                        batch.labels_BU, lengths_B, batch.label_lengths_B, blank=BLANK)
        if self.ctc_weight == 0:
            return losses_B
        return losses_B + self.ctc_weight * _ctc(scores.ctc_logits_BTV[:, listening:], lengths_B, batch)


def _ctc(logits_BTV: Tensor, frame_lengths_B: Tensor, batch: Batch) -> Tensor:
    """CTC losses (B,); 0 where an utterance has fewer frames than CTC needs, which the transducer does not mind."""
    log_probabilities_TBV = torch.log_softmax(logits_BTV.float(), dim=-1).transpose(0, 1)
    return functional.ctc_loss(log_probabilities_TBV, batch.labels_BU, frame_lengths_B, batch.label_lengths_B,
                               blank=BLANK, reduction="none", zero_infinity=True)
