"""A word that was heard, apart from all that hears, since whoever writes turns down needs no model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """A word that was heard."""

    text: str
    start_s: float
    end_s: float
    confidence: float
    """Lowest probability of its labels."""
