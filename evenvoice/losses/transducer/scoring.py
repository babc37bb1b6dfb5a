"""Scores of a joiner at the nodes of a lattice, block by block, and their derivatives.

Tensor names: B utterance, T frame, P label position, F frame of a block, W position of a window, N node of a block,
J joiner channel, V vocabulary.

    logits = W tanh(frame + label) + b

Neither the hidden (B, T, P, J) tensor nor the (B, T, P, V) logits exist at any time: a block of nodes goes through
buffers that stay in the processor's cache, and the derivatives compute it again. Matrix products take most of the time
on a CPU; fresh memory for the two tensors would take as much again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

import torch
from torch import Tensor

from evenvoice.losses.transducer.faster import Faster
from evenvoice.losses.transducer.lattice import NEVER, Arcs, has_kernels
from evenvoice.losses.transducer.products import Precision, multiplied
from evenvoice.losses.transducer.windows import Block, Windows

T = TypeVar("T")
KERNELS: Final = Faster("joiner's scores in fused kernels")
CPU_NUMBERS: Final = 1 << 18
"""Numbers in a buffer: 1 MiB in float32, so that three buffers stay in a shared cache of a few MiB."""
CUDA_NUMBERS: Final = 1 << 26
"""256 MiB in float32: so few blocks that starting kernels takes no time, and far less memory than all logits need."""
CUDA_SHARE: Final = 1 / 64
"""Of a GPU's free memory, that one of the three buffers takes at most."""


class Joint(NamedTuple):
    """What logits are made of, with utterances flattened."""

    frame_FJ: Tensor  # (B * T, J)
    position_PJ: Tensor  # (B * P, J)
    weight_VJ: Tensor
    bias_V: Tensor


class Emitted(NamedTuple):
    """The two symbols that a node may emit."""

    blank: int
    label_P: Tensor  # (B * P,), anything in the vocabulary where no label follows


class Scores(NamedTuple):
    """Log-probabilities of the arcs, NEVER outside the windows, and what normalised them."""

    arcs: Arcs
    normaliser_BTP: Tensor


