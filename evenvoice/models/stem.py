"""Stems: what makes an encoder frame of ``stack`` log-mel frames.

Tensor names: B utterance, T encoder frame, M mel band, D channel, S channel of stacked frames.

The linear stem is one matrix. The convolutional one goes from 10 to 40 ms in steps, each of which halves the frames (or
divides them by the next prime factor of ``stack``) and looks back one frame further than it strides:

    40 ms:  conv of 3 frames, stride 2  ->  LayerNorm, silu  ->  conv of 3 frames, stride 2

Both are causal: the last log-mel frame that an encoder frame hears is the last of its own.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from evenvoice.models.causal import Conv, PastFrames
from evenvoice.models.shapes import Stem
from evenvoice.models.streaming import Layer

StemState = tuple[PastFrames, ...]
"""Frames that each convolution still needs; nothing of a linear stem."""


class LinearStem(Layer[StemState]):
    """One matrix over all stacked frames; weight and bias lie at its top, where older models have them."""

    def __init__(self, *, inputs: int, width: int) -> None:
        super().__init__()
        self.width = width
        linear = nn.Linear(inputs, width)
        self.weight, self.bias = linear.weight, linear.bias
        self.macs_per_frame = inputs * width

    def initial_state(self, batch: int) -> StemState:
        """Return nothing: a matrix remembers nothing."""
        return ()

    def step(self, chunk_BTS: Tensor, state: StemState) -> tuple[Tensor, StemState]:
        """Map (B, T, stack * n_mels) to (B, T, width)."""
        return functional.linear(chunk_BTS, self.weight, self.bias), state


class ConvStem(Layer[StemState]):
    """Causal convolutions whose strides multiply to ``stack``, LayerNorm and silu between them.

    Args:
        stack: log-mel frames per encoder frame.
        n_mels: channels of a log-mel frame.
        width: channels of every convolution's output.
    """

    def __init__(self, *, stack: int, n_mels: int, width: int) -> None:
        super().__init__()
        self.width, self.stack, self.n_mels = width, stack, n_mels
        strides = prime_factors(stack) or [1]
        self.convs = nn.ModuleList(Conv(width if step else n_mels, width, kernel=stride + 1, stride=stride)
                                   for step, stride in enumerate(strides))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in strides[1:])
        self.macs_per_frame = 0
        frames = stack
        for conv in self._convs():
            frames //= conv.stride
            self.macs_per_frame += frames * conv.macs_per_frame

    def initial_state(self, batch: int) -> StemState:
        """Return silence."""
        return tuple(conv.initial_state(batch) for conv in self._convs())

    def step(self, chunk_BTS: Tensor, state: StemState) -> tuple[Tensor, StemState]:
        """Map (B, T, stack * n_mels) to (B, T, width)."""
        batch, frames, _ = chunk_BTS.shape  # not len(): an exporter takes what it gives for a constant
        said_BTD = chunk_BTS.reshape(batch, frames * self.stack, self.n_mels)
        after = []
        for number, (conv, past) in enumerate(zip(self._convs(), state, strict=True)):
            if number:
                said_BTD = functional.silu(self.norms[number - 1](said_BTD))
            said_BTD, remembered = conv.step(said_BTD, past)
            after.append(remembered)
        return said_BTD, tuple(after)

    def _convs(self) -> list[Conv]:
        return [conv for conv in self.convs if isinstance(conv, Conv)]


def built_stem(stem: Stem, *, stack: int, n_mels: int, width: int) -> Layer[StemState]:
    """Build the stem of this name."""
    if stem == "conv":
        return ConvStem(stack=stack, n_mels=n_mels, width=width)
    return LinearStem(inputs=stack * n_mels, width=width)


def prime_factors(number: int) -> list[int]:
    """Prime factors of a number of at least 1, the smallest first: 12 gives 2, 2, 3."""
    factors, factor = [], 2
    while number > 1:
        while number % factor == 0:
            factors.append(factor)
            number //= factor
        factor += 1
    return factors
