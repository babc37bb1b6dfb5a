"""Shapes of encoders: what config.json keeps, so that a model outlives the presets it was made from.

An encoder frame is ``stack`` log-mel frames; all sizes here are per encoder frame.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evenvoice.params import Section


class LstmShape(Section):
    """A linear stem and LSTM layers."""

    kind: Literal["lstm"] = "lstm"
    width: int
    layers: int


class ConvRnntShape(Section):
    """Local and global causal convolutions side by side in front of LSTM layers; 0 layers or blocks leave one out."""

    kind: Literal["convrnnt"] = "convrnnt"
    channels: int
    local_layers: int = 4
    local_kernel: int = 5
    global_blocks: int = 6
    global_kernel: int = 3
    lstm_width: int
    lstm_layers: int


class ConformerShape(Section):
    """Blocks of feed-forward, attention to the past, causal convolution, feed-forward."""

    kind: Literal["conformer"] = "conformer"
    width: int
    blocks: int
    heads: int = 4
    expansion: int = 4
    kernel: int = 15
    window: int = 64
    """Encoder frames that attention sees, the present one included."""


class ContextNetShape(Section):
    """Residual blocks of separable causal convolutions, each closed by a squeeze of everything so far."""

    kind: Literal["contextnet"] = "contextnet"
    width: int
    blocks: int
    layers: int = 3
    kernel: int = 5


EncoderShape = Annotated[LstmShape | ConvRnntShape | ConformerShape | ContextNetShape, Field(discriminator="kind")]


class Architecture(Section):
    """What a transducer is built from."""

    encoder: EncoderShape
    stack: int
    """Log-mel frames per encoder frame."""
    lookahead: int
    """Encoder frames that an output waits for."""
    predictor_width: int
    joiner_width: int
    dropout: float
    n_mels: int
    vocabulary: int
