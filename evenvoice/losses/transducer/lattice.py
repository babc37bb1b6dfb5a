"""The alignment lattice of a transducer: how probable it is, and which arcs its alignments take.

Tensor names: B utterance, T frame, P label position (one more than labels), N anti-diagonal (frame + position), L all
label positions of all utterances.

The recursions are those of A. Graves, "Sequence Transduction with Recurrent Neural Networks", 2012, section 2.4: at
node (t, p) the model emits blank and moves to (t + 1, p), or emits label p and moves to (t, p + 1); an alignment ends
when it leaves the last frame at the last position. Nodes of one anti-diagonal depend only on the diagonal before, so
the lattice is stored skewed, one row per diagonal, and a step of the recursion is two operations on the whole batch.
Going on from a node to the end is the same recursion over the lattice turned round, so that one run over twice the
batch gives both directions. A GPU walks it in one kernel instead (lattice_kernel.py). All is float64: in float32, the
sums of a thousand frames leave posteriors of three digits.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from evenvoice.losses.transducer.faster import Faster

NEVER = float("-inf")
"""Log-probability of an arc that is not in the lattice."""
MOST_LANES: Final = 4096
"""Label positions that one program of the kernel can hold."""
KERNEL: Final = Faster("lattice in one kernel")


class Arcs(NamedTuple):
    """A number for each of the two arcs that leave a node, (B, T, P) both: log-probabilities or posteriors."""

    blank_BTP: Tensor
    label_BTP: Tensor


class Lengths(NamedTuple):
    """Frames and labels of each utterance."""

    frames_B: Tensor
    labels_B: Tensor

    def real_nodes(self, frames: int, positions: int) -> Tensor:
        """Whether (B, T, P) nodes lie within their utterance."""
        return self.real_frames(frames)[:, :, None] & self.real_positions(positions)[:, None]

    def real_frames(self, frames: int) -> Tensor:
        """Whether (B, T) frames lie within their utterance."""
        return torch.arange(frames, device=self.frames_B.device) < self.frames_B[:, None]

    def real_positions(self, positions: int) -> Tensor:
        """Whether (B, P) label positions lie within their utterance."""
        return torch.arange(positions, device=self.labels_B.device) <= self.labels_B[:, None]


def within(arcs: Arcs, lengths: Lengths) -> Arcs:
    """Log-probabilities in float64, NEVER where an utterance has no such arc."""
    real_BTP = lengths.real_nodes(*arcs.blank_BTP.shape[1:])
    more_BTP = real_BTP & lengths.real_positions(real_BTP.shape[2] + 1)[:, None, 1:]
    return Arcs(torch.where(real_BTP, arcs.blank_BTP.double(), NEVER),
                torch.where(more_BTP, arcs.label_BTP.double(), NEVER))


def delayed(arcs: Arcs, lengths: Lengths, penalty: float) -> Arcs:
    """Make labels likelier in early frames and unlikelier in late ones: log p + penalty * ((T - 1) / 2 - t).

    W. Kang et al., "Delay-penalized transducer for low-latency streaming ASR", 2022 (arXiv 2211.00490), equation 8.
    """
    times_T = torch.arange(arcs.label_BTP.shape[1], device=arcs.label_BTP.device, dtype=arcs.label_BTP.dtype)
    earliness_BT = (lengths.frames_B[:, None] - 1) / 2 - times_T
    return arcs._replace(label_BTP=arcs.label_BTP + penalty * earliness_BT[:, :, None])


def alignments(arcs: Arcs, lengths: Lengths, penalty: float) -> tuple[Tensor, Arcs]:
    """:func:`align` of arcs as a joiner scores them, with a delay penalty: in one kernel where that can be had.

    Args:
        arcs: log-probabilities of any floating type; those of an utterance's padding are not read.
        lengths: of the utterances.
        penalty: nats by which a label gets less likely with every frame of delay.
    """
    def by_diagonals() -> tuple[Tensor, Arcs]:
        return align(delayed(within(arcs, lengths), lengths, penalty), lengths)

    if arcs.blank_BTP.shape[2] > MOST_LANES or not has_kernels(arcs.blank_BTP):
        return by_diagonals()
    return KERNEL.attempt(lambda: _by_kernel(arcs, lengths, penalty), by_diagonals)


def has_kernels(tensor: Tensor) -> bool:
    """Whether kernels can be compiled for a tensor's device: Triton comes with PyTorch for CUDA, on Linux."""
    return tensor.is_cuda and _has_triton()


@cache
def _has_triton() -> bool:
    return importlib.util.find_spec("triton") is not None


def _by_kernel(arcs: Arcs, lengths: Lengths, penalty: float) -> tuple[Tensor, Arcs]:
    from evenvoice.losses.transducer import lattice_kernel  # needs Triton, which a processor has not

    return lattice_kernel.align(arcs, lengths, penalty)


