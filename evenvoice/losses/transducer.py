"""Transducer (RNN-T) loss: the negative log-likelihood of a label sequence, summed over all its alignments.

Tensor names: B utterance, T frame, U label, N anti-diagonal (frame + label), V vocabulary. A trailing ``U`` of a
lattice tensor counts label positions, one more than labels: position u means that u labels have been emitted.

The recursions are those of A. Graves, "Sequence Transduction with Recurrent Neural Networks", 2012, section 2.4:
at node (t, u) the model emits blank and moves to (t + 1, u), or emits label u and moves to (t, u + 1). Nodes of one
anti-diagonal depend only on the diagonal before, so the lattice is stored skewed, one row per diagonal, and each
step of a recursion is a few whole-batch operations.

Autograd sees one function. Of the (B, T, U, V) logits only blank's and the labels' log-probabilities enter the
lattice, and the gradient is written straight into the one buffer that is returned:

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
    losses_B: Tensor = _TransducerLoss.apply(logits_BTUV, labels_BU, lengths, blank)
    return losses_B


Lengths = list[tuple[int, int]]
"""Frames and labels of each utterance."""


class _Arcs(NamedTuple):
    """Log-probabilities of the arcs that leave each node, skewed; NEVER outside an utterance's lattice."""

    blank_NBU: Tensor
    label_NBU: Tensor  # one guard column in front, so that slices give the label left or right of a node


class _TransducerLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits_BTUV: Tensor, labels_BU: Tensor, lengths: Lengths, blank: int) -> Tensor:
        normaliser_BTU, arcs = _arcs(logits_BTUV, labels_BU, lengths, blank)
        alpha_NBU = _alpha(arcs)
        likelihood_B = torch.stack([
            alpha_NBU[frames - 1 + labels, row, 1 + labels] + arcs.blank_NBU[frames - 1 + labels, row, labels]
            for row, (frames, labels) in enumerate(lengths)])
        ctx.save_for_backward(logits_BTUV, labels_BU, normaliser_BTU, *arcs, alpha_NBU, likelihood_B)
        ctx.lengths, ctx.blank = lengths, blank
        return -likelihood_B

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient_B: Tensor) -> tuple[Tensor | None, ...]:
        logits_BTUV, labels_BU, normaliser_BTU, blank_NBU, label_NBU, alpha_NBU, likelihood_B = ctx.saved_tensors
        arcs = _Arcs(blank_NBU, label_NBU)
        posteriors = _posteriors(arcs, alpha_NBU, _beta(arcs, ctx.lengths), likelihood_B)
        gradient_BTUV = _gradient(logits_BTUV, labels_BU, normaliser_BTU, posteriors, gradient_B, ctx.lengths, ctx.blank)
        return gradient_BTUV, None, None, None


def _arcs(logits_BTUV: Tensor, labels_BU: Tensor, lengths: Lengths, blank: int) -> tuple[Tensor, _Arcs]:
    """Log-softmax of blank and of the next label at every node, and the normaliser for the gradient."""
    batch, frames_max, positions, _ = logits_BTUV.shape
    kind = torch.float64 if logits_BTUV.dtype == torch.float64 else torch.float32
    diagonals = frames_max + positions - 1
    normaliser_BTU = logits_BTUV.new_zeros((batch, frames_max, positions), dtype=kind)
    blank_NBU = logits_BTUV.new_full((diagonals, batch, positions), NEVER, dtype=kind)
    label_NBU = logits_BTUV.new_full((diagonals, batch, positions + 1), NEVER, dtype=kind)
    blank_BTU, label_BTU = _unskewed(blank_NBU), _unskewed(label_NBU[..., 1:])
    for row, (frames, labels) in enumerate(lengths):
        logits_TUV = logits_BTUV[row, :frames, :labels + 1].to(kind)
        normaliser_TU = torch.logsumexp(logits_TUV, dim=-1)
        normaliser_BTU[row, :frames, :labels + 1] = normaliser_TU
        blank_BTU[row, :frames, :labels + 1] = logits_TUV[..., blank] - normaliser_TU
        chosen_TU1 = _label_index(labels_BU[row, :labels], frames)
        label_BTU[row, :frames, :labels] = logits_TUV[:, :labels].gather(-1, chosen_TU1)[..., 0] - normaliser_TU[:, :labels]
    return normaliser_BTU, _Arcs(blank_NBU, label_NBU)


def _unskewed(skewed_NBU: Tensor) -> Tensor:
    """(B, T, U) view into a skewed tensor: node (t, u) lies on diagonal t + u."""
    diagonals, batch, positions = skewed_NBU.shape
    diagonal_stride, row_stride, _ = skewed_NBU.stride()
    return skewed_NBU.as_strided((batch, diagonals - positions + 1, positions),
                                 (row_stride, diagonal_stride, diagonal_stride + 1))


