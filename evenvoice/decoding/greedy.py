"""Greedy transducer search, many utterances at a time.

Tensor names: B utterance, T frame, J joiner channel, V vocabulary, N decision of an utterance.

Frame by frame each utterance takes its best label until that is blank, at most ``max_symbols_per_frame`` times, after
which blank is taken. The utterances of a batch share each decision's matrix products; those that are done with a frame
take no part until the others are. Log-probabilities are computed for many decisions together, since only their labels
are needed to go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evenvoice.decoding.offline import decode_recordings
from evenvoice.decoding.search import Hypothesis, Search, Token, Tokens
from evenvoice.models.predictor import PredictorState
from evenvoice.models.transducer import BLANK
from evenvoice.progress import Progress

if TYPE_CHECKING:
    from evenvoice.decoding.work import WorkMeter
    from evenvoice.models.recogniser import Recogniser


@dataclass(frozen=True)
class GreedyMemory:
    """What was emitted, and what it predicts."""

    predictor: PredictorState
    label_BJ: Tensor
    """The joiner's projection of what the labels so far predict."""
    tokens: tuple[Tokens, ...]
    score_B: Tensor
    """Log-probability of all decisions so far, in double precision."""


class Decisions(NamedTuple):
    """One look at a frame by the utterances that are not done with it."""

    frame: int
    row_N: Tensor
    scores_NV: Tensor
    label_N: Tensor


class GreedyDecoder(Search[GreedyMemory]):
    """Takes the best label at every step."""

    def _begin(self, batch: int) -> GreedyMemory:
        device = self._transducer.mean_M.device
        label_BJ, predictor = self._after(torch.full((batch,), BLANK, device=device),
                                          self._transducer.predictor.initial_state(batch))
        return GreedyMemory(predictor, label_BJ, tokens=((),) * batch,
                            score_B=torch.zeros(batch, dtype=torch.float64, device=device))

    def _search(self, frame_BTJ: Tensor, running_TB: Tensor, first: int, memory: GreedyMemory) -> GreedyMemory:
        decisions: list[Decisions] = []
        label_BJ, predictor = memory.label_BJ.clone(), memory.predictor
        for place, running_B in enumerate(running_TB):
            row_N = running_B.nonzero()[:, 0]
            frame_NJ, label_NJ = frame_BTJ[:, place], label_BJ
            if len(row_N) < len(label_BJ):
                frame_NJ, label_NJ = frame_NJ[row_N], label_NJ[row_N]
            for emitted in range(self._limit + 1):
                scores_NV = self._transducer.joiner.score(frame_NJ, label_NJ)
                label_N = _argmax(scores_NV) if emitted < self._limit else torch.full_like(row_N, BLANK)
                decisions.append(Decisions(first + place, row_N, scores_NV, label_N))
                emitting_N = label_N.nonzero()[:, 0]
                if not len(emitting_N):
                    break
                if len(emitting_N) < len(row_N):
                    row_N, frame_NJ, label_N = row_N[emitting_N], frame_NJ[emitting_N], label_N[emitting_N]
                label_NJ, after = self._after(label_N, predictor.select(row_N))
                label_BJ.index_copy_(0, row_N, label_NJ)
                predictor = predictor.replace(row_N, after)
        return _extended(memory, predictor, label_BJ, decisions)

    def _after(self, labels_B: Tensor, predictor: PredictorState) -> tuple[Tensor, PredictorState]:
        predicted_B1P, predictor = self._transducer.predictor.step(labels_B[:, None], predictor)
        return self._transducer.joiner.label(predicted_B1P[:, 0]), predictor

    def _hypotheses(self, memory: GreedyMemory) -> list[list[Hypothesis]]:
        return [[Hypothesis.of(tokens, score)]
                for tokens, score in zip(memory.tokens, memory.score_B.tolist(), strict=True)]

    def _agreed(self, memory: GreedyMemory) -> Sequence[Tokens]:
        return memory.tokens


def _argmax(scores_NV: Tensor) -> Tensor:
    """The best label of each row; on a processor by NumPy, whose argmax is 20 times as fast as PyTorch's."""
    if scores_NV.device.type == "cpu":
        return torch.from_numpy(scores_NV.numpy().argmax(-1))
    return scores_NV.argmax(-1)


def _extended(memory: GreedyMemory, predictor: PredictorState, label_BJ: Tensor,
              decisions: Sequence[Decisions]) -> GreedyMemory:
    row_N, label_N = (torch.cat(parts) for parts in ([each.row_N for each in decisions],
                                                     [each.label_N for each in decisions]))
    log_prob_NV = torch.cat([each.scores_NV for each in decisions]).float().log_softmax(-1)
    log_prob_N = log_prob_NV.gather(1, label_N[:, None])[:, 0]
    score_B = memory.score_B.index_add(0, row_N, log_prob_N.double())
    frame_N = np.repeat([each.frame for each in decisions], [len(each.row_N) for each in decisions])
    found: list[list[Token]] = [[] for _ in memory.tokens]
    emitting_N = label_N.cpu().numpy().nonzero()[0]
    for row, *token in zip(*(column_N[emitting_N].tolist() for column_N in (
            row_N.cpu().numpy(), label_N.cpu().numpy(), frame_N, log_prob_N.cpu().numpy())), strict=True):
        found[row].append(Token(*token))
    return GreedyMemory(predictor, label_BJ, score_B=score_B, tokens=tuple(
        (*before, *new) for before, new in zip(memory.tokens, found, strict=True)))


def transcribe_labels(recogniser: Recogniser, features: Sequence[NDArray[np.floating]], *, batch_s: float,
                      progress: Progress | None = None, cohorts: Sequence[int] | None = None,
                      meter: WorkMeter | None = None) -> list[list[int]]:
    """Transcribe recordings greedily, those of like length together.

    Args:
        recogniser: decodes on the device on which its weights are.
        features: (frames, n_mels) log-mel features of each recording.
        batch_s: seconds of speech decoded together, padding included.
        progress: advanced by the recordings of each batch.
        cohorts: number of the cohort of each recording's speaker, for a model with a cohort input.
        meter: told what an encoder with gates did on each recording.
    """
    found = decode_recordings(GreedyDecoder(recogniser.transducer.eval()), recogniser, features, batch_s=batch_s,
                              progress=progress, cohorts=cohorts, meter=meter)
    return [list(best.labels) for best, *_ in found]
