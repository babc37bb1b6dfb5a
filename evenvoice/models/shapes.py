"""Shapes of encoders: what config.json keeps, so that a model outlives the presets it was made from.

An encoder frame is ``stack`` log-mel frames; all sizes here are per encoder frame.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

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


class Arbitrators(Section):
    """Small networks decide for every frame which sub-blocks of a transformer work on it."""

    kind: Literal["arbitrators"] = "arbitrators"
    see: Literal["input", "stem"] = "input"
    """Each sub-block's own sees that sub-block's input; or one sees the stem's output and decides for all of them."""
    hidden: Width = 16
    """Width of their hidden layer."""


class Chance(Section):
    """Sub-blocks work on frames drawn at random, as a control; rates of 0 and 1 leave sub-blocks out for good."""

    kind: Literal["chance"] = "chance"
    rates: Annotated[tuple[Annotated[float, Field(ge=0, le=1)], ...], Field(strict=False)]
    """Share of the frames that a sub-block works on: attention, feed-forward of the first block, then of the next."""


Gates = Annotated[Arbitrators | Chance, Field(discriminator="kind")]


class TransformerShape(Section):
    """Blocks of attention to the past and feed-forward, each of which may be switched on and off by frame."""

    kind: Literal["transformer"] = "transformer"
    width: Width
    blocks: Depth
    heads: Depth = 4
    expansion: Depth = 4
    window: Frames = 64
    """Encoder frames that attention sees, the present one included."""
    stem: Stem = "linear"
    gates: Gates | None = None
    """Who switches sub-blocks on and off; None leaves all of them on."""

    @model_validator(mode="after")
    def _has_a_rate_for_each_sub_block(self) -> Self:
        if isinstance(self.gates, Chance) and len(self.gates.rates) != 2 * self.blocks:
            raise ValueError(f"gates.rates must be {2 * self.blocks} numbers, one for each sub-block, got "
                             f"{len(self.gates.rates)}")
        return self


class ContextNetShape(Section):
    """Residual blocks of separable causal convolutions, each closed by a squeeze of everything so far."""

    kind: Literal["contextnet"] = "contextnet"
    width: Width
    blocks: Depth
    layers: Depth = 3
    kernel: Frames = 5


EncoderShape = Annotated[LstmShape | ConvRnntShape | ConformerShape | TransformerShape | ContextNetShape,
                         Field(discriminator="kind")]


class SeparatorShape(Section):
    """Two talkers told apart in front of the encoder, and what is written beside words."""

    kind: Literal["separator"] = "separator"
    mixture_width: Width
    branch_width: Width
    channels: Literal[2] = 2
    """Talkers at once, each of whom is written to a channel of its own."""
    tokens: Literal["none", "separator", "turns"]
    """Labels behind the units: none, one between turns, or a start and an end of each."""


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
    separator: SeparatorShape | None = None
    """None hears one talker; a model without is written as it always was."""
