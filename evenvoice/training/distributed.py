"""Data parallel training as torchrun starts it; alone, every function here is the identity."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from evenvoice.errors import PreflightError, TransientError

SILENT_FOR: Final = timedelta(minutes=5)
"""A machine that vanished sends no word; after so long without one from it, training ends. Longer than any checkpoint
takes to be written."""
PR_SET_PDEATHSIG: Final = 1
"""Of Linux' prctl: the signal that a process gets when its parent ends."""


@dataclass(frozen=True)
class World:
    """The processes that train together, and this one's place among them."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this process reports and writes."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """Sum over all processes."""
        if self.size > 1:
            tensor = tensor.clone()
            distributed.all_reduce(tensor)
        return tensor

    def largest(self, value: float) -> float:
        """Largest of all processes' values."""
        if self.size == 1:
            return value
        found = torch.tensor(value, dtype=torch.float64, device=self.device)
        distributed.all_reduce(found, distributed.ReduceOp.MAX)
        return float(found)

    def gathered(self, numbers: Sequence[int]) -> list[list[int]]:
        """Numbers of all processes, which have equally many, by rank."""
        if self.size == 1:
            return [[*numbers]]
        own = torch.tensor(numbers, device=self.device)
        found = [torch.empty_like(own) for _ in range(self.size)]
        distributed.all_gather(found, own)
        return [one.tolist() for one in found]

    def broadcast(self, content: bytes) -> bytes:
        """Return what the first process has; the others' ``content`` does not count."""
        if self.size == 1:
            return content
        length = torch.tensor([len(content)], device=self.device)
        distributed.broadcast(length, 0)
        if int(length) == 0:
            return b""
        buffer = torch.frombuffer(bytearray(content), dtype=torch.uint8) if self.is_main else (
            torch.empty(int(length), dtype=torch.uint8))
        buffer = buffer.to(self.device)
        distributed.broadcast(buffer, 0)
        return buffer.cpu().numpy().tobytes()

    def wrap(self, module: nn.Module, *, every_parameter_used: bool) -> nn.Module:
        """Give all processes the first one's weights and average their gradients from now on."""
        if self.size == 1:
            return module
        return DistributedDataParallel(module, find_unused_parameters=not every_parameter_used, broadcast_buffers=False)


@contextmanager
def process_group() -> Iterator[World]:
    """Join the processes that torchrun started, if it did, over NCCL with GPUs and gloo without; leave together.

    Raises:
        TransientError: another process ended or cannot be reached any more.
        PreflightError: fewer GPUs here than processes.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield current_world()
        return
    _end_with_torchrun()
    device = _device(int(os.environ["LOCAL_RANK"]))
    if device.type == "cuda":
        torch.cuda.set_device(device)
    try:
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=SILENT_FOR)
        yield current_world()
        # An end of one that torchrun does not like ends all of them: none may go while another still writes. Gloo's
        # threads, which outlive the group where DistributedDataParallel was used, let go of Python's tensors meanwhile.
        distributed.barrier()
    except RuntimeError as error:
        if not _is_about_the_connection(error):
            raise
        raise TransientError(name=f"process {os.environ['RANK']} of {os.environ['WORLD_SIZE']}",
                             rule="stay connected with the others", value=" ".join(str(error).split())[:300],
                             action="Another one ended, see its output; started again, training resumes from the "
                                    "latest checkpoint.") from error
    distributed.destroy_process_group()


def _is_about_the_connection(error: RuntimeError) -> bool:
    """Gloo raises nothing more special than RuntimeError."""
    return isinstance(error, distributed.DistError) or "gloo" in str(error)


def _end_with_torchrun() -> None:
    """A training whose torchrun was killed would go on, and write beside the one that takes its place."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def current_world() -> World:
    """The world this process has joined; a world of one if it has joined none."""
    if not distributed.is_initialized():
        return World(0, 1, _device(0))
    return World(distributed.get_rank(), distributed.get_world_size(), _device(int(os.environ.get("LOCAL_RANK", "0"))))


def _device(local_rank: int) -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    if local_rank >= torch.cuda.device_count():
        raise PreflightError(name="GPUs of this machine", rule=f"be at least {local_rank + 1}, one per process",
                             value=torch.cuda.device_count(),
                             action="Lower train.processes, or start torchrun on more machines.")
    return torch.device("cuda", local_rank)
