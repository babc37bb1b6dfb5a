"""Sizes of recognisers by name: within one size all encoders have the same number of parameters, within 3 %.

Counted with the vocabulary that each size is meant for. In the encoders without attention every weight is used once
per encoder frame, so equal parameters are equal multiply-accumulates as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from evenvoice.models.shapes import (
    Architecture,
    ConformerShape,
    ContextNetShape,
    ConvRnntShape,
    EncoderShape,
    LstmShape,
    TransformerShape,
)
from evenvoice.params import Train


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One size: the widths that all encoders share, and the shape of each encoder."""

    vocabulary: int
    """Units that parameters were matched for."""
    predictor_width: int
    joiner_width: int
    encoders: Mapping[str, EncoderShape]


def _convrnnt(channels: int, lstm_width: int, lstm_layers: int) -> ConvRnntShape:
    return ConvRnntShape(channels=channels, lstm_width=lstm_width, lstm_layers=lstm_layers)


def _local(channels: int, lstm_width: int, lstm_layers: int) -> ConvRnntShape:
    return ConvRnntShape(channels=channels, lstm_width=lstm_width, lstm_layers=lstm_layers, global_blocks=0)


def _global(channels: int, lstm_width: int, lstm_layers: int) -> ConvRnntShape:
    return ConvRnntShape(channels=channels, lstm_width=lstm_width, lstm_layers=lstm_layers, local_layers=0)


PRESETS: Final[Mapping[str, Preset]] = MappingProxyType({
    "tiny": Preset(vocabulary=32, predictor_width=32, joiner_width=32, encoders={
        "lstm": LstmShape(width=26, layers=2),
        "convrnnt": ConvRnntShape(channels=16, lstm_width=32, lstm_layers=1, local_layers=1, global_blocks=2),
        "convrnnt-local": ConvRnntShape(channels=21, lstm_width=32, lstm_layers=1, local_layers=1, global_blocks=0),
        "convrnnt-global": ConvRnntShape(channels=18, lstm_width=33, lstm_layers=1, local_layers=0, global_blocks=2),
        "conformer": ConformerShape(width=22, blocks=1, heads=2, window=8),
        "transformer": TransformerShape(width=22, blocks=2, heads=2, window=8),
        "contextnet": ContextNetShape(width=37, blocks=2, layers=2, kernel=3)}),
    "1.5M": Preset(vocabulary=32, predictor_width=128, joiner_width=192, encoders={
        "lstm": LstmShape(width=284, layers=2),
        "convrnnt": _convrnnt(128, 256, 1),
        "convrnnt-local": _local(188, 264, 1),
        "convrnnt-global": _global(168, 264, 1),
        "conformer": ConformerShape(width=120, blocks=4),
        "transformer": TransformerShape(width=136, blocks=6),
        "contextnet": ContextNetShape(width=222, blocks=8)}),
    "10M": Preset(vocabulary=512, predictor_width=320, joiner_width=384, encoders={
        "lstm": LstmShape(width=600, layers=3),
        "convrnnt": _convrnnt(256, 584, 2),
        "convrnnt-local": _local(412, 560, 2),
        "convrnnt-global": _global(368, 560, 2),
        "conformer": ConformerShape(width=220, blocks=8),
        "transformer": TransformerShape(width=272, blocks=10),
        "contextnet": ContextNetShape(width=512, blocks=10)}),
    "30M": Preset(vocabulary=1024, predictor_width=512, joiner_width=512, encoders={
        "lstm": LstmShape(width=816, layers=5),
        "convrnnt": _convrnnt(360, 800, 4),
        "convrnnt-local": _local(580, 784, 4),
        "convrnnt-global": _global(512, 784, 4),
        "conformer": ConformerShape(width=316, blocks=12),
        "transformer": TransformerShape(width=432, blocks=12),
        "contextnet": ContextNetShape(width=760, blocks=14)}),
    "85M": Preset(vocabulary=1024, predictor_width=640, joiner_width=640, encoders={
        "lstm": LstmShape(width=1288, layers=6),
        "convrnnt": _convrnnt(568, 1264, 5),
        "convrnnt-local": _local(920, 1248, 5),
        "convrnnt-global": _global(816, 1248, 5),
        "conformer": ConformerShape(width=504, blocks=14, heads=8),
        "transformer": TransformerShape(width=696, blocks=14, heads=8),
        "contextnet": ContextNetShape(width=1168, blocks=18)}),
})


def architecture(train: Train, *, n_mels: int, vocabulary: int) -> Architecture:
    """Return what ``train`` names, for so many mel bands and units."""
    preset = PRESETS[train.size]
    return Architecture(encoder=preset.encoders[train.encoder], stack=train.stack, lookahead=train.lookahead,
                        predictor_width=preset.predictor_width, joiner_width=preset.joiner_width,
                        dropout=train.dropout, n_mels=n_mels, vocabulary=vocabulary)
