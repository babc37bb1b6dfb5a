"""The training loss: transducer plus weighted CTC.

CTC may train the encoder alone at first (``ctc_alone``). From its first step on a transducer can lower its loss by
writing the most frequent first word into the first frame, before anything was heard; where the alignment settles there,
nothing moves it any more, and every utterance begins with that word. CTC, which knows no labels before, leads the
encoder to where labels lie, and a transducer that joins later finds them there (docs/experiments.md).

Tensor names: B utterance, T frame, U label, M mel band, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from evenvoice.losses.rnnt import rnnt
from evenvoice.models.transducer import BLANK, Scores, Transducer


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

    def forward(self, batch: Batch, *, ctc_alone: bool = False) -> Tensor:
        """Negative log-likelihoods (B,) in nats, in float32 whatever autocast does."""
        scores = self.transducer(batch.features_BTM, batch.frame_lengths_B, batch.labels_BU, batch.cohorts_B)
        losses_B = batch.features_BTM.new_zeros(len(batch.ids)) if ctc_alone else self._transducer(scores, batch)
        if self.ctc_weight == 0:
            return losses_B
        return losses_B + self.ctc_weight * _ctc(scores.ctc_logits_BTV, scores.frame_lengths_B, batch)

    def _transducer(self, scores: Scores, batch: Batch) -> Tensor:
        output = self.transducer.joiner.output
        return rnnt(scores.frame_BTJ, scores.label_BUJ, output.weight, output.bias, batch.labels_BU,
                    scores.frame_lengths_B, batch.label_lengths_B, blank=BLANK)


def _ctc(logits_BTV: Tensor, frame_lengths_B: Tensor, batch: Batch) -> Tensor:
    """CTC losses (B,); 0 where an utterance has fewer frames than CTC needs, which the transducer does not mind."""
    log_probabilities_TBV = torch.log_softmax(logits_BTV.float(), dim=-1).transpose(0, 1)
    return functional.ctc_loss(log_probabilities_TBV, batch.labels_BU, frame_lengths_B, batch.label_lengths_B,
                               blank=BLANK, reduction="none", zero_infinity=True)
