"""Streaming states as flat lists of named tensors, which is all that ONNX knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor


def named_tensors(state: Any, prefix: str) -> list[tuple[str, Tensor]]:
    """Tensors of nested dataclasses and tuples, in order, named by the way to them: ``state.0.conv.past_BTD``."""
    if isinstance(state, Tensor):
        return [(prefix, state)]
    return [found for name, part in _parts(state) for found in named_tensors(part, f"{prefix}.{name}")]


def rebuilt(like: Any, tensors: Iterator[Tensor]) -> Any:
    """A state of the form of ``like`` with other tensors in it."""
    if isinstance(like, Tensor):
        return next(tensors)
    parts = [rebuilt(part, tensors) for _, part in _parts(like)]
    return tuple(parts) if isinstance(like, tuple) else type(like)(*parts)


def _parts(state: Any) -> list[tuple[str, Any]]:
    if is_dataclass(state):
        return [(field.name, getattr(state, field.name)) for field in fields(state)]
    return [(str(place), part) for place, part in enumerate(state)]
