"""Recognisers: streaming encoders by name, the predictor and joiner that make them transducers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from evenvoice.models.convlstm import ConvLstm
from evenvoice.models.streaming import Encoder
from evenvoice.params import Encoder as Settings

ENCODERS: Final[Mapping[str, type[ConvLstm]]] = MappingProxyType({"convlstm": ConvLstm})
"""Every encoder that ``train.encoder.name`` may name; each passes the battery in tests/unit/models."""


def build_encoder(settings: Settings, *, n_mels: int, dropout: float) -> Encoder[Any]:
    """Build the encoder that ``settings`` names, with random weights from torch's generator."""
    return ENCODERS[settings.name](settings=settings, n_mels=n_mels, dropout=dropout)
