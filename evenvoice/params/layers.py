"""Parameters from one file, one mapping, or several layers of which each is laid over those before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from evenvoice.params.refusals import check
from evenvoice.params.root import Params
from evenvoice.settings import Layer, read_settings


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and validate params.yaml.

    Raises:
        ParamsError: not YAML, a missing or unknown name, or a value out of its range; with the line.
    """
    layer = read_settings(path)
    return check(Params, layer.content, layer)


def parse_params(content: Any, source: str) -> Params:
    """Validate a mapping; every broken rule becomes one :class:`ParamsError` naming the dotted field."""
    return check(Params, content, Layer(source, content))


def settle(layers: Iterable[Layer]) -> dict[str, Any]:
    """Lay each layer over those before it.

    Raises:
        ParamsError: a layer leaves parameters that break a rule; it names that layer, and where the value stands in it.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = overlay(merged, layer.content)
        check(Params, merged, layer)
    return merged


def overlay(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Lay the values of a profile over params.yaml, section by section."""
    merged = dict(base)
    for name, value in changes.items():
        below = merged.get(name)
        merged[name] = overlay(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged
