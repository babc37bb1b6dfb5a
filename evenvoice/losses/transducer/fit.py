"""Refuses, by name, what does not fit together before it reaches the transducer loss.

Tensor names: B utterance, T frame, U label, P label position (U + 1), J joiner channel, V vocabulary.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from evenvoice.errors import ShapeError
from evenvoice.losses.transducer.band import Band
from evenvoice.losses.transducer.timing import Timing


def check_fit(frame_BTJ: Tensor, label_BPJ: Tensor, weight_VJ: Tensor, bias_V: Tensor, labels_BU: Tensor,
              frame_lengths_B: Tensor, label_lengths_B: Tensor, blank: int, timing: Timing | None) -> None:
    """Compare shapes with those of the frames and the weight, lengths, labels and their timing with the shapes.

    Raises:
        ShapeError: the first thing that does not fit.
    """
    batch, frames, width = _sizes("frame", frame_BTJ, "(B, T, J)", 3)
    positions = _sizes("label", label_BPJ, "(B, U + 1, J)", 3)[1]
    vocabulary = _sizes("weight", weight_VJ, "(V, J)", 2)[0]
    for name, tensor, shape in (("label", label_BPJ, (batch, positions, width)),
                                ("weight", weight_VJ, (vocabulary, width)), ("bias", bias_V, (vocabulary,)),
                                ("labels", labels_BU, (batch, positions - 1)),
                                ("frame_lengths", frame_lengths_B, (batch,)),
                                ("label_lengths", label_lengths_B, (batch,))):
        if tuple(tensor.shape) != shape:
            raise _misfit(name, f"have shape {shape}, as the other tensors demand", tuple(tensor.shape))
    for name, tensor in (("labels", labels_BU), ("frame_lengths", frame_lengths_B), ("label_lengths", label_lengths_B)):
        if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool:
            raise _misfit(name, "be integers", tensor.dtype)
    _check_lengths(frame_lengths_B, label_lengths_B, frames, positions)
    if not 0 <= blank < vocabulary:
        raise _misfit("blank", f"be from 0 to {vocabulary - 1}", blank)
    _check_labels(labels_BU, label_lengths_B, vocabulary, blank)
    if timing is not None:
        _check_timing(timing, label_lengths_B, tuple(labels_BU.shape))


def check_band(band: Band, sizes: tuple[int, int, int, int]) -> None:
    """Compare a band's scores with the sizes (B, T, P, V) of the lattice.

    Raises:
        ShapeError: the first thing that does not fit.
    """
    batch, frames, positions, vocabulary = sizes
    for name, tensor, shape in (("band.frame", band.frame_BTV, (batch, frames, vocabulary)),
                                ("band.label", band.label_BPV, (batch, positions, vocabulary))):
        if tuple(tensor.shape) != shape:
            raise _misfit(name, f"have shape {shape}, as the other tensors demand", tuple(tensor.shape))
    if band.width < 2:
        raise _misfit("band.width", "be at least 2, or no alignment gets on", band.width)


def _sizes(name: str, tensor: Tensor, letters: str, dimensions: int) -> torch.Size:
    if tensor.ndim != dimensions or 0 in tensor.shape or not tensor.is_floating_point():
        raise _misfit(name, f"be a non-empty {letters} tensor of floating-point numbers",
                      f"{tensor.dtype} {tuple(tensor.shape)}")
    return tensor.shape


def _check_lengths(frame_lengths_B: Tensor, label_lengths_B: Tensor, frames: int, positions: int) -> None:
    for row, (frames_here, labels_here) in enumerate(zip(frame_lengths_B.tolist(), label_lengths_B.tolist(),
                                                         strict=True)):
        if not 1 <= frames_here <= frames:
            raise _misfit(f"frame_lengths[{row}]", f"be from 1 to the {frames} frames given", frames_here)
        if not 0 <= labels_here <= positions - 1:
            raise _misfit(f"label_lengths[{row}]", f"be from 0 to the {positions - 1} labels given", labels_here)


def _check_labels(labels_BU: Tensor, label_lengths_B: Tensor, vocabulary: int, blank: int) -> None:
    places_U = torch.arange(labels_BU.shape[1], device=labels_BU.device)
    inside_BU = places_U < label_lengths_B[:, None].to(labels_BU.device)
    wrong_BU = inside_BU & ((labels_BU < 0) | (labels_BU >= vocabulary) | (labels_BU == blank))
    if wrong_BU.any():
        row, place = wrong_BU.nonzero()[0].tolist()
        raise _misfit(f"labels[{row}, {place}]", f"be from 0 to {vocabulary - 1} and not blank ({blank})",
                      int(labels_BU[row, place]))


def _check_timing(timing: Timing, label_lengths_B: Tensor, shape: tuple[int, ...]) -> None:
    due_BU = timing.due_BU
    if tuple(due_BU.shape) != shape:
        raise _misfit("timing.due", f"have shape {shape}, as the other tensors demand", tuple(due_BU.shape))
    if not due_BU.is_floating_point():
        raise _misfit("timing.due", "be floating-point numbers", due_BU.dtype)
    for name, value in (("late", timing.late), ("early", timing.early), ("buffer", timing.buffer)):
        if not (math.isfinite(value) and value >= 0):
            raise _misfit(f"timing.{name}", "be finite and at least 0", value)
    places_U = torch.arange(shape[1], device=due_BU.device)
    wrong_BU = due_BU.isinf() & (places_U < label_lengths_B[:, None].to(due_BU.device))
    if wrong_BU.any():
        row, place = wrong_BU.nonzero()[0].tolist()
        raise _misfit(f"timing.due[{row}, {place}]", "be a finite frame, or NaN where the label is not timed",
                      float(due_BU[row, place]))


def _misfit(name: str, rule: str, value: object) -> ShapeError:
    return ShapeError(name=f"rnnt: {name}", rule=rule, value=value,
                      action="Correct the batch before it reaches the loss.")
