"""Beam search over a transducer, many utterances at a time, with n-best hypotheses.

Tensor names: B utterance, W place in the beam, N = B * W, T frame, J joiner channel, V vocabulary.

Time-synchronous search (G. Saon, Z. Tueske, K. Audhkhasi, "Alignment-Length Synchronous Decoding for RNN Transducer",
ICASSP 2020, algorithm 1): all hypotheses read a frame, emit up to ``max_symbols_per_frame`` labels there, and leave it
by a blank. One thing differs: hypotheses that have left the frame and those that may still emit compete for the same
places, round by round. So a beam of one decides as greedy search does, and few rounds are spent on a frame. Several
labels per frame are allowed because the loss allows them: at 30-40 ms per frame and characters as units, one label per
frame would cut words short.

Hypotheses with the same labels are alignments of one transcript; their probabilities are added (log-sum) before the
beam is cut, and the times of the more probable one stay. A beam that is wide enough therefore ranks label sequences by
their whole probability. Equal labels are found by a 64-bit hash of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evenvoice.decoding.search import MAX_SYMBOLS_PER_FRAME, Hypothesis, Search, Token, Tokens
from evenvoice.models.predictor import PredictorState
from evenvoice.models.transducer import BLANK, Transducer

NEVER = float("-inf")
HASH_FACTOR = 6364136223846793005  # Knuth's multiplier for 64-bit linear congruences


@dataclass(frozen=True)
class BeamMemory:
    """The hypotheses of each utterance, most probable first; places not taken have log-probability -inf."""

    score_BW: Tensor
    hash_BW: Tensor
    label_NJ: Tensor
    """The joiner's projection of what the labels so far predict."""
    predictor: PredictorState
    agreed: tuple[Tokens, ...]
    """Of each utterance, the tokens that all its hypotheses share."""
    tails: tuple[tuple[Tokens, ...], ...]
    """Of each place of each utterance, the tokens behind those."""


class Round(NamedTuple):
    """Who came from where by emitting what."""

    frame: int
    parent_BW: Tensor
    label_BW: Tensor
    log_prob_BW: Tensor


class BeamDecoder(Search[BeamMemory]):
    """Keeps the ``width`` most probable hypotheses of each utterance.

    Args:
        transducer: the model, in evaluation mode.
        max_symbols_per_frame: labels that one encoder frame may emit.
        width: hypotheses of an utterance.
        nbest: how many of them are returned.
    """

    def __init__(self, transducer: Transducer, max_symbols_per_frame: int = MAX_SYMBOLS_PER_FRAME, *, width: int,
                 nbest: int = 1) -> None:
        super().__init__(transducer, max_symbols_per_frame)
        self._width = width
        self._nbest = nbest

    def _begin(self, batch: int) -> BeamMemory:
        device = self._transducer.mean_M.device
        score_BW = torch.full((batch, self._width), NEVER, dtype=torch.float64, device=device)
        score_BW[:, 0] = 0.0
        rows = batch * self._width
        label_NJ, predictor = self._after(torch.full((rows,), BLANK, device=device),
                                          self._transducer.predictor.initial_state(rows))
        return BeamMemory(score_BW, torch.zeros_like(score_BW, dtype=torch.int64), label_NJ, predictor,
                          agreed=((),) * batch, tails=(((),) * self._width,) * batch)

    def _search(self, frame_BTJ: Tensor, running_TB: Tensor, first: int, memory: BeamMemory) -> BeamMemory:
        rounds: list[Round] = []
        for place, running_B in enumerate(running_TB):
            frame_NJ = frame_BTJ[:, place].repeat_interleave(self._width, dim=0)
            open_BW = running_B[:, None] & (memory.score_BW > NEVER)
            for emitted in range(self._limit + 1):
                memory, open_BW, done = self._round(first + place, frame_NJ, open_BW, memory,
                                                    may_emit=emitted < self._limit)
                rounds.append(done)
                if not open_BW.any():
                    break
        return _with_tokens(memory, rounds)

    def _round(self, frame: int, frame_NJ: Tensor, open_BW: Tensor, memory: BeamMemory, *,
               may_emit: bool) -> tuple[BeamMemory, Tensor, Round]:
        """Extend open hypotheses by a label or a blank, add up duplicates, keep the best; say which are open then."""
        log_prob_BWV = self._transducer.joiner.score(frame_NJ, memory.label_NJ).float().log_softmax(-1).view(
            *open_BW.shape, -1)
        total_BWV, source_BW = _candidates(log_prob_BWV, open_BW, memory, may_emit=may_emit)
        score_BW, chosen_BW = total_BWV.flatten(1).topk(self._width)
        symbols = total_BWV.shape[2]
        parent_BW = torch.div(chosen_BW, symbols, rounding_mode="floor")
        label_BW = torch.where(score_BW > NEVER, chosen_BW % symbols, BLANK)
        emitting_BW = label_BW != BLANK
        hash_BW = memory.hash_BW.gather(1, parent_BW)
        hash_BW = torch.where(emitting_BW, hash_BW * HASH_FACTOR + label_BW, hash_BW)
        label_NJ, predictor = self._extended(parent_BW, label_BW, emitting_BW, memory)
        origin_BW = torch.where(emitting_BW, parent_BW, source_BW.gather(1, parent_BW))
        return (BeamMemory(score_BW, hash_BW, label_NJ, predictor, memory.agreed, memory.tails), emitting_BW,
                Round(frame, origin_BW, label_BW, log_prob_BWV.flatten(1).gather(1, chosen_BW)))

    def _extended(self, parent_BW: Tensor, label_BW: Tensor, emitting_BW: Tensor,
                  memory: BeamMemory) -> tuple[Tensor, PredictorState]:
        """What the chosen hypotheses predict."""
        row_N = (parent_BW + torch.arange(len(parent_BW), device=parent_BW.device)[:, None] * self._width).flatten()
        label_NJ, predictor = memory.label_NJ[row_N], memory.predictor.select(row_N)
        emitting_N = emitting_BW.flatten()
        if emitting_N.any():
            after_NJ, after = self._after(label_BW.flatten(), predictor)
            label_NJ = torch.where(emitting_N[:, None], after_NJ, label_NJ)
            predictor = after.where(emitting_N, predictor)
        return label_NJ, predictor

    def _after(self, labels_N: Tensor, predictor: PredictorState) -> tuple[Tensor, PredictorState]:
        predicted_N1P, predictor = self._transducer.predictor.step(labels_N[:, None], predictor)
        return self._transducer.joiner.label(predicted_N1P[:, 0]), predictor

    def _hypotheses(self, memory: BeamMemory) -> list[list[Hypothesis]]:
        return [[Hypothesis.of((*agreed, *tail), score) for tail, score in zip(tails, scores, strict=True)
                 if score > NEVER][:self._nbest]
                for agreed, tails, scores in zip(memory.agreed, memory.tails, memory.score_BW.tolist(), strict=True)]

    def _agreed(self, memory: BeamMemory) -> Sequence[Tokens]:
        alive_BW = (memory.score_BW > NEVER).cpu().numpy()
        return [(*agreed, *_shared([tail for tail, lives in zip(tails, alive_W, strict=True) if lives], by_label=True))
                for agreed, tails, alive_W in zip(memory.agreed, memory.tails, alive_BW, strict=True)]