class Evaluator:
    """Computes blocks of a lattice in buffers of its own."""

    def __init__(self, joint: Joint, emitted: Emitted, windows: Windows, precision: Precision) -> None:
        self._joint, self._emitted, self._windows, self._precision = joint, emitted, windows, precision
        vocabulary, width = joint.weight_VJ.shape
        nodes = min(_numbers(joint.weight_VJ) // max(vocabulary, width), windows.width_BT.numel() * windows.positions)
        self._nodes = max(nodes, windows.positions)
        self._hidden = joint.frame_FJ.new_empty(self._nodes, width)
        self._logits = joint.frame_FJ.new_empty(self._nodes, vocabulary)

    def scores(self) -> Scores:
        """Normalise every node in the windows."""
        shape = (*self._windows.width_BT.shape, self._windows.positions)
        blank, label, normaliser = self._joint.frame_FJ.new_full((3, *shape), NEVER)
        normaliser.neg_()  # the softmax of what was not looked at is 0
        scores = Scores(Arcs(blank, label), normaliser)
        with multiplied(self._precision, self._hidden.device):
            for block in self._windows.blocks(self._nodes):
                self._score(block, scores)
        return scores

    def derivatives(self, normaliser_BTP: Tensor, weights: Arcs) -> Joint:
        """Derivatives of sum(weight * log-probability) over all arcs in the windows."""
        inner, gradient = torch.empty_like(self._hidden), Joint(*map(torch.zeros_like, self._joint))
        weighted = Scores(Arcs(*(weight_BTP.contiguous() for weight_BTP in weights)), normaliser_BTP)
        with multiplied(self._precision, self._hidden.device):
            for block in self._windows.blocks(self._nodes):
                self._derive(block, weighted, inner[:block.node_FW.numel()], gradient)
        return gradient

    def _score(self, block: Block, scores: Scores) -> None:
        """Fill in the scores of a block."""
        node_N, logits_NV = block.node_FW.flatten(), self._evaluate(block)[1]
        blank_N = logits_NV[:, self._emitted.blank].clone()
        label_N = logits_NV.gather(1, self._label(block))[:, 0]
        normaliser_N = _log_sum(logits_NV)
        scores.normaliser_BTP.view(-1)[node_N] = normaliser_N
        scores.arcs.blank_BTP.view(-1)[node_N] = blank_N - normaliser_N
        scores.arcs.label_BTP.view(-1)[node_N] = label_N - normaliser_N

    def _derive(self, block: Block, weighted: Scores, inner_NJ: Tensor, gradient: Joint) -> None:
        """Add what a block gives to the gradient."""
        node_N, (hidden_NJ, logits_NV) = block.node_FW.flatten(), self._evaluate(block)
        blank_N, label_N, normaliser_N = (values_BTP.view(-1)[node_N]
                                          for values_BTP in (*weighted.arcs, weighted.normaliser_BTP))
        slope_NV = logits_NV.sub_(normaliser_N[:, None]).exp_().mul_(-(blank_N + label_N)[:, None])
        slope_NV[:, self._emitted.blank] += blank_N
        slope_NV.scatter_add_(1, self._label(block), label_N[:, None])
        _add_block(gradient, block, slope_NV, hidden_NJ, torch.mm(slope_NV, self._joint.weight_VJ, out=inner_NJ))

    def _evaluate(self, block: Block) -> tuple[Tensor, Tensor]:
        frames, width = block.position_FW.shape
        hidden_NJ, logits_NV = self._hidden[:frames * width], self._logits[:frames * width]
        torch.index_select(self._joint.position_PJ, 0, block.position_FW.flatten(), out=hidden_NJ)
        hidden_NJ.view(frames, width, -1).add_(self._joint.frame_FJ[block.frame_F][:, None])
        torch.addmm(self._joint.bias_V, hidden_NJ.tanh_(), self._joint.weight_VJ.t(), out=logits_NV)
        return hidden_NJ, logits_NV

    def _label(self, block: Block) -> Tensor:
        return self._emitted.label_P[block.position_FW.flatten()][:, None]


def scores(joint: Joint, emitted: Emitted, windows: Windows, precision: Precision) -> Scores:
    """:meth:`Evaluator.scores`, by kernels where they can be had."""
    return _by_kernels(lambda kind: kind(joint, emitted, windows, precision).scores(), joint)


def derivatives(joint: Joint, emitted: Emitted, windows: Windows, precision: Precision, normaliser_BTP: Tensor,
                weights: Arcs) -> Joint:
    """:meth:`Evaluator.derivatives`, by kernels where they can be had."""
    return _by_kernels(
        lambda kind: kind(joint, emitted, windows, precision).derivatives(normaliser_BTP, weights), joint)


def _by_kernels(work: Callable[[type[Evaluator]], T], joint: Joint) -> T:
    if not has_kernels(joint.frame_FJ) or joint.frame_FJ.dtype != torch.float32:
        return work(Evaluator)
    return KERNELS.attempt(lambda: work(_kernel_evaluator()), lambda: work(Evaluator))


def _kernel_evaluator() -> type[Evaluator]:
    from evenvoice.losses.transducer.scoring_kernel import KernelEvaluator  # needs Triton

    return KernelEvaluator


def _numbers(weight_VJ: Tensor) -> int:
    """Numbers in a buffer."""
    if weight_VJ.device.type == "cpu":
        return CPU_NUMBERS
    free = torch.cuda.mem_get_info(weight_VJ.device)[0] + torch.cuda.memory_reserved(weight_VJ.device) - (
        torch.cuda.memory_allocated(weight_VJ.device))
    return max(CPU_NUMBERS, min(CUDA_NUMBERS, int(CUDA_SHARE * free) // weight_VJ.element_size()))


def _add_block(gradient: Joint, block: Block, slope_NV: Tensor, hidden_NJ: Tensor, inner_NJ: Tensor) -> None:
    gradient.weight_VJ.addmm_(slope_NV.t(), hidden_NJ)
    gradient.bias_V.add_(slope_NV.sum(0))
    torch.ops.aten.tanh_backward.grad_input(inner_NJ, hidden_NJ, grad_input=inner_NJ)
    frames, width = block.position_FW.shape
    gradient.frame_FJ[block.frame_F] = inner_NJ.view(frames, width, -1).sum(1)
    gradient.position_PJ.index_add_(0, block.position_FW.flatten(), inner_NJ)


def _log_sum(logits_NV: Tensor) -> Tensor:
    """Logarithm of the sum of exponentials; overwrites its argument."""
    highest_N = logits_NV.amax(1)
    return logits_NV.sub_(highest_N[:, None]).exp_().sum(1).log_().add_(highest_N)
