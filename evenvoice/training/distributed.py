"""Data parallel training as torchrun starts it; alone, every function here is the identity."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel


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

    def wrap(self, module: nn.Module, *, every_parameter_used: bool) -> nn.Module:
        """Give all processes the first one's weights and average their gradients from now on."""
        if self.size == 1:
            return module
        return DistributedDataParallel(module, find_unused_parameters=not every_parameter_used, broadcast_buffers=False)


@contextmanager
def process_group() -> Iterator[World]:
    """Join the processes that torchrun started, if it did, over NCCL with GPUs and gloo without."""
    together = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if together:
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield current_world()
    finally:
        if together:
            distributed.destroy_process_group()


def current_world() -> World:
    """The world this process has joined; a world of one if it has joined none."""
    if not distributed.is_initialized():
        return World(0, 1, _device(0))
    return World(distributed.get_rank(), distributed.get_world_size(), _device(int(os.environ.get("LOCAL_RANK", "0"))))


def _device(local_rank: int) -> torch.device:
    return torch.device("cuda", local_rank) if torch.cuda.is_available() else torch.device("cpu")
