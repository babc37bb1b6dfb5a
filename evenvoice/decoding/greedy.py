"""Greedy transducer search, many utterances at a time; chunk by chunk it hears what it hears in the whole.

Tensor names: B utterance, T frame, M mel band, J joiner channel, N decision.

Frame by frame each utterance takes its best label until that is blank, at most ``max_symbols_per_frame`` times. The
utterances of a batch share each decision's matrix products; those that are done with a frame wait for the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evenvoice.models.padding import pad_features
from evenvoice.models.predictor import PredictorState
from evenvoice.models.transducer import BLANK, Transducer
from evenvoice.progress import Progress

if TYPE_CHECKING:
    from evenvoice.models.recogniser import Recogniser


@dataclass(frozen=True)
class DecoderState:
    """What is remembered of each utterance between chunks."""

    encoder: Any
    predictor: PredictorState
    label_BJ: Tensor
    """The joiner's projection of what the labels so far predict."""


class GreedyDecoder:
    """Decodes a batch of streams that advance together.

    Args:
        transducer: the model, in evaluation mode.
        max_symbols_per_frame: labels that one encoder frame may emit.
    """

    def __init__(self, transducer: Transducer, max_symbols_per_frame: int) -> None:
        self._transducer = transducer
        self._limit = max_symbols_per_frame

    @torch.inference_mode()
    def initial_state(self, batch: int) -> DecoderState:
        """Return the state before the first chunk."""
        blanks_B = torch.full((batch,), BLANK, device=self._transducer.mean_M.device)
        return self._after(blanks_B, DecoderState(
            encoder=self._transducer.encoder.initial_state(batch),
            predictor=self._transducer.predictor.initial_state(batch),
            label_BJ=torch.empty(0)))

    @torch.inference_mode()
    def step(self, chunk_BTM: Tensor, state: DecoderState,
             frame_lengths_B: Tensor | None = None) -> tuple[list[list[int]], DecoderState]:
        """Decode the next log-mel frames.

        Args:
            chunk_BTM: (B, T, n_mels) frames, any T.
            state: from the chunk before.
            frame_lengths_B: (B,) real frames of each row, where whole utterances are padded. Their state cannot go on.

        Returns:
            the labels that each utterance emitted in this chunk, and the state after it.
        """
        encoded_BTD, encoder_state = self._transducer.encode_chunk(chunk_BTM, state.encoder)
        frame_BTJ = self._transducer.joiner.frame(encoded_BTD)
        batch, frames = frame_BTJ.shape[:2]
        lengths_B = torch.full((batch,), frames) if frame_lengths_B is None else (
            self._transducer.encoded_lengths(frame_lengths_B))
        running_TB = torch.arange(frames, device=chunk_BTM.device)[:, None] < lengths_B.to(chunk_BTM.device)
        emitted: list[Tensor] = []
        for frame_BJ, running_B in zip(frame_BTJ.unbind(1), running_TB.unbind(0), strict=True):
            state = self._search_frame(frame_BJ, running_B, state, emitted)
        return _per_utterance(emitted, batch), DecoderState(encoder_state, state.predictor, state.label_BJ)

    def _search_frame(self, frame_BJ: Tensor, running_B: Tensor, state: DecoderState,
                      emitted: list[Tensor]) -> DecoderState:
        for _ in range(self._limit):
            best_B = self._transducer.joiner.score(frame_BJ, state.label_BJ).argmax(-1)
            best_B = torch.where(running_B, best_B, BLANK)
            running_B = best_B != BLANK
            if not running_B.any():
                break
            emitted.append(best_B)
            after = self._after(best_B, state)
            state = DecoderState(
                encoder=state.encoder,
                predictor=after.predictor.where(running_B, state.predictor),
                label_BJ=torch.where(running_B[:, None], after.label_BJ, state.label_BJ))
        return state

    def _after(self, labels_B: Tensor, state: DecoderState) -> DecoderState:
        predicted_B1P, predictor_state = self._transducer.predictor.step(labels_B[:, None], state.predictor)
        return DecoderState(state.encoder, predictor_state, self._transducer.joiner.label(predicted_B1P[:, 0]))


def _per_utterance(emitted: list[Tensor], batch: int) -> list[list[int]]:
    """The labels other than blank of each utterance, in order."""
    if not emitted:
        return [[] for _ in range(batch)]
    labels_BN = torch.stack(emitted, dim=1).cpu().numpy()
    return [row[row != BLANK].tolist() for row in labels_BN]


def transcribe(recogniser: Recogniser, features: Sequence[NDArray[np.floating]], max_symbols_per_frame: int, *,
               batch_s: float = 600.0, progress: Progress | None = None) -> list[str]:
    """Transcribe recordings, those of like length together.

    Args:
        recogniser: decodes on the device on which its weights are.
        features: (frames, n_mels) log-mel features of each recording.
        max_symbols_per_frame: labels that one encoder frame may emit.
        batch_s: seconds of speech decoded together, padding included.
        progress: advanced by the recordings of each batch.
    """
    return [recogniser.tokenizer.decode(labels) for labels in
            transcribe_labels(recogniser, features, max_symbols_per_frame, batch_s=batch_s, progress=progress)]


def transcribe_labels(recogniser: Recogniser, features: Sequence[NDArray[np.floating]], max_symbols_per_frame: int, *,
                      batch_s: float, progress: Progress | None = None) -> list[list[int]]:
    """:func:`transcribe` before labels become text."""
    transducer = recogniser.transducer.eval()
    decoder = GreedyDecoder(transducer, max_symbols_per_frame)
    fill_M, device = transducer.mean_M.cpu().numpy(), transducer.mean_M.device
    labels: list[list[int]] = [[] for _ in features]
    for batch in _batches([len(recording) for recording in features], recogniser.frames_in(batch_s)):
        padded = pad_features([features[i] for i in batch], fill_M=fill_M,
                              least_frames=transducer.encoder.subsampling)
        decoded, _ = decoder.step(padded.features_BTM.to(device), decoder.initial_state(len(batch)),
                                  padded.frame_lengths_B)
        for i, found in zip(batch, decoded, strict=True):
            labels[i] = found
        if progress is not None:
            progress.advance(len(batch))
    return labels


def _batches(frames: Sequence[int], limit: int) -> Iterator[list[int]]:
    """Longest first, as many together as fit ``limit`` frames with their padding, but at least one."""
    order = sorted(range(len(frames)), key=lambda i: -frames[i])
    start = 0
    while start < len(order):
        size = max(1, limit // max(1, frames[order[start]]))
        yield order[start:start + size]
        start += size
