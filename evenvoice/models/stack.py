"""Layers one behind the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from evenvoice.models.streaming import Layer


class Stack(Layer[tuple[Any, ...]]):
    """At least one layer; the state holds one entry for each."""

    def __init__(self, layers: Sequence[Layer[Any]]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.width = layers[-1].width
        self.macs_per_frame = sum(layer.macs_per_frame for layer in layers)

    def initial_state(self, batch: int) -> tuple[Any, ...]:
        """Return every layer's own beginning."""
        return tuple(layer.initial_state(batch) for layer in self._layers())

    def step(self, chunk_BTD: Tensor, state: tuple[Any, ...]) -> tuple[Tensor, tuple[Any, ...]]:
        """Pass a chunk through all layers."""
        after = []
        for layer, before in zip(self._layers(), state, strict=True):
            chunk_BTD, remembered = layer.step(chunk_BTD, before)
            after.append(remembered)
        return chunk_BTD, tuple(after)

    def _layers(self) -> list[Layer[Any]]:
        return [layer for layer in self.layers if isinstance(layer, Layer)]
