# mypy: disable-error-code="no-untyped-call, no-untyped-def, untyped-decorator"
"""The alignment lattice as two Triton kernels: one launch walks both directions, one turns them into shares.

Tensor names: B utterance, T frame, P label position. The recursion is that of evenvoice/losses/transducer/lattice.py,
which starts two operations for each anti-diagonal; here a diagonal is a turn of a loop. A lane is a label position, so
a diagonal is a vector: what blank brings stays in its lane, what a label brings comes from the lane before.

Seen from its end, a lattice is one whose nodes count backwards, so both directions are one program that reads other
addresses: the blank arc that enters node (t, p) starts at (t - 1, p), or, turned, at (T - t, U - p) of the lattice.
"""

from __future__ import annotations

import torch
import triton  # type: ignore[import-not-found, import-untyped, unused-ignore]
import triton.language as tl  # type: ignore[import-not-found, import-untyped, unused-ignore]
from torch import Tensor

from evenvoice.losses.transducer.lattice import Arcs, Lengths

LANES_PER_WARP = 128
"""Four positions for each thread: up to here a diagonal moves on inside one warp, without a barrier."""
MOST_WARPS = 16
NODES_PER_PROGRAM = 512
"""Of the second kernel."""


@triton.jit
def _log_sum(one, other):
    """Logarithm of exp(one) + exp(other); -inf of two -inf, and not a number if either is none."""
    low = tl.where(one > other, other, one)
    high = tl.where(one > other, one, other)
    return tl.where(low == float("-inf"), high, high + tl.log(1.0 + tl.exp(low - high)))


@triton.jit
def _label_arc(label_ptr, place, real, frames, frame, PENALTY: tl.constexpr):
    """Log-probability of a label arc, with what delay takes from it."""
    arc = tl.load(label_ptr + place, mask=real, other=float("-inf")).to(tl.float64)
    return arc + PENALTY * (0.5 * (frames - 1 - 2 * frame).to(tl.float64))


@triton.jit
def _entering(blank_ptr, label_ptr, diagonal, position, frames, labels, positions, turned, PENALTY: tl.constexpr):
    """Arcs that enter the nodes of a diagonal; -inf where the lattice has none."""
    frame = diagonal - position
    blank_frame = tl.where(turned, frames - frame, frame - 1)
    label_frame = tl.where(turned, frames - frame, frame)
    blank_place = tl.where(turned, labels - position, position)
    label_place = tl.where(turned, labels - position, position - 1)
    has_blank = (blank_frame >= 0) & (blank_frame < frames) & (blank_place >= 0) & (blank_place <= labels)
    has_label = (label_frame >= 0) & (label_frame < frames) & (label_place >= 0) & (label_place < labels)
    blank = tl.load(blank_ptr + blank_frame * positions + blank_place, mask=has_blank, other=float("-inf"))
    label = _label_arc(label_ptr, label_frame * positions + label_place, has_label, frames, label_frame, PENALTY)
    return blank.to(tl.float64), label


@triton.jit
def _walk(blank_ptr, label_ptr, frames_ptr, labels_ptr, reached_ptr, likelihood_ptr, most_frames, positions,
          PENALTY: tl.constexpr, LANES: tl.constexpr):
    """Log-probability of reaching each node from the start (program 0 of the second axis) and from the end (1)."""
    row = tl.program_id(0).to(tl.int64)
    direction = tl.program_id(1)
    turned = direction == 1
    frames = tl.load(frames_ptr + row).to(tl.int32)
    labels = tl.load(labels_ptr + row).to(tl.int32)
    blank_ptr += row * most_frames * positions
    label_ptr += row * most_frames * positions
    reached_ptr += (direction * tl.num_programs(0) + row) * (most_frames + 1) * positions
    position = tl.arange(0, LANES)
    own_place = tl.where(turned, labels - position, position)
    value = tl.where(position == 0, 0.0, float("-inf")).to(tl.float64)
    tl.store(reached_ptr + tl.where(turned, frames * positions + labels, 0) + position, value, mask=position == 0)
    blank, label = _entering(blank_ptr, label_ptr, 1, position, frames, labels, positions, turned, PENALTY)
    for diagonal in range(1, frames + labels + 1):
        # asked for before they are needed: memory takes as long as the rest of a turn
        blank_after, label_after = _entering(blank_ptr, label_ptr, diagonal + 1, position, frames, labels, positions,
                                             turned, PENALTY)
        before = tl.gather(value, tl.maximum(position - 1, 0), 0)
        value = _log_sum(value + blank, before + label)
        frame = diagonal - position
        inside = (frame >= 0) & (frame <= frames) & (position <= labels)
        own_frame = tl.where(turned, frames - frame, frame)
        tl.store(reached_ptr + own_frame * positions + own_place, value, mask=inside)
        blank, label = blank_after, label_after
    end = tl.sum(tl.where(position == labels, value, 0.0), axis=0)
    tl.store(likelihood_ptr + row, end, mask=direction == 0)


