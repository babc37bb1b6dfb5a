"""The joiner: scores of every label at every pair of a frame and a label position.

Tensor names: B utterance, T frame, U label position (one more than labels), J joiner channel, V vocabulary.

    logits = W tanh(frame + label) + b

The hidden (B, T, U, J) tensor is by far the largest of a transducer. It is never made: both directions go utterance
by utterance over real frames and labels, in two buffers that stay in the processor's cache, and the backward pass
computes the hidden values again. Padding costs nothing and gets logits of zero.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

Lengths = list[tuple[int, int]]
"""Real frames and label positions of each utterance."""


class Joiner(nn.Module):
    """Projects encoder and predictor to one width, adds them, and scores the vocabulary."""

    def __init__(self, *, encoder_width: int, predictor_width: int, width: int, vocabulary: int) -> None:
        super().__init__()
        self.frame = nn.Linear(encoder_width, width)
        self.label = nn.Linear(predictor_width, width, bias=False)
        self.output = nn.Linear(width, vocabulary)
        self.frame_macs = encoder_width * width
        self.label_macs = predictor_width * width
        self.score_macs = width * vocabulary

    def forward(self, encoded_BTD: Tensor, predicted_BUP: Tensor, frame_lengths_B: Tensor,
                label_lengths_B: Tensor) -> Tensor:
        """Score the whole lattice: (B, T, U, V)."""
        lengths = [(frames, labels + 1) for frames, labels in
                   zip(frame_lengths_B.tolist(), label_lengths_B.tolist(), strict=True)]
        frame_BTJ, label_BUJ = self.frame(encoded_BTD), self.label(predicted_BUP)
        kind = frame_BTJ.dtype  # autocast gives the projections, but not the weights, its own type
        logits_BTUV: Tensor = _Lattice.apply(  # type: ignore[no-untyped-call]
            frame_BTJ, label_BUJ, self.output.weight.to(kind), self.output.bias.to(kind), lengths)
        return logits_BTUV

    def score(self, frame_BJ: Tensor, label_BJ: Tensor) -> Tensor:
        """Score one projected frame against one projected label position: (B, V)."""
        scores_BV: Tensor = self.output(torch.tanh(frame_BJ + label_BJ))
        return scores_BV


class _Lattice(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, frame_BTJ: Tensor, label_BUJ: Tensor, weight_VJ: Tensor, bias_V: Tensor,
                lengths: Lengths) -> Tensor:
        ctx.save_for_backward(frame_BTJ, label_BUJ, weight_VJ)
        ctx.lengths = lengths
        batch, frames_max, width = frame_BTJ.shape
        logits_BTUV = frame_BTJ.new_zeros(batch, frames_max, label_BUJ.shape[1], weight_VJ.shape[0])
        buffer = _buffer(frame_BTJ, label_BUJ)
        for row, (frames, positions) in enumerate(lengths):
            hidden_TUJ = _hidden(frame_BTJ[row, :frames], label_BUJ[row, :positions], buffer)
            scores_NV = torch.addmm(bias_V, hidden_TUJ.view(-1, width), weight_VJ.t())
            logits_BTUV[row, :frames, :positions] = scores_NV.view(frames, positions, -1)
        return logits_BTUV

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_BTUV: Tensor) -> tuple[Tensor | None, ...]:
        frame_BTJ, label_BUJ, weight_VJ = ctx.saved_tensors
        frame_gradient_BTJ, label_gradient_BUJ = torch.zeros_like(frame_BTJ), torch.zeros_like(label_BUJ)
        weight_gradient_VJ, bias_gradient_V = torch.zeros_like(weight_VJ), weight_VJ.new_zeros(len(weight_VJ))
        buffer, second_buffer = _buffer(frame_BTJ, label_BUJ), _buffer(frame_BTJ, label_BUJ)
        for row, (frames, positions) in enumerate(ctx.lengths):
            hidden_TUJ = _hidden(frame_BTJ[row, :frames], label_BUJ[row, :positions], buffer)
            hidden_NJ = hidden_TUJ.view(frames * positions, -1)
            gradient_NV = gradient_BTUV[row, :frames, :positions].reshape(frames * positions, -1)
            weight_gradient_VJ.addmm_(gradient_NV.t(), hidden_NJ)
            bias_gradient_V += gradient_NV.sum(0)
            inner_NJ = second_buffer[:hidden_NJ.numel()].view_as(hidden_NJ)
            torch.mm(gradient_NV, weight_VJ, out=inner_NJ)
            torch.ops.aten.tanh_backward.grad_input(inner_NJ, hidden_NJ, grad_input=inner_NJ)
            inner_TUJ = inner_NJ.view_as(hidden_TUJ)
            frame_gradient_BTJ[row, :frames] = inner_TUJ.sum(1)
            label_gradient_BUJ[row, :positions] = inner_TUJ.sum(0)
        return frame_gradient_BTJ, label_gradient_BUJ, weight_gradient_VJ, bias_gradient_V, None


def _buffer(frame_BTJ: Tensor, label_BUJ: Tensor) -> Tensor:
    return frame_BTJ.new_empty(frame_BTJ.shape[1] * label_BUJ.shape[1] * frame_BTJ.shape[2])


def _hidden(frame_TJ: Tensor, label_UJ: Tensor, buffer: Tensor) -> Tensor:
    """tanh(frame + label) for every pair, written into ``buffer``."""
    frames, positions, width = frame_TJ.shape[0], label_UJ.shape[0], frame_TJ.shape[1]
    hidden_TUJ = buffer[:frames * positions * width].view(frames, positions, width)
    return torch.add(frame_TJ[:, None], label_UJ[None], out=hidden_TUJ).tanh_()
