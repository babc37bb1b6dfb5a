"""Transducer (RNN-T) loss: the negative log-likelihood of a label sequence, summed over all its alignments.

Tensor names: B utterance, T frame, U label, V vocabulary, N anti-diagonal (frame + label), L all label positions of
all utterances. The ``U`` of a lattice or logits counts positions, one more than labels: at u, u labels are out.

The recursions are those of A. Graves, "Sequence Transduction with Recurrent Neural Networks", 2012, section 2.4:
at node (t, u) the model emits blank and moves to (t + 1, u), or emits label u and moves to (t, u + 1). Nodes of one
anti-diagonal depend only on the diagonal before, so the lattice is stored skewed, one row per diagonal, and each
step of a recursion is a few whole-batch operations.

Autograd sees one function. Of the (B, T, U, V) logits only blank's and the labels' log-probabilities enter the
lattice, and the gradient is written straight into the one buffer that is returned (half precision, which is
computed in float32, needs a second one):

    d loss / d logit_v = occupancy * softmax_v - [v is blank] * P(blank arc) - [v is the label] * P(label arc)

with arcs' and nodes' posteriors from alpha and beta. Normalising and differentiating go utterance by utterance over
its real frames and labels only: padding costs nothing, whatever it holds changes nothing, and temporaries stay in
the processor's cache.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from evenvoice.errors import ShapeError

NEVER = float("-inf")
"""Log-probability of an arc or node that is not in the lattice."""


def transducer_loss(logits_BTUV: Tensor, labels_BU: Tensor, frame_lengths_B: Tensor, label_lengths_B: Tensor,
                    blank: int = 0) -> Tensor:
    """Negative log-likelihood, in nats, of each utterance's labels.

    Args:
        logits_BTUV: (B, T, U + 1, V) unnormalised scores. float64 is computed in float64, all else in float32.
        labels_BU: (B, U) integer labels, never ``blank``. What stands beyond an utterance's length is not read.
        frame_lengths_B: (B,) frames of each utterance, at least 1.
        label_lengths_B: (B,) labels of each utterance; 0 is an empty target. A frame may emit any number of
            labels, so there may be more labels than frames.
        blank: index of blank in the vocabulary.

    Returns:
        (B,) losses, differentiable once with respect to the logits.

    Raises:
        ShapeError: shapes, lengths or labels that do not fit one another.
    """
    lengths = _checked_lengths(logits_BTUV, labels_BU, frame_lengths_B, label_lengths_B, blank)
    losses_B: Tensor = _TransducerLoss.apply(logits_BTUV, labels_BU, lengths, blank)  # type: ignore[no-untyped-call]
    return losses_B


Lengths = list[tuple[int, int]]
"""Frames and labels of each utterance."""


class _Arcs(NamedTuple):
    """Log-probabilities of the arcs that leave each node, skewed; NEVER outside an utterance's lattice.

    A diagonal is stored flat, utterance behind utterance (L = B * U), so that moving to the next label is moving by
    one element: the last position of an utterance has no label arc, so nothing passes into its neighbour.
    """

    blank_NL: Tensor
    label_NL: Tensor  # one NEVER more in front


class _TransducerLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits_BTUV: Tensor, labels_BU: Tensor, lengths: Lengths, blank: int) -> Tensor:
        normaliser_BTU, arcs = _arcs(logits_BTUV, labels_BU, lengths, blank)
        alpha_NL = _alpha(arcs, len(lengths))
        likelihood_B = _likelihood(arcs, alpha_NL, lengths)
        ctx.save_for_backward(logits_BTUV, labels_BU, normaliser_BTU, *arcs, alpha_NL, likelihood_B)
        ctx.lengths, ctx.blank = lengths, blank
        return -likelihood_B

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_B: Tensor) -> tuple[Tensor | None, ...]:
        logits_BTUV, labels_BU, normaliser_BTU, blank_NL, label_NL, alpha_NL, likelihood_B = ctx.saved_tensors
        arcs = _Arcs(blank_NL, label_NL)
        posteriors = _posteriors(arcs, alpha_NL, _beta(arcs, ctx.lengths), likelihood_B, gradient_B)
        return _gradient(logits_BTUV, labels_BU, normaliser_BTU, posteriors, ctx.lengths, ctx.blank), None, None, None


def _arcs(logits_BTUV: Tensor, labels_BU: Tensor, lengths: Lengths, blank: int) -> tuple[Tensor, _Arcs]:
    """Log-softmax of blank and of the next label at every node, and the normaliser for the gradient."""
    batch, frames_max, positions, _ = logits_BTUV.shape
    kind = torch.float64 if logits_BTUV.dtype == torch.float64 else torch.float32
    diagonals = frames_max + positions - 1
    normaliser_BTU = logits_BTUV.new_zeros((batch, frames_max, positions), dtype=kind)
    blank_NL = logits_BTUV.new_full((diagonals, batch * positions), NEVER, dtype=kind)
    label_NL = logits_BTUV.new_full((diagonals, batch * positions + 1), NEVER, dtype=kind)
    blank_BTU, label_BTU = _unskewed(blank_NL, batch), _unskewed(label_NL[:, 1:], batch)
    for row, (frames, labels) in enumerate(lengths):
        logits_TUV = logits_BTUV[row, :frames, :labels + 1].to(kind)
        normaliser_TU = torch.logsumexp(logits_TUV, dim=-1)
        normaliser_BTU[row, :frames, :labels + 1] = normaliser_TU
        blank_BTU[row, :frames, :labels + 1] = logits_TUV[..., blank] - normaliser_TU
        chosen_TU = logits_TUV[:, :labels].gather(-1, _label_index(labels_BU[row, :labels], frames))[..., 0]
        label_BTU[row, :frames, :labels] = chosen_TU - normaliser_TU[:, :labels]
    return normaliser_BTU, _Arcs(blank_NL, label_NL)


def _unskewed(skewed_NL: Tensor, batch: int) -> Tensor:
    """(B, T, U) view into a skewed tensor: node (t, u) lies on diagonal t + u."""
    diagonals, positions = skewed_NL.shape[0], skewed_NL.shape[1] // batch
    stride = skewed_NL.stride(0)
    return skewed_NL.as_strided((batch, diagonals - positions + 1, positions), (positions, stride, stride + 1))


def _label_index(labels_U: Tensor, frames: int) -> Tensor:
    return labels_U.long().view(1, -1, 1).expand(frames, -1, 1)


def _alpha(arcs: _Arcs, batch: int) -> Tensor:
    """Log-probability of reaching each node from (0, 0); one NEVER more in front, as in the label arcs."""
    alpha_NL = torch.full_like(arcs.label_NL, NEVER)
    alpha_NL[0, 1:].view(batch, -1)[:, 0] = 0
    blank, label, alpha = arcs.blank_NL.unbind(), arcs.label_NL.unbind(), alpha_NL.unbind()
    for n in range(1, len(alpha)):
        torch.logaddexp(alpha[n - 1][1:] + blank[n - 1], alpha[n - 1][:-1] + label[n - 1][:-1], out=alpha[n][1:])
    return alpha_NL


def _likelihood(arcs: _Arcs, alpha_NL: Tensor, lengths: Lengths) -> Tensor:
    """Log-likelihood of each utterance: reach its last node, then end with blank."""
    arrived_NL = alpha_NL[:, 1:] + arcs.blank_NL
    arrived_BTU = _unskewed(arrived_NL, len(lengths))
    return torch.stack([arrived_BTU[row, frames - 1, labels] for row, (frames, labels) in enumerate(lengths)])


def _beta(arcs: _Arcs, lengths: Lengths) -> Tensor:
    """Log-probability of going on from each node to the end; one NEVER more behind, one diagonal more than alpha.

    The end of an utterance is the node behind the blank of its last frame, (T, U).
    """
    diagonals, width = arcs.label_NL.shape
    beta_NL = arcs.label_NL.new_full((diagonals + 1, width), NEVER)
    ends: dict[int, list[int]] = {}
    for row, (frames, labels) in enumerate(lengths):
        ends.setdefault(frames + labels, []).append(row * (width // len(lengths)) + labels)
    blank, label, beta = arcs.blank_NL.unbind(), arcs.label_NL.unbind(), beta_NL.unbind()
    for n in range(diagonals, -1, -1):
        if n < diagonals:
            torch.logaddexp(beta[n + 1][:-1] + blank[n], beta[n + 1][1:] + label[n][1:], out=beta[n][:-1])
        for end in ends.get(n, ()):
            beta[n][end] = 0
    return beta_NL


class _Posteriors(NamedTuple):
    """Share of the likelihood that passes through each node and each arc, times the loss's incoming gradient."""

    node_BTU: Tensor
    blank_BTU: Tensor
    label_BTU: Tensor