@triton.jit
def _share(blank_ptr, label_ptr, frames_ptr, labels_ptr, reached_ptr, likelihood_ptr, blank_share_ptr, label_share_ptr,
           most_frames, positions, PENALTY: tl.constexpr, NODES: tl.constexpr):
    """Share of the likelihood that passes through each arc."""
    row = tl.program_id(0).to(tl.int64)
    frames = tl.load(frames_ptr + row).to(tl.int32)
    labels = tl.load(labels_ptr + row).to(tl.int32)
    likelihood = tl.load(likelihood_ptr + row)
    node = tl.program_id(1) * NODES + tl.arange(0, NODES)
    frame, position = node // positions, node % positions
    real = (frame < frames) & (position <= labels)
    more = (frame < frames) & (position < labels)
    first = row * most_frames * positions
    alpha_ptr = reached_ptr + row * (most_frames + 1) * positions
    beta_ptr = reached_ptr + (tl.num_programs(0) + row) * (most_frames + 1) * positions
    alpha = tl.load(alpha_ptr + node, mask=real, other=float("-inf"))
    # -inf less -inf would be no number, where no alignment is possible and each share is 0
    before = alpha - tl.where(likelihood == float("-inf"), 0.0, likelihood)
    blank = tl.load(blank_ptr + first + node, mask=real, other=float("-inf")).to(tl.float64)
    label = _label_arc(label_ptr + first, node, more, frames, frame, PENALTY)
    by_blank = before + blank + tl.load(beta_ptr + node + positions, mask=real, other=float("-inf"))
    by_label = before + label + tl.load(beta_ptr + node + 1, mask=more, other=float("-inf"))
    within = node < most_frames * positions
    tl.store(blank_share_ptr + first + node, tl.where(real, tl.exp(by_blank), 0.0), mask=within)
    tl.store(label_share_ptr + first + node, tl.where(more, tl.exp(by_label), 0.0), mask=within)


def align(arcs: Arcs, lengths: Lengths, penalty: float) -> tuple[Tensor, Arcs]:
    """Log-likelihood (B,) of each utterance and the share of it that passes through each arc, in float64.

    Args:
        arcs: log-probabilities of any floating type; what lies beyond an utterance's lengths is not read.
        lengths: of the utterances, on the same device.
        penalty: nats by which a label gets less likely with every frame of delay.
    """
    blank_BTP, label_BTP = (arc.contiguous() for arc in arcs)
    batch, frames, positions = blank_BTP.shape
    reached = blank_BTP.new_empty((2, batch, frames + 1, positions), dtype=torch.float64)
    likelihood_B = reached.new_empty(batch)
    shares = Arcs(*(reached.new_empty((batch, frames, positions)) for _ in range(2)))
    inputs = (blank_BTP, label_BTP, lengths.frames_B, lengths.labels_B, reached, likelihood_B)
    lanes = triton.next_power_of_2(positions)
    _walk[batch, 2](*inputs, frames, positions, PENALTY=penalty, LANES=lanes,
                    num_warps=min(max(1, lanes // LANES_PER_WARP), MOST_WARPS))
    programs = triton.cdiv(frames * positions, NODES_PER_PROGRAM)
    _share[batch, programs](*inputs, *shares, frames, positions, PENALTY=penalty, NODES=NODES_PER_PROGRAM)
    return likelihood_B, shares
