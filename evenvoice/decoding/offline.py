"""Whole recordings through a search, those of like length together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from evenvoice.data.lengths import stepped
from evenvoice.decoding.search import Hypothesis, Search
from evenvoice.models.padding import pad_features
from evenvoice.progress import Progress

if TYPE_CHECKING:
    from evenvoice.decoding.work import WorkMeter
    from evenvoice.models.recogniser import Recogniser


def decode_recordings(search: Search[Any], recogniser: Recogniser, features: Sequence[NDArray[np.floating]], *,
                      batch_s: float = 600.0, progress: Progress | None = None,
                      cohorts: Sequence[int] | None = None,
                      meter: WorkMeter | None = None) -> list[list[Hypothesis]]:
    """Return the hypotheses of each recording, the most probable first.

    Args:
        search: over ``recogniser.transducer``.
        recogniser: decodes on the device on which its weights are.
        features: (frames, n_mels) log-mel features of each recording.
        batch_s: seconds of speech decoded together, padding included.
        progress: advanced by the recordings of each batch.
        cohorts: number of the cohort of each recording's speaker, for a model with a cohort input.
        meter: told what an encoder with gates did on each recording.
    """
    transducer = recogniser.transducer
    fill_M, device = transducer.mean_M.cpu().numpy(), transducer.mean_M.device
    found: list[list[Hypothesis]] = [[] for _ in features]
    for batch in _batches([len(recording) for recording in features], recogniser.frames_in(batch_s)):
        padded = pad_features([features[i] for i in batch], fill_M=fill_M,
                              least_frames=transducer.encoder.subsampling,
                              padded_frames=stepped(len(features[batch[0]])))
        cohorts_B = None if cohorts is None else torch.tensor([cohorts[i] for i in batch])
        with nullcontext() if meter is None else meter.reading(batch, padded, transducer):
            state = search.step(padded.features_BTM.to(device), search.initial_state(len(batch), cohorts_B),
                                padded.frame_lengths_B)
            of_batch = search.finish(state)
        for i, hypotheses in zip(batch, of_batch, strict=True):
            found[i] = hypotheses
        if progress is not None:
            progress.advance(len(batch))
    return found


def _batches(frames: Sequence[int], limit: int) -> Iterator[list[int]]:
    """Longest first, as many together as fit ``limit`` frames with their padding, but at least one."""
    order = sorted(range(len(frames)), key=lambda i: -frames[i])
    start = 0
    while start < len(order):
        size = max(1, limit // max(1, stepped(frames[order[start]])))
        yield order[start:start + size]
        start += size
