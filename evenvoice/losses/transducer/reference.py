"""The transducer loss twice more, slowly: what the fast one is tested against. Not for training.

:func:`enumerated_loss` adds up every alignment one by one and so needs no recursion that could be wrong;
:func:`plain_loss` is the textbook recursion over nodes, for sizes that enumeration cannot reach.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

LogProbs = Sequence[Sequence[Sequence[float]]]
"""Normalised log-probabilities of one utterance: [frame][labels emitted so far][symbol]."""
Prices = Sequence[Sequence[float]]
"""Nats by which labels get less likely, of one utterance: [frame][label]."""


def enumerated_loss(log_probs_TUV: LogProbs, labels: Sequence[int], blank: int = 0,
                    prices_TU: Prices | None = None) -> float:
    """Negative log-likelihood as the sum over all alignments; their number grows as (T + U choose U).

    An alignment interleaves T blanks, the last of which ends it, with the U labels in order.
    """
    frames = len(log_probs_TUV)
    steps = frames - 1 + len(labels)
    return -_log_sum([_alignment(log_probs_TUV, labels, blank, set(label_steps), prices_TU)
                      for label_steps in itertools.combinations(range(steps), len(labels))])


def _alignment(log_probs_TUV: LogProbs, labels: Sequence[int], blank: int, label_steps: set[int],
               prices_TU: Prices | None) -> float:
    frame, emitted, total = 0, 0, 0.0
    for step in range(len(log_probs_TUV) - 1 + len(labels)):
        if step in label_steps:
            total += log_probs_TUV[frame][emitted][labels[emitted]]
            total -= prices_TU[frame][emitted] if prices_TU else 0.0
            emitted += 1
        else:
            total += log_probs_TUV[frame][emitted][blank]
            frame += 1
    return total + log_probs_TUV[frame][emitted][blank]


def plain_loss(log_probs_TUV: LogProbs, labels: Sequence[int], blank: int = 0) -> float:
    """Negative log-likelihood by Graves' forward recursion, node by node in Python floats."""
    frames, positions = len(log_probs_TUV), len(labels) + 1
    alpha: dict[tuple[int, int], float] = {(0, 0): 0.0}
    for t, u in itertools.product(range(frames), range(positions)):
        arrivals = []
        if t > 0:
            arrivals.append(alpha[t - 1, u] + log_probs_TUV[t - 1][u][blank])
        if u > 0:
            arrivals.append(alpha[t, u - 1] + log_probs_TUV[t][u - 1][labels[u - 1]])
        if arrivals:
            alpha[t, u] = _log_sum(arrivals)
    return -(alpha[frames - 1, positions - 1] + log_probs_TUV[frames - 1][positions - 1][blank])


def _log_sum(values: Sequence[float]) -> float:
    highest = max(values)
    return highest + math.log(math.fsum(math.exp(value - highest) for value in values))
