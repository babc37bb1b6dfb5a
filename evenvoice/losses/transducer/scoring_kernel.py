# mypy: disable-error-code="no-untyped-call, no-untyped-def, untyped-decorator"
"""Scores of a joiner in blocks, with what stands between the matrix products in one Triton kernel each.

Tensor names: B utterance, T frame, P label position, F frame of a block, W position of a window, N node of a block,
J joiner channel, V vocabulary.

PyTorch's own operations (scoring.py) read and write a block's logits a dozen times and start thirty kernels; these
read them once and start seven, the products among them. tanh is made of an exponential, and right to 2e-7.
"""

from __future__ import annotations

from typing import Final

import torch
import triton  # type: ignore[import-not-found, import-untyped, unused-ignore]
import triton.language as tl  # type: ignore[import-not-found, import-untyped, unused-ignore]
from torch import Tensor

from evenvoice.losses.transducer.scoring import Evaluator, Joint, Scores
from evenvoice.losses.transducer.windows import Block

NUMBERS: Final = 4096
"""Of a block that one program works on."""
WIDEST: Final = 1024
"""Symbols that a program looks at together."""
CHANNELS: Final = 128
POSITIONS: Final = 16
"""Channels, and positions, that are bent together."""


@triton.jit
def _tanh(x):
    shrunk = tl.exp(-2.0 * tl.abs(x))
    return tl.where(x < 0.0, -1.0, 1.0) * (1.0 - shrunk) / (1.0 + shrunk)


