"""FAAS, the figure of the leaderboard ASR-FAIRBENCH (arXiv 2505.11572): accuracy and fairness in one number.

    raw_g    = 100 * (1 - (W_g - min W) / (max W - min W))        of each group g of a column
    score    = sum over g of p_g * raw_g                          p_g: the group's share of the data
    adjusted = score * p / 0.05 where p < 0.05, else score        p: of the likelihood ratio test
    overall  = mean of adjusted over columns
    FAAS     = 10 * log10(overall / WER)

What they leave open is decided here [design]: W_g and p are those of the model with all columns
(:mod:`evenvoice.metrics.regression`); the share is one of words; WER is a share, not per cent; columns weigh alike.
W_g needs no level: raw does not change when all W are multiplied. Where all groups are equal, raw is 100.

Raw scores say which group is best and which worst, not by how much: a column whose groups differ by 1 % scores as one
whose groups differ by 100 %, unless the test finds the first by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

SIGNIFICANT: Final = 0.05


def category_score(rates: Sequence[float], shares: Sequence[float]) -> float:
    """Of one column, before the test has its say.

    Args:
        rates: WER of each group.
        shares: of the data; they are brought to a sum of 1.
    """
    rate_G, share_G = np.asarray(rates, dtype=float), np.asarray(shares, dtype=float)
    width = float(np.ptp(rate_G))
    raw_G = 100 * (rate_G.max() - rate_G) / width if width > 0 else np.full(len(rate_G), 100.0)
    return float(share_G @ raw_G / share_G.sum())


def adjusted_score(score: float, p: float) -> float:
    """Lowered where chance does not explain the differences."""
    return score * p / SIGNIFICANT if p < SIGNIFICANT else score


def faas(adjusted: Sequence[float], wer: float) -> float | None:
    """Of a model; None where nothing is left of the overall score, no column has one, or there are no errors."""
    overall = sum(adjusted) / len(adjusted) if adjusted else 0.0
    return 10 * float(np.log10(overall / wer)) if overall > 0 and wer > 0 else None
