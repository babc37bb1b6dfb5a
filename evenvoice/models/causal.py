"""Causal building blocks: convolutions over the past, and squeeze-and-excitation of everything so far.

Tensor names: B utterance, T frame, D channel, K tap.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from evenvoice.models.streaming import Layer


@dataclass(frozen=True)
class PastFrames:
    """The last frames a convolution still needs."""

    past_BTD: Tensor


class _CausalConvolution(Layer[PastFrames]):
    """Knows what to remember: ``reach`` frames."""

    def __init__(self, *, inputs: int, width: int, reach: int) -> None:
        super().__init__()
        self.inputs, self.width, self.reach = inputs, width, reach

    def initial_state(self, batch: int) -> PastFrames:
        """Return zeros: silence before the first frame."""
        return PastFrames(next(self.parameters()).new_zeros(batch, self.reach, self.inputs))

    def _extended(self, chunk_BTD: Tensor, state: PastFrames) -> tuple[Tensor, PastFrames]:
        extended_BTD = torch.cat([state.past_BTD.to(chunk_BTD.dtype), chunk_BTD], dim=1)
        return extended_BTD, PastFrames(extended_BTD[:, chunk_BTD.shape[1]:])


class DepthwiseConv(_CausalConvolution):
    """Each channel by itself, as one multiplication per tap.

    PyTorch's grouped convolution wants channels before time and is no faster at these sizes on a processor.
    """

    def __init__(self, width: int, kernel: int, dilation: int = 1) -> None:
        super().__init__(inputs=width, width=width, reach=(kernel - 1) * dilation)
        self.dilation = dilation
        self.taps_KD = nn.Parameter(torch.empty(kernel, width).uniform_(-1, 1) / kernel**0.5)
        self.macs_per_frame = kernel * width

    def step(self, chunk_BTD: Tensor, state: PastFrames) -> tuple[Tensor, PastFrames]:
        """Map (B, T, width) to (B, T, width)."""
        extended_BTD, after = self._extended(chunk_BTD, state)
        frames = chunk_BTD.shape[1]
        mixed_BTD = extended_BTD[:, :frames] * self.taps_KD[0]
        for tap in range(1, len(self.taps_KD)):
            start = tap * self.dilation
            mixed_BTD = torch.addcmul(mixed_BTD, extended_BTD[:, start:start + frames], self.taps_KD[tap])
        return mixed_BTD, after


class Conv(_CausalConvolution):
    """Every channel into every channel, as one matrix product over the frames that the kernel covers.

    With a stride of s it writes one frame for every s that it reads, and covers none behind these; a chunk then holds
    a multiple of s frames, and its cost is that of a frame written.
    """

    def __init__(self, inputs: int, width: int, kernel: int, stride: int = 1) -> None:
        super().__init__(inputs=inputs, width=width, reach=kernel - stride)
        self.kernel, self.stride = kernel, stride
        self.mix = nn.Linear(kernel * inputs, width)
        self.macs_per_frame = kernel * inputs * width

    def step(self, chunk_BTD: Tensor, state: PastFrames) -> tuple[Tensor, PastFrames]:
        """Map (B, T, inputs) to (B, T / stride, width)."""
        extended_BTD, after = self._extended(chunk_BTD, state)
        frames = chunk_BTD.shape[1]
        covered_BTD = torch.cat([extended_BTD[:, tap:tap + frames:self.stride] for tap in range(self.kernel)], dim=2)
        return self.mix(covered_BTD), after


@dataclass(frozen=True)
class SqueezeState:
    """Sum of all frames so far, and how many there were."""

    sum_BD: Tensor
    count: Tensor


class SqueezeExcite(Layer[SqueezeState]):
    """Scales channels by what they held on average up to this frame.

    Squeeze-and-excitation (J. Hu et al., arXiv 1709.01507) with the mean of frames 1 to t in place of the mean of the
    utterance, which cannot be known while it is still being said.
    """

    def __init__(self, width: int, reduction: int = 8) -> None:
        super().__init__()
        self.width = width
        self.squeeze = nn.Linear(width, width // reduction)
        self.excite = nn.Linear(width // reduction, width)
        self.macs_per_frame = 2 * width * (width // reduction)

    def initial_state(self, batch: int) -> SqueezeState:
        """Return nothing heard."""
        weight = self.squeeze.weight
        return SqueezeState(weight.new_zeros(batch, self.width, dtype=torch.float32),
                            weight.new_zeros((), dtype=torch.float32))

    def step(self, chunk_BTD: Tensor, state: SqueezeState) -> tuple[Tensor, SqueezeState]:
        """Map (B, T, width) to (B, T, width)."""
        sums_BTD = state.sum_BD[:, None] + chunk_BTD.float().cumsum(dim=1)
        counts_T = state.count + torch.arange(1, chunk_BTD.shape[1] + 1, device=chunk_BTD.device)
        mean_BTD = (sums_BTD / counts_T[:, None]).to(chunk_BTD.dtype)
        gate_BTD = torch.sigmoid(self.excite(functional.silu(self.squeeze(mean_BTD))))
        return chunk_BTD * gate_BTD, SqueezeState(sums_BTD[:, -1], counts_T[-1])