def _candidates(log_prob_BWV: Tensor, open_BW: Tensor, memory: BeamMemory, *,
                may_emit: bool) -> tuple[Tensor, Tensor]:
    """Log-probability of what each hypothesis may become, and whose tokens it has if it leaves the frame.

    In the place of blank stands having left the frame; that is all that remains to those who have.
    """
    total_BWV = memory.score_BW[..., None] + log_prob_BWV.masked_fill(~open_BW[..., None], NEVER)
    if not may_emit:
        total_BWV[..., BLANK + 1:] = NEVER
    leaving_BW = torch.where(open_BW, total_BWV[..., BLANK], memory.score_BW)
    source_BW, total_BWV[..., BLANK] = _merged(leaving_BW, open_BW, memory.hash_BW)
    return total_BWV, source_BW


def _merged(leaving_BW: Tensor, open_BW: Tensor, hash_BW: Tensor) -> tuple[Tensor, Tensor]:
    """Add hypotheses that leave the frame now to those with the same labels that left it before.

    Nothing else can be equal: hypotheses that are still open have emitted equally many labels in this frame.

    Returns:
        the place whose tokens each place takes over, its own or the more probable duplicate's; log-probabilities.
    """
    left_BW = ~open_BW & (leaving_BW > NEVER)
    same_BWW = (hash_BW[:, None, :] == hash_BW[:, :, None]) & open_BW[:, None, :] & left_BW[:, :, None]
    other_BW, from_BW = torch.where(same_BWW, leaving_BW[:, None, :], NEVER).max(-1)
    source_BW = torch.where(other_BW > leaving_BW, from_BW, torch.arange(open_BW.shape[1], device=open_BW.device))
    taken_BW = same_BWW.any(1)
    return source_BW, torch.logaddexp(leaving_BW, other_BW).masked_fill(taken_BW, NEVER)


def _with_tokens(memory: BeamMemory, rounds: Sequence[Round]) -> BeamMemory:
    """Follow every hypothesis back through the rounds, and move to ``agreed`` what all have in common."""
    origin_BW, tokens = _trace(rounds)
    alive_BW = (memory.score_BW > NEVER).cpu().numpy()
    agreed, tails = [], []
    for row, before in enumerate(memory.tails):
        new = [(*before[origin], *tokens[row][place]) for place, origin in enumerate(origin_BW[row])]
        shared = _shared([tail for tail, lives in zip(new, alive_BW[row], strict=True) if lives], by_label=False)
        agreed.append((*memory.agreed[row], *shared))
        tails.append(tuple(tail[len(shared):] for tail in new))
    return BeamMemory(memory.score_BW, memory.hash_BW, memory.label_NJ, memory.predictor, tuple(agreed), tuple(tails))


def _trace(rounds: Sequence[Round]) -> tuple[NDArray[np.int64], list[list[list[Token]]]]:
    """The place before these rounds that each hypothesis grew from, and the tokens it emitted in them."""
    parents, labels, log_probs = (torch.stack(part).cpu().numpy() for part in (
        [done.parent_BW for done in rounds], [done.label_BW for done in rounds], [done.log_prob_BW for done in rounds]))
    batch, width = parents.shape[1:]
    place_BW = np.broadcast_to(np.arange(width), (batch, width))
    tokens: list[list[list[Token]]] = [[[] for _ in range(width)] for _ in range(batch)]
    for number in reversed(range(len(rounds))):
        label_BW = np.take_along_axis(labels[number], place_BW, 1)
        for row, place in np.argwhere(label_BW != BLANK):
            log_prob = float(log_probs[number, row, place_BW[row, place]])
            tokens[row][place].append(Token(int(label_BW[row, place]), rounds[number].frame, log_prob))
        place_BW = np.take_along_axis(parents[number], place_BW, 1)
    return place_BW, [[found[::-1] for found in row] for row in tokens]


def _shared(tails: Sequence[Tokens], *, by_label: bool) -> Tokens:
    """The longest common beginning: of labels, or of tokens with their frames."""
    length = 0
    for together in zip(*tails, strict=False):
        if len({token.label if by_label else token for token in together}) > 1:
            break
        length += 1
    return tails[0][:length]