def align(arcs: Arcs, lengths: Lengths) -> tuple[Tensor, Arcs]:
    """Log-likelihood (B,) of each utterance, and the share of it that passes through each arc.

    An utterance without any possible alignment has a log-likelihood of -inf and shares of 0.

    Args:
        arcs: log-probabilities, as :func:`within` gives them.
        lengths: of the utterances.
    """
    batch, frames, positions = arcs.blank_BTP.shape
    reached_NL = _reached(torch.cat([_incoming(arcs, 0), _incoming(_turned(arcs, lengths), 1)], dim=2),
                          positions)
    reached_BTP = _unskewed(reached_NL, 2 * batch, positions)
    rows_B = torch.arange(batch, device=reached_NL.device)
    alpha_BTP, likelihood_B = reached_BTP[:batch, :frames], reached_BTP[rows_B, lengths.frames_B, lengths.labels_B]
    beta_BTP = _mirrored(reached_BTP[batch:], lengths.frames_B, lengths.labels_B)
    before_BTP = alpha_BTP - likelihood_B.clamp(min=torch.finfo(torch.float64).min)[:, None, None]
    label_BTP = torch.zeros_like(before_BTP)
    label_BTP[..., :-1] = (before_BTP + arcs.label_BTP)[..., :-1].add_(beta_BTP[:, :-1, 1:]).exp_()
    return likelihood_B, Arcs((before_BTP + arcs.blank_BTP).add_(beta_BTP[:, 1:]).exp_(), label_BTP)


def _turned(arcs: Arcs, lengths: Lengths) -> Arcs:
    """The lattice that alignments see from their end."""
    return Arcs(_mirrored(arcs.blank_BTP, lengths.frames_B - 1, lengths.labels_B),
                _mirrored(arcs.label_BTP, lengths.frames_B - 1, lengths.labels_B - 1))


def _mirrored(values_BTP: Tensor, last_frame_B: Tensor, last_position_B: Tensor) -> Tensor:
    """Value at (last frame - t, last position - p); indices below zero wrap round, from padding to padding."""
    (batch, frames, positions), device = values_BTP.shape, values_BTP.device
    rows_B11 = torch.arange(batch, device=device)[:, None, None]
    frame_BT1 = (last_frame_B[:, None] - torch.arange(frames, device=device))[:, :, None]
    position_B1P = (last_position_B[:, None] - torch.arange(positions, device=device))[:, None]
    return values_BTP[rows_B11, frame_BT1, position_B1P]


def _incoming(arcs: Arcs, first: int) -> Tensor:
    """Log-probabilities of the label arc and the blank arc that enter each node, skewed: (N, 2, L).

    There is one row of nodes more than frames, as the last blank leads out of the last frame. ``first`` is that row
    from which label arcs start: the first one, but seen from the end the second.
    """
    batch, frames, positions = arcs.blank_BTP.shape
    incoming_N2L = arcs.blank_BTP.new_full((frames + positions, 2, batch * positions), NEVER)
    label_BTP, blank_BTP = (_unskewed(incoming_N2L[:, kind], batch, positions) for kind in (0, 1))
    label_BTP[:, first:first + frames, 1:] = arcs.label_BTP[..., :-1]
    blank_BTP[:, 1:] = arcs.blank_BTP
    return incoming_N2L


def _unskewed(skewed_NL: Tensor, batch: int, positions: int) -> Tensor:
    """(B, T + 1, P) view into a skewed tensor: node (t, p) lies on diagonal t + p."""
    stride = skewed_NL.stride(0)
    return skewed_NL.as_strided((batch, len(skewed_NL) - positions + 1, positions), (positions, stride, stride + 1),
                                skewed_NL.storage_offset())


def _reached(incoming_N2L: Tensor, positions: int) -> Tensor:
    """Log-probability of reaching each node from (0, 0), skewed (N, L).

    A diagonal is stored flat, utterance behind utterance with one NEVER in front of all, so that moving to the next
    label is moving by one element: no label arc enters a first position, so nothing passes into a neighbour.
    """
    diagonals, _, width = incoming_N2L.shape
    reached_NL = incoming_N2L.new_full((diagonals, width + 1), NEVER)
    reached_NL[0, 1::positions] = 0
    before = reached_NL.as_strided((diagonals, 2, width), (width + 1, 1, 1)).unbind()  # by label, by blank
    incoming, reached, arrived_2L = incoming_N2L.unbind(), reached_NL[:, 1:].unbind(), incoming_N2L.new_empty(2, width)
    by_label, by_blank = arrived_2L
    for n in range(1, diagonals):
        torch.add(before[n - 1], incoming[n], out=arrived_2L)
        torch.logaddexp(by_label, by_blank, out=reached[n])
    return reached_NL[:, 1:]


class ArcLoss(torch.autograd.Function):
    """Negative log-likelihoods as a function of arcs, with the shares of :func:`align` beside."""

    @staticmethod
    def forward(ctx: Any, blank_BTP: Tensor, label_BTP: Tensor, lengths: Lengths) -> tuple[Tensor, Tensor, Tensor]:
        """Losses (B,) in float64, differentiable once; shares of blank and label arcs, not differentiable."""
        likelihood_B, shares = alignments(Arcs(blank_BTP, label_BTP), lengths, 0.0)
        ctx.save_for_backward(*shares)
        ctx.kind = blank_BTP.dtype
        ctx.mark_non_differentiable(*shares)
        return -likelihood_B, *shares

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_B: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        """An arc's derivative is its share of the alignments."""
        return *(-(gradient_B[:, None, None] * share_BTP).to(ctx.kind) for share_BTP in ctx.saved_tensors), None
