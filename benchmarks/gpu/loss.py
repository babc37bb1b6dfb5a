"""The transducer loss on the device: how right it is, how fast, how large, and how many kernels it starts."""

from __future__ import annotations

import importlib.util
import statistics
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.device import here, timed, unless_out_of_memory, with_peak
from benchmarks.gpu.scale import Scale
from benchmarks.transducer_loss_peers import LIBRARIES, PEERS, Batch, evenvoice
from evenvoice.losses.transducer.lattice import KERNEL
from evenvoice.losses.transducer.products import CHOSEN, Precision
from evenvoice.losses.transducer.reference import plain_loss
from evenvoice.losses.transducer.scoring import KERNELS

TENSORS = ("gradient of frames", "gradient of labels", "gradient of weight", "gradient of bias")
FEW_FRAMES = 20
"""The textbook recursion is Python, node by node."""


def correctness(item: str, scale: Scale) -> dict[str, Any]:
    """Largest errors against float64 on the processor, as shares of the largest true value; lengths are ragged."""
    sizes = _sizes(item)
    batch = _ragged(Batch.drawn(*sizes, scale.joiner_width, here()))
    exact = _exact(batch)
    true_B, true_gradients = _pass(exact)
    row: dict[str, Any] = {}
    if sizes[1] < FEW_FRAMES:
        row["reference against the textbook recursion"] = _error(true_B, _textbook(exact))
    _pass(batch)  # the first one chooses
    chosen = CHOSEN.get(batch.bias_V.device, "plain")
    precisions: tuple[Precision, ...] = ("plain", "tf32") if here().type == "cuda" else ("plain",)
    for precision in precisions:
        CHOSEN[batch.bias_V.device] = precision
        losses_B, gradients = _pass(batch)
        row[precision] = {"loss": _error(losses_B, true_B)} | {
            name: _error(found, true) for name, found, true in zip(TENSORS, gradients, true_gradients, strict=True)}
    CHOSEN[batch.bias_V.device] = chosen
    fallen_back = {faster.name: faster.given_up for faster in (KERNEL, KERNELS) if faster.given_up}
    return row | {"chosen": chosen, "fallen_back": fallen_back or "nothing"}


def speed(item: str, scale: Scale) -> dict[str, Any]:
    """Milliseconds and MiB of forward and backward, of each peer in turns; who is absent or has no room says so."""
    batch = Batch.drawn(*_sizes(item), scale.joiner_width, here())
    found: dict[str, dict[str, Any]] = {}
    for peer in PEERS[here().type]:
        library = LIBRARIES.get(peer)
        absent = library is not None and importlib.util.find_spec(library) is None
        found[peer] = {"absent": f"{library} is not installed"} if absent else _attempt(peer, batch)
    running = [peer for peer, one in found.items() if "peak_mib" in one]
    turns: dict[str, list[float]] = {peer: [] for peer in running}
    for _ in range(scale.rounds):
        for peer in running:
            turns[peer].append(1e3 * timed(lambda peer=peer: _pass(batch, peer))[0])
    for peer in running:
        found[peer] |= {"ms": statistics.median(turns[peer]), "turns_ms": turns[peer], "ours_by_it": statistics.median(
            ours / other for ours, other in zip(turns["evenvoice"], turns[peer], strict=True))}
    return dict(found)


def launches(item: str, scale: Scale) -> dict[str, Any]:
    """Kernels that one forward and backward pass starts, and those that take longest."""
    batch = Batch.drawn(*_sizes(item), scale.joiner_width, here())
    _pass(batch)
    if here().type == "cpu":
        return {"kernels": "not measured: no GPU"}
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        _pass(batch)
        torch.cuda.synchronize()
    kernels = [event for event in profile.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    by_name: dict[str, float] = {}
    for event in kernels:
        by_name[event.name] = by_name.get(event.name, 0.0) + event.time_range.elapsed_us()
    longest = sorted(by_name.items(), key=lambda pair: -pair[1])[:8]
    return {"kernels": len(kernels), "busy_ms": sum(by_name.values()) / 1e3,
            "longest_ms": {name[:80]: microseconds / 1e3 for name, microseconds in longest}}


def _attempt(peer: str, batch: Batch) -> dict[str, Any]:
    """The first pass, which compiles what the peer needs, and the second, whose memory counts."""
    def twice() -> dict[str, Any]:
        _pass(batch, peer)
        (losses_B, _), peak_mib = with_peak(lambda: _pass(batch, peer))
        return {"peak_mib": peak_mib, "loss": losses_B.sum().item()}

    try:
        return unless_out_of_memory(twice)
    except Exception as error:  # a rival may fail in any way, and ends nothing
        if peer == "evenvoice":
            raise
        return {"failed": f"{type(error).__name__}: {error}"[:300]}


def _pass(batch: Batch, peer: str = "evenvoice") -> tuple[Tensor, tuple[Tensor, ...]]:
    loss = evenvoice if peer == "evenvoice" else PEERS[here().type][peer]
    try:
        losses_B = loss(batch)
        return losses_B.detach(), torch.autograd.grad(losses_B.sum(), batch.trained)
    finally:
        torch.set_flush_denormal(False)  # a peer sets it, for itself alone


def _sizes(item: str) -> tuple[int, int, int, int]:
    batch, frames, positions, vocabulary = map(int, item.split(","))
    return batch, frames, positions, vocabulary


def _ragged(batch: Batch) -> Batch:
    """Every other utterance shorter, the last of them one frame and one label."""
    frames_B, labels_B = batch.frame_lengths_B.clone(), batch.label_lengths_B.clone()
    frames_B[1::2] -= frames_B[1::2] // 3
    labels_B[1::2] -= labels_B[1::2] // 4
    frames_B[-1], labels_B[-1] = 1, 1
    return Batch(*batch.trained, batch.labels_BU, frames_B, labels_B)


def _exact(batch: Batch) -> Batch:
    return Batch(*(tensor.detach().cpu().double().requires_grad_() for tensor in batch.trained),
                 batch.labels_BU.cpu(), batch.frame_lengths_B.cpu(), batch.label_lengths_B.cpu())


def _textbook(batch: Batch) -> Tensor:
    log_probs_BTPV = batch.logits().detach().log_softmax(-1)
    lengths = zip(batch.frame_lengths_B.tolist(), batch.label_lengths_B.tolist(), strict=True)
    return torch.tensor([plain_loss(log_probs_BTPV[row, :frames, :labels + 1].tolist(),
                                    batch.labels_BU[row, :labels].tolist())
                         for row, (frames, labels) in enumerate(lengths)], dtype=torch.float64)


def _error(found: Tensor, true: Tensor) -> float:
    return float((found.cpu().double() - true).abs().max() / true.abs().max())
