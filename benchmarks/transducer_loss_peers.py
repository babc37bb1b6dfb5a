"""The transducer losses that are compared: each takes the joiner's projections and its output layer.

Tensor names: B utterance, T frame, U label, P label position (U + 1), J joiner channel, V vocabulary, N anti-diagonal.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from evenvoice.losses.rnnt import rnnt

NEVER = -1e30
"""Stands for a log-probability of minus infinity, whose derivative would not be a number."""


@dataclass(frozen=True)
class Batch:
    """Input of a loss, on the device that it is measured on."""

    frame_BTJ: Tensor
    label_BPJ: Tensor
    weight_VJ: Tensor
    bias_V: Tensor
    labels_BU: Tensor
    frame_lengths_B: Tensor
    label_lengths_B: Tensor

    @staticmethod
    def drawn(batch: int, frames: int, positions: int, vocabulary: int, width: int, device: torch.device) -> Batch:
        """As in an untrained model, whose alignments are spread as far as they ever are; no padding."""
        generator = torch.Generator().manual_seed(0)
        output = torch.nn.Linear(width, vocabulary)
        with torch.no_grad():
            for parameter in output.parameters():
                parameter.uniform_(-width**-0.5, width**-0.5, generator=generator)
        inputs = [0.5 * torch.randn(batch, frames, width, generator=generator),
                  0.5 * torch.randn(batch, positions, width, generator=generator), output.weight, output.bias]
        labels_BU = torch.randint(1, vocabulary, (batch, positions - 1), generator=generator)
        lengths = torch.full((batch,), frames), torch.full((batch,), positions - 1)
        return Batch(*(tensor.detach().to(device).requires_grad_() for tensor in inputs),
                     *(tensor.to(device) for tensor in (labels_BU, *lengths)))

    @property
    def trained(self) -> tuple[Tensor, ...]:
        """What gradients are taken of."""
        return self.frame_BTJ, self.label_BPJ, self.weight_VJ, self.bias_V

    def logits(self) -> Tensor:
        """The joiner in plain PyTorch: (B, T, P, V)."""
        hidden_BTPJ = torch.tanh(self.frame_BTJ[:, :, None] + self.label_BPJ[:, None])
        return functional.linear(hidden_BTPJ, self.weight_VJ, self.bias_V)

    def int32(self) -> tuple[Tensor, Tensor, Tensor]:
        """Labels and lengths as libraries in C want them."""
        return self.labels_BU.int(), self.frame_lengths_B.int(), self.label_lengths_B.int()


def evenvoice(batch: Batch) -> Tensor:
    """Ours."""
    return rnnt(*batch.trained, batch.labels_BU, batch.frame_lengths_B, batch.label_lengths_B)


def plain(batch: Batch) -> Tensor:
    """Joiner, full log-softmax and a lattice over anti-diagonals, left to autograd."""
    log_probs_BTPV = batch.logits().log_softmax(-1)
    next_BP = functional.pad(batch.labels_BU, (0, 1))
    picked_BP2 = torch.stack([torch.zeros_like(next_BP), next_BP], dim=2)
    frames, positions = log_probs_BTPV.shape[1:3]
    arcs_BTP2 = log_probs_BTPV.gather(3, picked_BP2[:, None].expand(-1, frames, -1, -1))
    time_NP = torch.arange(frames + positions - 1)[:, None] - torch.arange(positions)
    inside_NP = ((time_NP >= 0) & (time_NP < frames)).to(arcs_BTP2.device)
    time_BNP2 = time_NP.clamp(0, frames - 1).to(arcs_BTP2.device)[None, :, :, None].expand(len(next_BP), -1, -1, 2)
    skewed_BNP2 = torch.where(inside_NP[..., None], arcs_BTP2.gather(1, time_BNP2), NEVER)
    alpha_BP = functional.pad(torch.zeros_like(next_BP[:, :1], dtype=skewed_BNP2.dtype), (0, positions - 1),
                              value=NEVER)
    alphas = [alpha_BP]
    for arcs_BP2 in skewed_BNP2.unbind(1)[:-1]:
        blank_BP, label_BP = arcs_BP2.unbind(2)
        moved_BP = functional.pad((alpha_BP + label_BP)[:, :-1], (1, 0), value=NEVER)
        alpha_BP = torch.logaddexp(alpha_BP + blank_BP, moved_BP)
        alphas.append(alpha_BP)
    ends_BNP = torch.stack(alphas, dim=1) + skewed_BNP2[..., 0]
    rows_B = torch.arange(len(next_BP), device=next_BP.device)
    return -ends_BNP[rows_B, batch.frame_lengths_B - 1 + batch.label_lengths_B, batch.label_lengths_B]


def plain_flushed(batch: Batch) -> Tensor:
    """The same with subnormal numbers taken for zero: gradients of unlikely nodes slow a processor's products down."""
    torch.set_flush_denormal(True)
    return plain(batch)


def warprnnt_numba(batch: Batch) -> Tensor:
    """warprnnt_numba over logits of the plain joiner."""
    loss = importlib.import_module("warprnnt_numba").RNNTLossNumba(blank=0, reduction="none")
    losses_B: Tensor = loss(batch.logits(), *batch.int32())
    return losses_B.flatten()


def torchaudio(batch: Batch) -> Tensor:
    """torchaudio's fused log-softmax and loss over logits of the plain joiner."""
    loss = importlib.import_module("torchaudio").functional.rnnt_loss
    losses_B: Tensor = loss(batch.logits(), *batch.int32(), blank=0, reduction="none")
    return losses_B


def k2(batch: Batch) -> Tensor:
    """k2's unpruned loss over logits of the plain joiner."""
    return _k2_loss("k2", batch)


def fast_rnnt(batch: Batch) -> Tensor:
    """fast_rnnt's unpruned loss over logits of the plain joiner."""
    return _k2_loss("fast_rnnt", batch)


def _k2_loss(library: str, batch: Batch) -> Tensor:
    zeros_B = torch.zeros_like(batch.frame_lengths_B)
    boundary_B4 = torch.stack([zeros_B, zeros_B, batch.label_lengths_B, batch.frame_lengths_B], dim=1)
    losses_B: Tensor = importlib.import_module(library).rnnt_loss(
        logits=batch.logits(), symbols=batch.labels_BU, termination_symbol=0, boundary=boundary_B4, reduction="none")
    return losses_B


PEERS: dict[str, dict[str, Callable[[Batch], Tensor]]] = {
    "cpu": {"evenvoice": evenvoice, "plain": plain, "plain_flushed": plain_flushed, "warprnnt_numba": warprnnt_numba},
    "cuda": {"evenvoice": evenvoice, "plain": plain, "torchaudio": torchaudio, "k2": k2, "fast_rnnt": fast_rnnt},
}
"""By device. Ratios are taken to ``plain``."""
LIBRARIES = {name: name for name in ("warprnnt_numba", "torchaudio", "k2", "fast_rnnt")}
"""What has to be installed for a peer."""
