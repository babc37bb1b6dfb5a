"""Which nodes of a lattice to look at: per frame a window of label positions, and blocks of frames to compute at once.

Tensor names: B utterance, T frame, P label position, F frame of a block, W position of a window.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from evenvoice.losses.transducer.lattice import Lengths


class Block(NamedTuple):
    """Frames with windows of one width, as rows of flattened tensors."""

    frame_F: Tensor
    """Rows of (B * T)."""
    position_FW: Tensor
    """Rows of (B * P)."""
    node_FW: Tensor
    """Rows of (B * T * P)."""


@dataclass(frozen=True)
class Windows:
    """Label positions to look at in every frame."""

    first_BT: Tensor
    """First position of each window."""
    width_BT: Tensor
    """Positions in each window; 0 skips the frame."""
    positions: int
    """P, all label positions of the lattice."""
    exact: bool = False
    """Whether nothing outside may be looked at, as where a band is meant to leave nodes out."""

    @staticmethod
    def all(lengths: Lengths, frames: int, positions: int) -> Windows:
        """Every node of every utterance."""
        width_BT = lengths.real_frames(frames) * (lengths.labels_B[:, None] + 1)
        return Windows(torch.zeros_like(width_BT), width_BT, positions)

    @staticmethod
    def holding(share_BTP: Tensor, missing: float) -> Windows:
        """The narrowest windows that miss at most ``missing`` of each frame's share of the alignments, half each side.

        What is not a number is held, so that it shows.
        """
        bound_BT1 = share_BTP.sum(2, keepdim=True) * (missing / 2)
        first_BT = (share_BTP.cumsum(2) <= bound_BT1).sum(2)
        behind_BT = (share_BTP.flip(2).cumsum(2) <= bound_BT1).sum(2)
        positions = share_BTP.shape[2]
        return Windows(first_BT, (positions - behind_BT - first_BT).clamp(min=0), positions)

    def blocks(self, nodes: int) -> Iterator[Block]:
        """Blocks of about so many nodes, or of one frame where even that has more.

        Neighbours in a block get the widest window among them, unless windows are exact; so a block may reach beyond
        narrower ones.
        """
        frame_F = self.width_BT.flatten().nonzero()[:, 0]
        first_F = self.first_BT.flatten()[frame_F]
        utterance_F = torch.div(frame_F, self.width_BT.shape[1], rounding_mode="floor")
        for begin, end, width in _runs(self.width_BT.flatten()[frame_F].tolist(), nodes, exact=self.exact):
            position_FW = (first_F[begin:end, None].clamp(max=self.positions - width)
                           + torch.arange(width, device=frame_F.device))
            yield Block(frame_F[begin:end], position_FW + utterance_F[begin:end, None] * self.positions,
                        position_FW + frame_F[begin:end, None] * self.positions)


def _runs(widths: list[int], nodes: int, *, exact: bool) -> Iterator[tuple[int, int, int]]:
    """Begin, end and largest width of runs of frames that make up to so many nodes."""
    begin, widest = 0, 0
    for place, width in enumerate(widths):
        full = max(widest, width) * (place + 1 - begin) > nodes
        if begin < place and (full or (exact and width != widest)):
            yield begin, place, widest
            begin, widest = place, 0
        widest = max(widest, width)
    if widths:
        yield begin, len(widths), widest
