"""Pieces of Conformer and Transformer compiled for a GPU: a dozen operations over the same numbers become one kernel.

Feed-forwards and convolution modules are compiled, whose lengths are free: one compilation serves all blocks and all
batches. Attention is one kernel already, and an LSTM is cuDNN's. What is compiled belongs to the training alone:
weights, their names and what is saved stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import nn

from evenvoice.losses.transducer.faster import Faster
from evenvoice.models.conformer import ConvModule
from evenvoice.models.feed_forward import FeedForward

COMPILED: Final = Faster("compiled pieces of the encoder")
_METHODS: Final[dict[type[nn.Module], str]] = {FeedForward: "forward", ConvModule: "step"}
_TRIED: Final = ((3, 40), (5, 61))
"""Utterances and frames: two sizes, since a compiler takes what never changes for a constant."""


@contextmanager
def quickened(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Within, pieces of ``model`` run compiled where the device is a GPU and compiling works; else as they are."""
    pieces = [(module, _METHODS[type(module)]) for module in model.modules() if type(module) in _METHODS]
    if device.type != "cuda" or not pieces or not COMPILED.attempt(lambda: _works(model, device), lambda: False):
        yield
        return
    with replaced(pieces):
        yield


@contextmanager
def replaced(pieces: list[tuple[nn.Module, str]]) -> Iterator[None]:
    """Within, these methods are compiled."""
    try:
        for module, method in pieces:
            setattr(module, method, _compiled(getattr(module, method)))
        yield
    finally:
        for module, method in pieces:
            module.__dict__.pop(method, None)


def _compiled(method: Callable[..., Any]) -> Callable[..., Any]:
    fast = torch.compile(method, dynamic=True, fullgraph=True)
    return lambda *inputs: COMPILED.attempt(lambda: fast(*inputs), lambda: method(*inputs))


def _works(model: nn.Module, device: torch.device) -> bool:
    """Go forward and back through one piece of each kind; raises what the compiler raises."""
    firsts = {type(module): module for module in reversed(list(model.modules())) if type(module) in _METHODS}
    with replaced([(module, _METHODS[kind]) for kind, module in firsts.items()]):
        for sizes in _TRIED:
            for module in firsts.values():
                _tried(module, sizes, device)
    return not COMPILED.given_up


def _tried(module: nn.Module, sizes: tuple[int, int], device: torch.device) -> None:
    width = next(module.parameters()).shape[0]
    chunk_BTD = torch.zeros(*sizes, width, device=device, requires_grad=True)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"), torch.enable_grad():
        if isinstance(module, ConvModule):
            said_BTD, _ = module.step(chunk_BTD, module.initial_state(sizes[0]))
        else:
            said_BTD = module.forward(chunk_BTD)
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    torch.autograd.grad(said_BTD.float().sum(), [chunk_BTD, *trained])
