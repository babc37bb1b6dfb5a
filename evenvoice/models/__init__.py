"""Recognisers: streaming encoders by name, the predictor and joiner that make them transducers."""

from __future__ import annotations

from typing import Any

from evenvoice.models.amortized import AmortizedTransformer
from evenvoice.models.conformer import Conformer
from evenvoice.models.contextnet import ContextNet
from evenvoice.models.convrnnt import ConvRnnt
from evenvoice.models.encoder import Encoder
from evenvoice.models.lstm import Lstm
from evenvoice.models.separator import Separator
from evenvoice.models.shapes import (
    Architecture,
    ConformerShape,
    ConvRnntShape,
    LstmShape,
    TransformerShape,
)
from evenvoice.models.streaming import Layer
from evenvoice.models.transformer import Transformer


def build_encoder(architecture: Architecture, cohorts: int = 0) -> Encoder:
    """Build the encoder that ``architecture`` describes, with random weights from torch's generator.

    It can be told so many ``cohorts`` apart; 0 takes no heed of them.
    """
    shape = architecture.separator
    separator = None if shape is None else Separator(shape, architecture.stack * architecture.n_mels)
    return Encoder(_body(architecture), stack=architecture.stack, n_mels=architecture.n_mels,
                   lookahead=architecture.lookahead, cohorts=cohorts, separator=separator)


def _body(architecture: Architecture) -> Layer[Any]:
    shape, dropout = architecture.encoder, architecture.dropout
    stack, n_mels = architecture.stack, architecture.n_mels
    inputs = stack * n_mels
    if isinstance(shape, LstmShape):
        return Lstm(shape, inputs=inputs, dropout=dropout)
    if isinstance(shape, ConvRnntShape):
        return ConvRnnt(shape, inputs=inputs, dropout=dropout)
    if isinstance(shape, ConformerShape):
        return Conformer(shape, stack=stack, n_mels=n_mels, dropout=dropout)
    if isinstance(shape, TransformerShape):
        if shape.gates is None:
            return Transformer(shape, stack=stack, n_mels=n_mels, dropout=dropout)
        return AmortizedTransformer(shape, stack=stack, n_mels=n_mels, dropout=dropout)
    return ContextNet(shape, inputs=inputs, dropout=dropout)
