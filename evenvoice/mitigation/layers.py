"""The layers of every encoder, counted from the sound, by the names of their parameters.

| encoder | before layer 1 | layers |
| --- | --- | --- |
| lstm | stem and norm | one for each LSTM layer |
| convrnnt | stem | the branches of convolutions, what joins them and the norm behind it; then one for each LSTM layer |
| conformer, transformer, contextnet | stem | one for each block, its arbitrators included |

An arbitrator that decides for all blocks stands before layer 1. A norm behind the last layer belongs to none, and
neither do predictor, joiner and CTC head.
"""

from __future__ import annotations

from typing import Final

from torch import nn

from evenvoice.errors import ParamsError
from evenvoice.models.amortized import AmortizedTransformer
from evenvoice.models.conformer import Conformer
from evenvoice.models.contextnet import ContextNet
from evenvoice.models.convrnnt import ConvRnnt
from evenvoice.models.lstm import Lstm, LstmStack
from evenvoice.models.transducer import Transducer
from evenvoice.models.transformer import Transformer

Parts = list[list[nn.Parameter]]
"""What stands before layer 1, then each layer."""
SETTING: Final = "arms.frozen.below"


def parameters_below(transducer: Transducer, layer: int) -> frozenset[str]:
    """Names of the encoder's parameters below ``layer``, as the transducer calls them.

    Raises:
        ParamsError: the encoder has no such layer.
    """
    parts = _parts(transducer.encoder.body)
    if layer >= len(parts):
        raise ParamsError(name=SETTING, rule=f"be a layer of the encoder, 1 to {len(parts) - 1}", value=layer,
                          action="Choose one of these.")
    below = {id(parameter) for part in parts[:layer] for parameter in part}
    return frozenset(name for name, parameter in transducer.named_parameters() if id(parameter) in below)


def _parts(body: nn.Module) -> Parts:
    if isinstance(body, Lstm):
        return [_of(body.stem, body.stack.norm_in), *_lstm_layers(body.stack)]
    if isinstance(body, ConvRnnt):
        return [_of(body.stem), _of(body.branches, body.join, body.lstm.norm_in), *_lstm_layers(body.lstm)]
    if isinstance(body, AmortizedTransformer):
        return [_of(body.stem, *body.arbitrators), *(_of(block) for block in body.blocks.layers)]
    if isinstance(body, Conformer | Transformer | ContextNet):
        return [_of(body.stem), *(_of(block) for block in body.blocks.layers)]
    raise ParamsError(name=SETTING, rule="be a layer of an encoder whose layers are known", value=type(body).__name__,
                      action="Leave the arm out, or describe the encoder in evenvoice/mitigation/layers.py.")


def _lstm_layers(stack: LstmStack) -> Parts:
    """PyTorch names an LSTM's weights by their layer: weight_ih_l0, bias_hh_l1."""
    return [[parameter for name, parameter in stack.lstm.named_parameters() if name.endswith(f"_l{layer}")]
            for layer in range(stack.lstm.num_layers)]


def _of(*modules: nn.Module) -> list[nn.Parameter]:
    return [parameter for module in modules for parameter in module.parameters()]