def _posteriors(arcs: _Arcs, alpha_NL: Tensor, beta_NL: Tensor, likelihood_B: Tensor,
                gradient_B: Tensor) -> _Posteriors:
    batch = len(likelihood_B)
    positions = arcs.blank_NL.shape[1] // batch
    likelihood_L = likelihood_B.repeat_interleave(positions)
    gradient_L = gradient_B.repeat_interleave(positions)
    reached_NL = alpha_NL[:, 1:] - likelihood_L
    node_NL = (reached_NL + beta_NL[:-1, :-1]).exp_().mul_(gradient_L)
    blank_NL = (reached_NL + arcs.blank_NL).add_(beta_NL[1:, :-1]).exp_().mul_(gradient_L)
    label_NL = (reached_NL + arcs.label_NL[:, 1:]).add_(beta_NL[1:, 1:]).exp_().mul_(gradient_L)
    return _Posteriors(_unskewed(node_NL, batch), _unskewed(blank_NL, batch), _unskewed(label_NL, batch))


def _gradient(logits_BTUV: Tensor, labels_BU: Tensor, normaliser_BTU: Tensor, posteriors: _Posteriors,
              lengths: Lengths, blank: int) -> Tensor:
    gradient_BTUV = torch.zeros_like(logits_BTUV, dtype=normaliser_BTU.dtype, memory_format=torch.contiguous_format)
    for row, (frames, labels) in enumerate(lengths):
        nodes = (row, slice(frames), slice(labels + 1))
        gradient_TUV = gradient_BTUV[nodes]
        torch.sub(logits_BTUV[nodes], normaliser_BTU[nodes][..., None], out=gradient_TUV)
        gradient_TUV.exp_().mul_(posteriors.node_BTU[nodes][..., None])
        gradient_TUV[..., blank] -= posteriors.blank_BTU[nodes]
        label_TU = posteriors.label_BTU[row, :frames, :labels]
        gradient_TUV[:, :labels].scatter_add_(-1, _label_index(labels_BU[row, :labels], frames), -label_TU[..., None])
    return gradient_BTUV.to(logits_BTUV.dtype)