@triton.jit
def _hidden(frame_ptr, position_ptr, frame_place_ptr, position_place_ptr, hidden_ptr, nodes, width, channels,
            ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """tanh(frame + label) of each node."""
    node = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    channel = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    real = node < nodes
    frame_place = tl.load(frame_place_ptr + node // width, mask=real, other=0)
    position_place = tl.load(position_place_ptr + node, mask=real, other=0)
    inside = real[:, None] & (channel < channels)[None, :]
    frame = tl.load(frame_ptr + frame_place[:, None] * channels + channel[None, :], mask=inside, other=0.0)
    position = tl.load(position_ptr + position_place[:, None] * channels + channel[None, :], mask=inside, other=0.0)
    tl.store(hidden_ptr + node[:, None] * channels + channel[None, :], _tanh(frame + position), mask=inside)


@triton.jit
def _pick(logits_ptr, label_ptr, position_place_ptr, node_place_ptr, blank_out_ptr, label_out_ptr, normaliser_ptr,
          nodes, vocabulary, blank, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Normalisers of nodes and log-probabilities of their arcs, to their places in the lattice."""
    node = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    real = node < nodes
    highest = tl.full([ROWS], float("-inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    for first in range(0, vocabulary, COLUMNS):
        symbol = first + tl.arange(0, COLUMNS)
        inside = real[:, None] & (symbol < vocabulary)[None, :]
        logit = tl.load(logits_ptr + node[:, None] * vocabulary + symbol[None, :], mask=inside, other=float("-inf"))
        higher = tl.maximum(highest, tl.max(logit, axis=1))
        higher = tl.where(real, higher, 0.0)
        total = total * tl.exp(highest - higher) + tl.sum(tl.exp(logit - higher[:, None]), axis=1)
        highest = higher
    normaliser = highest + tl.log(total)
    position_place = tl.load(position_place_ptr + node, mask=real, other=0)
    label = tl.load(label_ptr + position_place, mask=real, other=0)
    blank_logit = tl.load(logits_ptr + node * vocabulary + blank, mask=real, other=0.0)
    label_logit = tl.load(logits_ptr + node * vocabulary + label, mask=real, other=0.0)
    place = tl.load(node_place_ptr + node, mask=real, other=0)
    tl.store(normaliser_ptr + place, normaliser, mask=real)
    tl.store(blank_out_ptr + place, blank_logit - normaliser, mask=real)
    tl.store(label_out_ptr + place, label_logit - normaliser, mask=real)


@triton.jit
def _slope(logits_ptr, label_ptr, position_place_ptr, node_place_ptr, blank_weight_ptr, label_weight_ptr,
           normaliser_ptr, nodes, vocabulary, blank, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Turn logits into derivatives by them, in place."""
    node = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS)
    symbol = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    real = node < nodes
    position_place = tl.load(position_place_ptr + node, mask=real, other=0)
    place = tl.load(node_place_ptr + node, mask=real, other=0)
    label = tl.load(label_ptr + position_place, mask=real, other=0)
    by_blank = tl.load(blank_weight_ptr + place, mask=real, other=0.0)
    by_label = tl.load(label_weight_ptr + place, mask=real, other=0.0)
    normaliser = tl.load(normaliser_ptr + place, mask=real, other=0.0)
    inside = real[:, None] & (symbol < vocabulary)[None, :]
    at = logits_ptr + node[:, None] * vocabulary + symbol[None, :]
    softmax = tl.exp(tl.load(at, mask=inside, other=float("-inf")) - normaliser[:, None])
    slope = -(by_blank + by_label)[:, None] * softmax
    slope += tl.where(symbol[None, :] == blank, by_blank[:, None], 0.0)
    slope += tl.where(symbol[None, :] == label[:, None], by_label[:, None], 0.0)
    tl.store(at, slope, mask=inside)


@triton.jit
def _bend(inner_ptr, hidden_ptr, frame_place_ptr, position_place_ptr, frame_out_ptr, position_out_ptr, width, channels,
          ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Derivatives by hidden channels, through tanh: a frame's are their sum, a label position's are added up."""
    frame = tl.program_id(0).to(tl.int64)
    channel = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    of_frame = tl.zeros([COLUMNS], tl.float32)
    for first in range(0, width, ROWS):
        position = first + tl.arange(0, ROWS)
        node = frame * width + position
        inside = (position < width)[:, None] & (channel < channels)[None, :]
        at = node[:, None] * channels + channel[None, :]
        hidden = tl.load(hidden_ptr + at, mask=inside, other=0.0)
        slope = tl.load(inner_ptr + at, mask=inside, other=0.0) * (1.0 - hidden * hidden)
        of_frame += tl.sum(slope, axis=0)
        place = tl.load(position_place_ptr + node, mask=position < width, other=0)
        tl.atomic_add(position_out_ptr + place[:, None] * channels + channel[None, :], slope, mask=inside)
    place_of_frame = tl.load(frame_place_ptr + frame)
    tl.store(frame_out_ptr + place_of_frame * channels + channel, of_frame, mask=channel < channels)


class KernelEvaluator(Evaluator):
    """The same scores and derivatives as its parent's, in float32."""

    def _score(self, block: Block, scores: Scores) -> None:
        _, logits_NV = self._evaluate(block)
        (rows, columns), (nodes, vocabulary) = _tile(logits_NV.shape[1]), logits_NV.shape
        _pick[(triton.cdiv(nodes, rows),)](
            logits_NV, self._emitted.label_P, block.position_FW, block.node_FW, *scores.arcs, scores.normaliser_BTP,
            nodes, vocabulary, self._emitted.blank, ROWS=rows, COLUMNS=columns)

    def _derive(self, block: Block, weighted: Scores, inner_NJ: Tensor, gradient: Joint) -> None:
        hidden_NJ, logits_NV = self._evaluate(block)
        (rows, columns), (nodes, vocabulary) = _tile(logits_NV.shape[1]), logits_NV.shape
        _slope[triton.cdiv(nodes, rows), triton.cdiv(vocabulary, columns)](
            logits_NV, self._emitted.label_P, block.position_FW, block.node_FW, *weighted.arcs,
            weighted.normaliser_BTP, nodes, vocabulary, self._emitted.blank, ROWS=rows, COLUMNS=columns)
        gradient.weight_VJ.addmm_(logits_NV.t(), hidden_NJ)
        gradient.bias_V.add_(logits_NV.sum(0))
        torch.mm(logits_NV, self._joint.weight_VJ, out=inner_NJ)
        frames, width = block.position_FW.shape
        channels = hidden_NJ.shape[1]
        _bend[frames, triton.cdiv(channels, CHANNELS)](
            inner_NJ, hidden_NJ, block.frame_F, block.position_FW, gradient.frame_FJ, gradient.position_PJ, width,
            channels, ROWS=POSITIONS, COLUMNS=CHANNELS)

    def _evaluate(self, block: Block) -> tuple[Tensor, Tensor]:
        nodes, channels = block.position_FW.numel(), self._hidden.shape[1]
        hidden_NJ, logits_NV = self._hidden[:nodes], self._logits[:nodes]
        rows, columns = _tile(channels)
        _hidden[triton.cdiv(nodes, rows), triton.cdiv(channels, columns)](
            self._joint.frame_FJ, self._joint.position_PJ, block.frame_F, block.position_FW, hidden_NJ, nodes,
            block.position_FW.shape[1], channels, ROWS=rows, COLUMNS=columns)
        torch.addmm(self._joint.bias_V, hidden_NJ, self._joint.weight_VJ.t(), out=logits_NV)
        return hidden_NJ, logits_NV


def _tile(columns: int) -> tuple[int, int]:
    """Rows and columns of what one program works on: powers of two."""
    across: int = min(triton.next_power_of_2(columns), WIDEST)
    return NUMBERS // across, across