def _label_index(labels_U: Tensor, frames: int) -> Tensor:
    return labels_U.long().view(1, -1, 1).expand(frames, -1, 1)


def _alpha(arcs: _Arcs) -> Tensor:
    """Log-probability of reaching each node from (0, 0); one guard column in front."""
    alpha_NBU = torch.full_like(arcs.label_NBU, NEVER)
    alpha_NBU[0, :, 1] = 0
    stay, emit, alpha = arcs.blank_NBU.unbind(), arcs.label_NBU[..., :-1].unbind(), alpha_NBU.unbind()
    for n in range(1, len(alpha)):
        before_BU = alpha[n - 1]
        torch.logaddexp(before_BU[:, 1:] + stay[n - 1], before_BU[:, :-1] + emit[n - 1], out=alpha[n][:, 1:])
    return alpha_NBU


def _beta(arcs: _Arcs, lengths: Lengths) -> Tensor:
    """Log-probability of going on from each node to the end; one guard column behind, one diagonal more than alpha.

    The end of an utterance is the node after the blank of its last frame, (T, U).
    """
    diagonals, batch, columns = arcs.label_NBU.shape
    beta_NBU = arcs.label_NBU.new_full((diagonals + 1, batch, columns), NEVER)
    ends: dict[int, list[tuple[int, int]]] = {}
    for row, (frames, labels) in enumerate(lengths):
        ends.setdefault(frames + labels, []).append((row, labels))
    stay, emit, beta = arcs.blank_NBU.unbind(), arcs.label_NBU[..., 1:].unbind(), beta_NBU.unbind()
    for n in range(diagonals, -1, -1):
        if n < diagonals:
            after_BU = beta[n + 1]
            torch.logaddexp(after_BU[:, :-1] + stay[n], after_BU[:, 1:] + emit[n], out=beta[n][:, :-1])
        for row, labels in ends.get(n, ()):
            beta[n][row, labels] = 0
    return beta_NBU


class _Posteriors(NamedTuple):
    """What share of the likelihood passes through each node (in logs) and each arc."""

    log_occupancy_BTU: Tensor
    blank_BTU: Tensor
    label_BTU: Tensor


def _posteriors(arcs: _Arcs, alpha_NBU: Tensor, beta_NBU: Tensor, likelihood_B: Tensor) -> _Posteriors:
    reached_NBU = alpha_NBU[..., 1:] - likelihood_B[:, None]
    occupancy_NBU = reached_NBU + beta_NBU[:-1, :, :-1]
    blank_NBU = (reached_NBU + arcs.blank_NBU + beta_NBU[1:, :, :-1]).exp_()
    label_NBU = (reached_NBU + arcs.label_NBU[..., 1:] + beta_NBU[1:, :, 1:]).exp_()
    return _Posteriors(_unskewed(occupancy_NBU), _unskewed(blank_NBU), _unskewed(label_NBU))


def _gradient(logits_BTUV: Tensor, labels_BU: Tensor, normaliser_BTU: Tensor, posteriors: _Posteriors,
              gradient_B: Tensor, lengths: Lengths, blank: int) -> Tensor:
    gradient_BTUV = torch.zeros_like(logits_BTUV, memory_format=torch.contiguous_format)
    for row, (frames, labels) in enumerate(lengths):
        real = (row, slice(frames), slice(labels + 1))
        emitting = (row, slice(frames), slice(labels))
        scores_TUV = logits_BTUV[real].to(normaliser_BTU.dtype)
        gradient_TUV = (scores_TUV + (posteriors.log_occupancy_BTU[real] - normaliser_BTU[real])[..., None]).exp_()
        gradient_TUV[..., blank] -= posteriors.blank_BTU[real]
        gradient_TUV[:, :labels].scatter_add_(-1, _label_index(labels_BU[row, :labels], frames),
                                              -posteriors.label_BTU[emitting][..., None])
        torch.mul(gradient_TUV, gradient_B[row], out=gradient_TUV)
        gradient_BTUV[real] = gradient_TUV
    return gradient_BTUV


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
    inside_BU = torch.arange(labels_BU.shape[1], device=labels_BU.device) < label_lengths_B[:, None].to(labels_BU.device)
    wrong_BU = inside_BU & ((labels_BU < 0) | (labels_BU >= vocabulary) | (labels_BU == blank))
    if wrong_BU.any():
        row, place = wrong_BU.nonzero()[0].tolist()
        raise _misfit(f"labels[{row}, {place}]", f"be from 0 to {vocabulary - 1} and not blank ({blank})",
                      int(labels_BU[row, place]))


def _misfit(name: str, rule: str, value: object) -> ShapeError:
    return ShapeError(name=f"transducer_loss: {name}", rule=rule, value=value,
                      action="Correct the batch before it reaches the loss.")
