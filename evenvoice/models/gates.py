"""Who switches the sub-blocks of a transformer on and off, frame by frame, and what that spared.

Tensor names: B utterance, T frame, D channel, G gate (attention, feed-forward of the first block, then of the next),
P frame of the period of chance, S remembered frame, W window.

An arbitrator (Y. Xie et al., "Compute Cost Amortized Transformer for Streaming ASR", arXiv 2207.02393) gives each frame
a logit per gate:

    logit = W2 silu(W1 norm(x_t)) + b,   P(on) = sigmoid(logit),   b = log(0.9 / 0.1) and W2 = 0 before training

Training draws with the straight-through Gumbel-softmax of two classes (E. Jang et al., arXiv 1611.01144). The
difference of two Gumbel variables is logistic, so one logit is enough: on = [logit + noise > 0], with the gradient of
sigmoid((logit + noise) / temperature). Elsewhere on = [logit > 0], without noise.

Gates are numbers 0 or 1 with a gradient in training, and booleans elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

ON_AT_FIRST: Final = 0.9
"""Probability of every gate to be on before arbitrators are trained."""
LAST_TEMPERATURE: Final = 0.5
"""Of training whose temperature nobody sets: that at which annealing ends."""
PERIOD: Final = 4093
"""Frames after which chance repeats itself; a prime, so that no rhythm of speech falls in with it."""
SEED_OF_CHANCE: Final = 0x6A7E


class Arbitrator(nn.Module):
    """Logits of so many gates from one frame."""

    def __init__(self, width: int, hidden: int, gates: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.hidden = nn.Linear(width, hidden)
        self.logit = nn.Linear(hidden, gates)
        nn.init.zeros_(self.logit.weight)
        nn.init.constant_(self.logit.bias, math.log(ON_AT_FIRST / (1 - ON_AT_FIRST)))
        self.macs_per_frame = width * hidden + hidden * gates

    def forward(self, chunk_BTD: Tensor) -> Tensor:
        """Decide for (B, T, width): gates (B, T, gates)."""
        logits_BTG: Tensor = self.logit(functional.silu(self.hidden(self.norm(chunk_BTD))))
        return _drawn(logits_BTG.float()) if self.training else logits_BTG > 0


def _drawn(logits_BTG: Tensor) -> Tensor:
    smallest = torch.finfo(torch.float32).tiny
    uniform_BTG = torch.rand_like(logits_BTG).clamp(smallest, 1 - torch.finfo(torch.float32).eps)
    noisy_BTG = logits_BTG + torch.logit(uniform_BTG)
    soft_BTG = torch.sigmoid(noisy_BTG / current_gating().temperature)
    return (noisy_BTG > 0).float() + soft_BTG - soft_BTG.detach()


class ChanceGates(nn.Module):
    """Gates that know nothing of speech.

    Training draws anew. Elsewhere the frame's number decides, in the same way for every utterance, so that neither
    chunks nor neighbours change anything.
    """

    uniform_PG: Tensor
    rates_G: Tensor

    def __init__(self, rates: tuple[float, ...]) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(SEED_OF_CHANCE)
        uniform_PG = torch.rand(PERIOD, len(rates), generator=generator, device="cpu")
        self.register_buffer("uniform_PG", uniform_PG, persistent=False)
        self.register_buffer("rates_G", torch.tensor(rates), persistent=False)
        self.macs_per_frame = 0

    def forward(self, chunk_BTD: Tensor, now: Tensor) -> Tensor:
        """Decide for the frames (B, T, D) from number ``now`` on: gates (B, T, gates)."""
        batch, frames, _ = chunk_BTD.shape
        if self.training:
            drawn_BTG = torch.rand(batch, frames, len(self.rates_G), device=chunk_BTD.device)
            return (drawn_BTG < self.rates_G).float()
        places_T = (now + torch.arange(frames, device=chunk_BTD.device)) % PERIOD
        return (self.uniform_PG[places_T] < self.rates_G).expand(batch, -1, -1)


@dataclass(frozen=True)
class Work:
    """What one step of a gated transformer did, in multiply-accumulates of every frame.

    Arbitrators and the stem count as work that is always done, and an attention that is on counts the frames that it
    really saw: those in its window on which it was on as well.
    """

    executed_BT: Tensor
    """With a gradient in training, through the gates."""
    dense_BT: Tensor
    """Of the same frames in the transformer without gates."""
    gates_BTG: Tensor
    """1 where a sub-block worked: attention, feed-forward of the first block, then of the next."""

    def share(self, lengths_B: Tensor) -> Tensor:
        """Share of the dense model's work that was done on the first ``lengths_B`` frames of each utterance."""
        frames = self.executed_BT.shape[1]
        real_BT = torch.arange(frames, device=self.executed_BT.device) < lengths_B.to(self.executed_BT.device)[:, None]
        return (self.executed_BT * real_BT).sum() / (self.dense_BT * real_BT).sum()


@dataclass(frozen=True)
class Gating:
    """What all gates are told from outside, and where they leave what they did."""

    temperature: float = LAST_TEMPERATURE
    work: list[Work] | None = None
    """Grows by one entry with each step of an encoder; None where nobody asked."""
    traced: bool = False
    """Whether the steps are recorded as a graph, whose shapes must not depend on the gates."""


_CURRENT: ContextVar[Gating] = ContextVar("gating", default=Gating())  # noqa: B039 - it is frozen


@contextmanager
def gating(temperature: float = LAST_TEMPERATURE) -> Iterator[list[Work]]:
    """Within, gates are drawn at this temperature, and each step of a gated encoder appends its work to the list.

    So whoever trains or measures reaches the gates through whatever wraps the model. Encoders without gates append
    nothing.
    """
    work: list[Work] = []
    with _set(Gating(temperature, work)):
        yield work


@contextmanager
def traced() -> Iterator[None]:
    """Within, sub-blocks keep one slot for every frame, on or off, so that no shape of a state depends on the gates."""
    with _set(Gating(traced=True)):
        yield


@contextmanager
def _set(gating: Gating) -> Iterator[None]:
    token = _CURRENT.set(gating)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current_gating() -> Gating:
    """What :func:`gating` or :func:`traced` set around the present call."""
    return _CURRENT.get()
