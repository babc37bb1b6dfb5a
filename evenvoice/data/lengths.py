"""The few lengths that batches of a long transcription or embedding have.

Libraries keep what they made for every shape they have seen, so that memory grew with the hours of speech
(docs/scale.md). Some padding is the price.
"""

from __future__ import annotations

from typing import Final

STEP: Final = 32
"""Frames by which lengths differ."""


def stepped(frames: int) -> int:
    """As many frames, rounded up to a multiple of :data:`STEP`."""
    return -(-frames // STEP) * STEP
