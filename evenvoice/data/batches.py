"""Batches of recordings of similar length: little padding, a new order every epoch, exact resumption.

Sizes are counted in feature frames with padding, recordings times the longest of them, since that is what a batch
costs in time and memory.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypedDict, overload

import numpy as np
from numpy.typing import NDArray

from evenvoice.errors import ParamsError, ShapeError

Indices = NDArray[np.int64]
Frames = NDArray[np.integer[Any]]

LENGTH_JITTER = 0.02
"""Lengths are blurred by up to this share, either way, before sorting: who shares a batch changes every epoch, while
padding stays under two jitters as long as neighbours in length are plenty."""
LOOKED_AT: Final = 65536
"""Recordings whose lengths are plain numbers at a time: each takes several times as much memory as in an array."""


def bucketed_batches(frames: Frames, indices: Indices, frames_per_batch: int, rng: np.random.Generator,
                     draw_weights: NDArray[np.float64] | None = None) -> Iterator[Indices]:
    """One epoch of batches, in random order.

    Args:
        frames: (recordings,) feature frames of every recording.
        indices: recordings to draw from.
        frames_per_batch: largest padded size of a batch.
        rng: the only source of randomness.
        draw_weights: how often each of ``indices`` is drawn, in expectation; a fraction is rounded up or down at
            random. Without it each is drawn exactly once.

    Returns:
        Iterator over (count,) recordings of one batch.

    Raises:
        ParamsError: a recording alone is larger than a batch.
        ShapeError: weights that do not fit the indices, negative or not finite.
    """
    return iter(_epoch(frames, indices, frames_per_batch, rng, draw_weights))


class Epoch(Sequence[Indices]):
    """Batches in the order in which they are drawn.

    Args:
        recordings: those that lie in one batch stand side by side.
        starts: (batches + 1,) places where batches begin, and the end.
        order: (batches,) numbers of batches.
    """

    def __init__(self, recordings: Indices, starts: Indices, order: Indices) -> None:
        self._recordings, self._starts, self._order = recordings, starts, order

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, place: int) -> Indices: ...

    @overload
    def __getitem__(self, place: slice) -> Epoch: ...

    def __getitem__(self, place: int | slice) -> Indices | Epoch:
        if isinstance(place, slice):
            return Epoch(self._recordings, self._starts, self._order[place])
        batch = int(self._order[place])
        return self._recordings[self._starts[batch]:self._starts[batch + 1]]


def _epoch(frames: Frames, indices: Indices, frames_per_batch: int, rng: np.random.Generator,
           draw_weights: NDArray[np.float64] | None, groups: Indices | None = None) -> Epoch:
    _check_fit(frames, indices, frames_per_batch)
    places = None if draw_weights is None else _drawn(indices, draw_weights, rng)
    drawn = indices if places is None else indices[places]
    key = rng.uniform(1 - LENGTH_JITTER, 1 + LENGTH_JITTER, len(drawn))
    key *= frames[drawn]
    if groups is not None:
        key = _quantiles(key, groups if places is None else groups[places])
    ordered = drawn[np.argsort(key, kind="stable")]
    del key
    starts = _starts(frames, ordered, frames_per_batch)
    return Epoch(ordered, starts, rng.permutation(len(starts) - 1))


def _quantiles(values: NDArray[np.float64], groups: Indices) -> NDArray[np.float64]:
    """Place of each value among those of its group, between 0 and 1: in this order groups are mixed evenly."""
    quantiles = np.empty(len(values))
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        quantiles[members[np.argsort(values[members], kind="stable")]] = (np.arange(len(members)) + 0.5) / len(members)
    return quantiles


def _drawn(indices: Indices, draw_weights: NDArray[np.float64], rng: np.random.Generator) -> Indices:
    """Places in ``indices``, each as often as it is drawn."""
    if draw_weights.shape != indices.shape or not (np.isfinite(draw_weights) & (draw_weights >= 0)).all():
        raise ShapeError(name="draw_weights", rule=f"be {len(indices)} finite numbers of at least 0, one per index",
                         value=f"shape {draw_weights.shape}", action="Weight exactly the recordings that are drawn.")
    return np.repeat(np.arange(len(indices)), np.floor(draw_weights + rng.random(len(indices))).astype(np.int64))


def _starts(frames: Frames, ordered: Indices, frames_per_batch: int) -> Indices:
    """Places in ``ordered`` where batches begin that are as full as can be, and the end."""
    starts = array("q", [0] if len(ordered) else [])
    start, longest = 0, 0
    for block in range(0, len(ordered), LOOKED_AT):
        for stop, length in enumerate(frames[ordered[block:block + LOOKED_AT]].tolist(), start=block):
            longest = max(longest, length)
            if longest * (stop - start + 1) > frames_per_batch:
                starts.append(stop)
                start, longest = stop, length
    starts.append(len(ordered))
    return np.frombuffer(starts, np.int64)


def _check_fit(frames: Frames, indices: Indices, frames_per_batch: int) -> None:
    longest = int(frames[indices].max(initial=0))
    if longest > frames_per_batch:
        raise ParamsError(name="batch_s", rule=f"hold the longest recording ({longest} frames)",
                          value=f"{frames_per_batch} frames",
                          action="Raise batch_s of this stage, or lower ingest.max_duration_s.")


class BatchStreamState(TypedDict):
    """Where a :class:`BatchStream` stands; plain numbers, so it goes into a checkpoint as it is."""

    epoch: int
    position: int


@dataclass(frozen=True)
class BatchPlan:
    """What a :class:`BatchStream` draws, and how; see :func:`bucketed_batches`.

    Attributes:
        groups: one for each index; every batch then holds the groups in the proportion in which they are drawn, and a
            little more padding.
    """

    frames: Frames
    indices: Indices
    frames_per_batch: int
    seed: int
    draw_weights: NDArray[np.float64] | None = None
    groups: Indices | None = None

    def epoch(self, number: int) -> Epoch:
        """Batches of one epoch; depends on the seed and the number alone."""
        rng = np.random.default_rng([self.seed, number])
        return _epoch(self.frames, self.indices, self.frames_per_batch, rng, self.draw_weights, self.groups)


class BatchStream:
    """Endless batches, epoch after epoch, of one of ``world`` processes that train together.

    Every process walks the same order and takes each ``world``-th batch, so that all of them make the same number of
    steps; where an epoch's last round is short of batches it is filled up with that epoch's first ones. An epoch
    depends on (seed, epoch) alone: resuming costs the same wherever training stopped.

    Raises:
        ShapeError: nothing to draw from, or a rank outside the world.
    """

    def __init__(self, plan: BatchPlan, *, rank: int = 0, world: int = 1) -> None:
        if len(plan.indices) == 0 or (plan.draw_weights is not None and not plan.draw_weights.any()):
            raise ShapeError(name="batches", rule="have recordings to draw from", value="none",
                             action="Check that the train split is not empty.")
        if not 0 <= rank < world:
            raise ShapeError(name="rank", rule=f"be from 0 to {world - 1}", value=rank,
                             action="Start every process with its own rank.")
        self._plan = plan
        self._rank, self._world = rank, world
        self._enter(0, position=0)

    def __iter__(self) -> Iterator[Indices]:
        return self

    def __next__(self) -> Indices:
        while self._position >= len(self._batches):
            self._enter(self._epoch + 1, position=0)
        batch = self._batches[(self._position + self._rank) % len(self._batches)]
        self._position += self._world
        return batch

    def state_dict(self) -> BatchStreamState:
        """Epoch, and batches of it that all processes together have taken."""
        return {"epoch": self._epoch, "position": self._position}

    def load_state_dict(self, state: BatchStreamState) -> None:
        """Go on exactly where ``state`` was taken."""
        self._enter(state["epoch"], state["position"])

    def _enter(self, epoch: int, position: int) -> None:
        self._epoch, self._position = epoch, position
        self._batches: Sequence[Indices] = ()  # two epochs at once would take twice the memory
        self._batches = self._plan.epoch(epoch)
