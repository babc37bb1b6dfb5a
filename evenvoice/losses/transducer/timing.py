"""What it costs to emit a label early or late, where it is known when it is due, as that a turn has ended.

Tensor names: B utterance, T frame, U label, P label position (U + 1: label p leaves position p), N timed label.

At node (t, u) the log-probability of label u, due in frame d_u, is lowered by

    price(t, u) = late * max(0, t - d_u - buffer) + early * max(0, d_u - t).

Lateness has its price from I. Sklyar et al., "Separator-Transducer-Segmenter: Streaming Recognition and Segmentation of
Multi-party Speech", 2022 (arXiv 2205.05199), as an end-of-turn emission latency penalty. The price of being early (of
which B. Li et al. 2020, arXiv 2004.11544, have one for the end of a query) and this exact form are choices of this
project: the price is in nats per encoder frame, belongs to an alignment's likelihood as the delay penalty does, and is
asked of a label's arc alone. Nothing is normalised anew, so blanks and other labels keep their log-probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from evenvoice.losses.transducer.lattice import Arcs


@dataclass(frozen=True, kw_only=True)
class Timing:
    """When labels are due, and the price of other frames. For training only; prices have no derivatives."""

    due_BU: Tensor
    """Frame in which each label is due, counted as those the loss is given; may lie between frames or outside of them.
    NaN where a label is not timed. What stands beyond an utterance's labels is not read."""
    late: float
    """Nats for each frame after the buffer."""
    early: float
    """Nats for each frame before the label is due."""
    buffer: float
    """Frames after the due one that cost nothing yet."""


def priced(arcs: Arcs, timing: Timing) -> Arcs:
    """Lower the log-probabilities of timed labels' arcs by their price.

    Args:
        arcs: log-probabilities (B, T, P) of any floating type, which they keep; an impossible arc stays so, and those
            of padding may become anything, as the lattice does not read them.
        timing: of B utterances and P - 1 labels.
    """
    if timing.late == 0 and timing.early == 0:
        return arcs
    label_BTP, due_BU = arcs.label_BTP, timing.due_BU.detach().to(arcs.label_BTP.device, torch.float64)
    row_N1, place_N1 = (~due_BU.isnan()).nonzero()[..., None].unbind(1)
    times_T = torch.arange(label_BTP.shape[1], device=label_BTP.device)
    price_NT = _price(times_T - due_BU[row_N1, place_N1], timing).to(label_BTP)
    # few labels are timed, so that one copy of the arcs is all the memory this takes
    return arcs._replace(label_BTP=label_BTP.index_put((row_N1, times_T, place_N1), -price_NT, accumulate=True))


def _price(lateness_NT: Tensor, timing: Timing) -> Tensor:
    """Nats for so many frames after the due one."""
    late_NT, early_NT = (lateness_NT - timing.buffer).clamp(min=0), (-lateness_NT).clamp(min=0)
    return timing.late * late_NT + timing.early * early_NT
