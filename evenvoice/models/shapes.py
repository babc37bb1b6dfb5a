"""Shapes of encoders: what config.json keeps, so that a model outlives the presets it was made from.

An encoder frame is ``stack`` log-mel frames; all sizes here are per encoder frame.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from evenvoice.params import Section

Width = Annotated[int, Field(ge=1, le=16384)]
Depth = Annotated[int, Field(ge=1, le=256)]
DepthOrNone = Annotated[int, Field(ge=0, le=256)]
Frames = Annotated[int, Field(ge=1, le=4096)]


Stem = Literal["linear", "conv"]
"""What makes an encoder frame of ``stack`` log-mel frames: one matrix, or causal convolutions in steps."""


class LstmShape(Section):
    """A linear stem and LSTM layers."""

    kind: Literal["lstm"] = "lstm"
    width: Width
    layers: Depth


class ConvRnntShape(Section):
    """Local and global causal convolutions side by side in front of LSTM layers; 0 layers or blocks leave one out."""

    kind: Literal["convrnnt"] = "convrnnt"
    channels: Width
    local_layers: DepthOrNone = 4
    local_kernel: Frames = 5
    global_blocks: DepthOrNone = 6
    global_kernel: Frames = 3
    lstm_width: Width
    lstm_layers: Depth


class ConformerShape(Section):
    """Blocks of feed-forward, attention to the past, causal convolution, feed-forward."""

    kind: Literal["conformer"] = "conformer"
    width: Width
    blocks: Depth
    heads: Depth = 4
    expansion: Depth = 4
    kernel: Frames = 15
    window: Frames = 64
    """Encoder frames that attention sees, the present one included."""
    stem: Stem = "linear"


class TransformerShape(Section):
    """Blocks of attention to the past and feed-forward."""

    kind: Literal["transformer"] = "transformer"
    width: Width
    blocks: Depth
    heads: Depth = 4
    expansion: Depth = 4
    window: Frames = 64
    """Encoder frames that attention sees, the present one included."""
    stem: Stem = "linear"


class ContextNetShape(Section):
    """Residual blocks of separable causal convolutions, each closed by a squeeze of everything so far."""

    kind: Literal["contextnet"] = "contextnet"
    width: Width
    blocks: Depth
    layers: Depth = 3
    kernel: Frames = 5


EncoderShape = Annotated[LstmShape | ConvRnntShape | ConformerShape | TransformerShape | ContextNetShape,
                         Field(discriminator="kind")]


class Architecture(Section):
    """What a transducer is built from."""

    encoder: EncoderShape
    stack: Depth
    """Log-mel frames per encoder frame."""
    lookahead: Annotated[int, Field(ge=0, le=4096)]
    """Encoder frames that an output waits for."""
    predictor_width: Width
    joiner_width: Width
    dropout: Annotated[float, Field(ge=0, lt=1)]
    n_mels: Width
    vocabulary: Annotated[int, Field(ge=2, le=1_000_000)]
