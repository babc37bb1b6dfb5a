"""A band of label positions around the likely alignments, found by a first pass that has no joiner.

Tensor names: B utterance, T frame, U label, P label position (U + 1), V vocabulary.

The idea of F. Kuang et al., "Pruned RNN-T for fast, memory-efficient ASR training", 2022 (arXiv 2206.13236): logits
that are a sum of one term per frame and one per label position,

    log p(v | t, p) = frame[t, v] + label[p, v] - log sum_v' exp(frame[t, v']) exp(label[p, v']),

need no (T, P, V) tensor, as their normalisers are a matrix product. Their lattice tells in each frame which positions
matter, and the joiner is asked only there. The first pass learns by a loss of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from evenvoice.losses.transducer.lattice import NEVER, ArcLoss, Arcs, Lengths, delayed
from evenvoice.losses.transducer.timing import Timing, priced
from evenvoice.losses.transducer.windows import Windows


@dataclass(frozen=True, kw_only=True)
class Band:
    """Scores of the first pass, and what is made of them."""

    frame_BTV: Tensor
    """Encoder frames projected to the vocabulary."""
    label_BPV: Tensor
    """Predictions projected to the vocabulary."""
    width: int
    """Label positions per frame, at least 2; more where an utterance has too few frames for its labels otherwise."""
    weight: float = 0.5
    """Of the first pass's loss beside the joiner's."""

    def first_pass(self, next_BP: Tensor, lengths: Lengths, blank: int, fastemit: float,
                   delay_penalty: float, timing: Timing | None) -> tuple[Tensor, Windows]:
        """Losses (B,) of the first pass, and the windows that hold most of its alignments."""
        arcs = delayed(self._arcs(next_BP, lengths, blank), lengths, delay_penalty)
        if timing is not None:
            arcs = priced(arcs, timing)
        label_BTP = arcs.label_BTP
        if fastemit:  # the value stays, its gradient grows; of -inf nothing can be subtracted
            label_BTP = torch.where(label_BTP > NEVER, (1 + fastemit) * label_BTP - fastemit * label_BTP.detach(),
                                    label_BTP)
        losses_B, *shares = ArcLoss.apply(arcs.blank_BTP, label_BTP, lengths)  # type: ignore[no-untyped-call]
        return losses_B, connected(shares[0] + shares[1], lengths, self.width)

    def _arcs(self, next_BP: Tensor, lengths: Lengths, blank: int) -> Arcs:
        frames, positions = self.frame_BTV.shape[1], self.label_BPV.shape[1]
        kind = torch.float64 if self.frame_BTV.dtype == torch.float64 else torch.float32
        frame_BTV = torch.where(lengths.real_frames(frames)[:, :, None], self.frame_BTV.to(kind), 0)
        label_BPV = torch.where(lengths.real_positions(positions)[:, :, None], self.label_BPV.to(kind), 0)
        normaliser_BTP = _normaliser(frame_BTV, label_BPV)
        of_frame_BTP = frame_BTV.gather(2, next_BP[:, None].expand(-1, frames, -1))
        of_label_BP = label_BPV.gather(2, next_BP[:, :, None])[..., 0]
        return Arcs(frame_BTV[:, :, None, blank] + label_BPV[:, None, :, blank] - normaliser_BTP,
                    of_frame_BTP + of_label_BP[:, None] - normaliser_BTP)


def _normaliser(frame_BTV: Tensor, label_BPV: Tensor) -> Tensor:
    """Logarithm of the sum over the vocabulary of exp(frame + label), (B, T, P)."""
    frame_top_BT1, label_top_BP1 = frame_BTV.detach().amax(2, keepdim=True), label_BPV.detach().amax(2, keepdim=True)
    products_BTP = (frame_BTV - frame_top_BT1).exp() @ (label_BPV - label_top_BP1).exp().mT
    least = torch.finfo(products_BTP.dtype).tiny  # frames and labels may agree on nothing that float32 can show
    return (products_BTP + least).log() + frame_top_BT1 + label_top_BP1.mT


def connected(share_BTP: Tensor, lengths: Lengths, width: int) -> Windows:
    """Per frame the window of ``width`` positions with the largest share, moved so that a path leads through all.

    Windows begin at position 0, end at the last one, never move back, and share a position with the next one.
    """
    frames, positions = share_BTP.shape[1:]
    needed_B = torch.div(lengths.labels_B + lengths.frames_B - 1, lengths.frames_B, rounding_mode="floor") + 1
    width_B1 = torch.minimum(needed_B.clamp(min=width), lengths.labels_B + 1)[:, None]
    times_T, places_P = (torch.arange(size, device=share_BTP.device) for size in (frames, positions))
    summed_BTQ = torch.nn.functional.pad(share_BTP.cumsum(2), (1, 0))
    ends_BTP = (places_P + width_B1).clamp(max=positions)[:, None].expand(-1, frames, -1)
    best_BT = (summed_BTQ.gather(2, ends_BTP) - summed_BTQ[..., :-1]).argmax(2)
    last_B1 = lengths.labels_B[:, None] + 1 - width_B1
    best_BT = torch.minimum(best_BT, last_B1)
    best_BT = torch.where(times_T >= lengths.frames_B[:, None] - 1, last_B1, best_BT)
    monotone_BT = _least_from_here(best_BT)
    slack_BT = _least_from_here((width_B1 - 1) * times_T - monotone_BT).clamp(min=0)
    first_BT = (width_B1 - 1) * times_T - slack_BT
    return Windows(first_BT, width_B1 * lengths.real_frames(frames), positions, exact=True)


def _least_from_here(values_BT: Tensor) -> Tensor:
    return values_BT.flip(1).cummin(1).values.flip(1)
