"""The training loss: transducer plus weighted CTC, and for several talkers when turns end and who speaks.

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
from evenvoice.losses.transducer.timing import Timing
from evenvoice.models.transducer import BLANK, Scores, Transducer
from evenvoice.training.settings import TurnWeights

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
    due_BU: Tensor | None = None
    """Encoder frame in which each label is due, NaN where it may come at any time; of several talkers."""
    active_BT: Tensor | None = None
    """Whether somebody speaks in each encoder frame; of several talkers."""

    @property
    def labels(self) -> int:
        """Labels of all recordings."""
        return int(self.label_lengths_B.sum())


@dataclass(frozen=True)
class Targets:
    """What is to be learned of a batch, a row for each channel."""

    labels_BU: Tensor
    label_lengths_B: Tensor
    due_BU: Tensor | None = None
    active_BT: Tensor | None = None


class Objective(nn.Module):
    """Loss of each utterance. One module, so that data parallelism can wrap it.

    Args:
        transducer: the model.
        ctc_weight: of CTC beside the transducer's loss.
        turns: what the times of turns are worth, for a model that tells talkers apart.
    """

    def __init__(self, transducer: Transducer, ctc_weight: float, turns: TurnWeights | None = None) -> None:
        super().__init__()
        self.transducer = transducer
        self.ctc_weight = ctc_weight
        self.turns = turns

    def forward(self, batch: Batch, listening: int = 0) -> Tensor:
        """Negative log-likelihoods (B,) in nats, of all channels together, in float32 whatever autocast does.

        Args:
            batch: recordings and labels.
            listening: encoder frames at the beginning that write nothing; at most a quarter of the shortest utterance.
        """
        scores = self.transducer(batch.features_BTM, batch.frame_lengths_B, batch.labels_BU, batch.cohorts_B)
        listening = min(listening, int(scores.frame_lengths_B.min()) // SHORTEST)
        lengths_B, output = scores.frame_lengths_B - listening, self.transducer.joiner.output
        losses_B = rnnt(scores.frame_BTJ[:, listening:].contiguous(), scores.label_BUJ, output.weight, output.bias,
                        batch.labels_BU, lengths_B, batch.label_lengths_B, blank=BLANK,
                        fastemit=0.0 if self.turns is None else self.turns.fastemit,
                        timing=self._timing(batch, listening))
        if self.ctc_weight:
            losses_B = losses_B + self.ctc_weight * _ctc(scores.ctc_logits_BTV[:, listening:], lengths_B, batch)
        if self.turns is not None and self.turns.activity:
            losses_B = losses_B + self.turns.activity * _activity(scores, batch)
        return losses_B.view(-1, self.transducer.channels).sum(1)

    def _timing(self, batch: Batch, listening: int) -> Timing | None:
        if self.turns is None or batch.due_BU is None:
            return None
        return Timing(due_BU=batch.due_BU - listening, late=self.turns.late, early=self.turns.early,
                      buffer=self.turns.late_after)


def _activity(scores: Scores, batch: Batch) -> Tensor:
    """Cross-entropies (R,) in nats, summed over the frames of each row."""
    assert scores.activity_BT is not None
    assert batch.active_BT is not None
    logits_RT = scores.activity_BT.float()
    losses_RT = functional.binary_cross_entropy_with_logits(logits_RT, batch.active_BT.to(logits_RT), reduction="none")
    places_T = torch.arange(logits_RT.shape[1], device=logits_RT.device)
    return torch.where(places_T < scores.frame_lengths_B[:, None], losses_RT, 0).sum(1)


def _ctc(logits_BTV: Tensor, frame_lengths_B: Tensor, batch: Batch) -> Tensor:
    """CTC losses (B,); 0 where an utterance has fewer frames than CTC needs, which the transducer does not mind."""
    log_probabilities_TBV = torch.log_softmax(logits_BTV.float(), dim=-1).transpose(0, 1)
    return functional.ctc_loss(log_probabilities_TBV, batch.labels_BU, frame_lengths_B, batch.label_lengths_B,
                               blank=BLANK, reduction="none", zero_infinity=True)
