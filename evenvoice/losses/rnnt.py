"""Transducer (RNN-T) loss of a joiner: the negative log-likelihood of labels, summed over all their alignments.

Tensor names: B utterance, T frame, U label, P label position (U + 1: at position p, p labels are out), J joiner
channel, V vocabulary.

Joiner, log-softmax and loss are one function to autograd. Forward keeps three numbers for each node of the lattice
(log-probabilities of blank and of the next label, and the normaliser); the (B, T, P, V) logits go through buffers and
come again in the backward pass, with the derivative

    d loss / d logit_v = (blank + label) * softmax_v - [v is blank] * blank - [v is the label] * label

where ``blank`` and ``label`` are the shares of the likelihood that pass through a node's two arcs. Most nodes have no
share worth a matrix product: the backward pass looks at a window of positions in each frame that holds all of the
frame's share but half a unit in its last place (float32: 6e-8 of it).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from evenvoice.losses.transducer.band import Band
from evenvoice.losses.transducer.fit import check_band, check_fit
from evenvoice.losses.transducer.lattice import Arcs, Lengths, alignments
from evenvoice.losses.transducer.products import Precision, choice
from evenvoice.losses.transducer.scoring import Emitted, Joint, derivatives, scores
from evenvoice.losses.transducer.timing import Timing, priced
from evenvoice.losses.transducer.windows import Windows


def rnnt(frame_BTJ: Tensor, label_BPJ: Tensor, weight_VJ: Tensor, bias_V: Tensor, labels_BU: Tensor,
         frame_lengths_B: Tensor, label_lengths_B: Tensor, *, blank: int = 0, fastemit: float = 0.0,
         delay_penalty: float = 0.0, timing: Timing | None = None, band: Band | None = None) -> Tensor:
    """Negative log-likelihood, in nats, of each utterance's labels under logits W tanh(frame + label) + b.

    Args:
        frame_BTJ: (B, T, J) projected encoder frames. float64 is computed in float64, all else in float32.
        label_BPJ: (B, U + 1, J) projected predictions, the first of them from no label at all.
        weight_VJ: (V, J) output weight.
        bias_V: (V,) output bias.
        labels_BU: (B, U) integer labels, never ``blank``. What stands beyond an utterance's lengths is not read, here
            as in the projections.
        frame_lengths_B: (B,) frames of each utterance, at least 1.
        label_lengths_B: (B,) labels of each utterance; 0 is an empty target. A frame may emit any number of labels,
            so there may be more labels than frames.
        blank: index of blank in the vocabulary.
        fastemit: lambda of FastEmit (J. Yu et al. 2021, arXiv 2010.11148): label arcs' gradients, not the loss, are
            multiplied by 1 + lambda.
        delay_penalty: nats by which a label gets less likely with every frame of delay (arXiv 2211.00490).
        timing: when some labels are due, such as the end of a turn, and nats by which they get less likely in other
            frames (arXiv 2205.05199).
        band: evaluate the joiner only in a band of label positions around the alignments of a simpler first pass,
            whose loss is added.

    Returns:
        (B,) losses, differentiable once with respect to projections, weight and bias.

    Raises:
        ShapeError: shapes, lengths or labels that do not fit one another, or a timing without meaning.
    """
    check_fit(frame_BTJ, label_BPJ, weight_VJ, bias_V, labels_BU, frame_lengths_B, label_lengths_B, blank, timing)
    kind = torch.float64 if frame_BTJ.dtype == torch.float64 else torch.float32
    device, (frames, positions) = frame_BTJ.device, (frame_BTJ.shape[1], label_BPJ.shape[1])
    lengths = Lengths(frame_lengths_B.to(device), label_lengths_B.to(device))
    emission = _Emission(lengths, _next_labels(labels_BU.to(device), lengths, blank), blank, fastemit, delay_penalty,
                         timing)
    with torch.autocast(device.type, enabled=False):
        joint = _joint(frame_BTJ, label_BPJ, weight_VJ, bias_V, lengths, kind)
        if band is None:
            return _fused(joint, emission, Windows.all(lengths, frames, positions), _precision(joint))
        check_band(band, (len(frame_BTJ), frames, positions, len(weight_VJ)))
        first_B, windows = band.first_pass(emission.next_BP, lengths, blank, fastemit, delay_penalty, timing)
        return _fused(joint, emission, windows, _precision(joint)) + band.weight * first_B.to(kind)


class _Emission(NamedTuple):
    """What is emitted, and what is wished of it."""

    lengths: Lengths
    next_BP: Tensor
    blank: int
    fastemit: float
    delay_penalty: float
    timing: Timing | None


def _joint(frame_BTJ: Tensor, label_BPJ: Tensor, weight_VJ: Tensor, bias_V: Tensor, lengths: Lengths,
           kind: torch.dtype) -> Joint:
    """What logits are made of; zeros where blocks may reach into padding, which frames never do."""
    real_BP1 = lengths.real_positions(label_BPJ.shape[1])[:, :, None]
    return Joint(frame_BTJ.to(kind).flatten(0, 1), torch.where(real_BP1, label_BPJ.to(kind), 0).flatten(0, 1),
                 weight_VJ.to(kind), bias_V.to(kind))


def _next_labels(labels_BU: Tensor, lengths: Lengths, blank: int) -> Tensor:
    """The label that follows each position, (B, P); blank where none does."""
    places_U = torch.arange(labels_BU.shape[1], device=labels_BU.device)
    known_BU = torch.where(places_U < lengths.labels_B[:, None], labels_BU.long(), blank)
    return torch.nn.functional.pad(known_BU, (0, 1), value=blank)


def _fused(joint: Joint, emission: _Emission, windows: Windows, precision: Precision) -> Tensor:
    losses_B: Tensor = _Fused.apply(*joint, emission, windows, precision)  # type: ignore[no-untyped-call]
    return losses_B


class _Fused(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, frame_FJ: Tensor, position_PJ: Tensor, weight_VJ: Tensor, bias_V: Tensor,
                emission: _Emission, windows: Windows, precision: Precision) -> Tensor:
        joint, emitted = Joint(frame_FJ, position_PJ, weight_VJ, bias_V), _emitted(emission)
        found = scores(joint, emitted, windows, precision)
        arcs = found.arcs if emission.timing is None else priced(found.arcs, emission.timing)
        likelihood_B, shares = alignments(arcs, emission.lengths, emission.delay_penalty)
        pulls = Arcs(shares.blank_BTP, shares.label_BTP * (1 + emission.fastemit))
        ctx.save_for_backward(*joint, found.normaliser_BTP, *pulls)
        ctx.emitted, ctx.precision = emitted, precision
        return -likelihood_B.to(frame_FJ.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient_B: Tensor) -> tuple[Tensor | None, ...]:
        *joint, normaliser_BTP, blank_BTP, label_BTP = ctx.saved_tensors
        windows = Windows.holding(blank_BTP + label_BTP, torch.finfo(normaliser_BTP.dtype).eps / 2)
        weights = Arcs(*(-(gradient_B[:, None, None] * share).to(normaliser_BTP) for share in (blank_BTP, label_BTP)))
        gradient = derivatives(Joint(*joint), ctx.emitted, windows, ctx.precision, normaliser_BTP, weights)
        return *gradient, None, None, None


def _precision(joint: Joint) -> Precision:
    """Of matrix products: plain, but on a GPU that was seen to do well with less."""
    if joint.frame_FJ.device.type != "cuda" or joint.frame_FJ.dtype == torch.float64:
        return "plain"
    return choice(joint.frame_FJ.device, lambda precision: _trial(joint.frame_FJ.device, precision))


def _trial(device: torch.device, precision: Precision) -> tuple[Tensor, ...]:
    """Gradients of two utterances of 50 frames and 20 labels, spread as in an untrained model."""
    frames, labels, width, vocabulary = 50, 20, 256, 128
    generator = torch.Generator().manual_seed(0)
    shapes = (2 * frames, width), (2 * (labels + 1), width), (vocabulary, width), (vocabulary,)
    drawn = (torch.randn(shape, generator=generator).to(device) for shape in shapes)
    joint = Joint(*(tensor.mul_(scale).requires_grad_()
                    for tensor, scale in zip(drawn, (0.5, 0.5, width**-0.5, width**-0.5), strict=True)))
    lengths = Lengths(*(torch.full((2,), length, device=device) for length in (frames, labels)))
    targets_BU = torch.randint(1, vocabulary, (2, labels), generator=generator).to(device)
    emission = _Emission(lengths, _next_labels(targets_BU, lengths, 0), 0, 0.0, 0.0, None)
    with torch.enable_grad():
        losses_B = _fused(joint, emission, Windows.all(lengths, frames, labels + 1), precision)
        return torch.autograd.grad(losses_B.sum(), joint)


def _emitted(emission: _Emission) -> Emitted:
    return Emitted(emission.blank, emission.next_BP.flatten())