def _checked_lengths(logits_BTUV: Tensor, labels_BU: Tensor, frame_lengths_B: Tensor, label_lengths_B: Tensor,
                     blank: int) -> Lengths:
    batch, frames, positions, vocabulary = _checked_shape(logits_BTUV)
    for name, tensor, shape in (("labels", labels_BU, (batch, positions - 1)),
                                ("frame_lengths", frame_lengths_B, (batch,)),
                                ("label_lengths", label_lengths_B, (batch,))):
        if tuple(tensor.shape) != shape:
            raise _misfit(name, f"have shape {shape}, as logits {tuple(logits_BTUV.shape)} demand", tuple(tensor.shape))
    lengths = list(zip(frame_lengths_B.tolist(), label_lengths_B.tolist(), strict=True))
    for row, (frames_here, labels_here) in enumerate(lengths):
        if not 1 <= frames_here <= frames:
            raise _misfit(f"frame_lengths[{row}]", f"be from 1 to the {frames} frames of the logits", frames_here)
        if not 0 <= labels_here <= positions - 1:
            raise _misfit(f"label_lengths[{row}]", f"be from 0 to the {positions - 1} labels given", labels_here)
    if not 0 <= blank < vocabulary:
        raise _misfit("blank", f"be from 0 to {vocabulary - 1}", blank)
    _check_labels(labels_BU, label_lengths_B, vocabulary, blank)
    return lengths


def _checked_shape(logits_BTUV: Tensor) -> torch.Size:
    if logits_BTUV.ndim != 4 or 0 in logits_BTUV.shape or not logits_BTUV.is_floating_point():
        raise _misfit("logits", "be a non-empty (B, T, U + 1, V) tensor of floating-point numbers",
                      f"{logits_BTUV.dtype} {tuple(logits_BTUV.shape)}")
    return logits_BTUV.shape


def _check_labels(labels_BU: Tensor, label_lengths_B: Tensor, vocabulary: int, blank: int) -> None:
    places_U = torch.arange(labels_BU.shape[1], device=labels_BU.device)
    inside_BU = places_U < label_lengths_B[:, None].to(labels_BU.device)
    wrong_BU = inside_BU & ((labels_BU < 0) | (labels_BU >= vocabulary) | (labels_BU == blank))
    if wrong_BU.any():
        row, place = wrong_BU.nonzero()[0].tolist()
        raise _misfit(f"labels[{row}, {place}]", f"be from 0 to {vocabulary - 1} and not blank ({blank})",
                      int(labels_BU[row, place]))


def _misfit(name: str, rule: str, value: object) -> ShapeError:
    return ShapeError(name=f"transducer_loss: {name}", rule=rule, value=value,
                      action="Correct the batch before it reaches the loss.")
