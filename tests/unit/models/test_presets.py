"""Every name in params.yaml builds, and encoders of one size are of one size."""

from typing import get_args

import pytest
import torch

from evenvoice.models.presets import PRESETS, architecture
from evenvoice.models.shapes import Architecture
from evenvoice.models.transducer import Transducer
from evenvoice.params import Train, load_params

SIZES = {"tiny": 25e3, "1.5M": 1.5e6, "10M": 10e6, "30M": 30e6, "85M": 85e6}


def built(size: str, encoder: str) -> Transducer:
    """Without memory for its weights."""
    train = load_params().train.model_copy(update={"size": size, "encoder": encoder})
    with torch.device("meta"):
        return Transducer(architecture(train, n_mels=64, vocabulary=PRESETS[size].vocabulary))


def test_params_offer_exactly_the_sizes_and_encoders_there_are():
    assert get_args(Train.model_fields["size"].annotation) == tuple(PRESETS)
    for preset in PRESETS.values():
        assert get_args(Train.model_fields["encoder"].annotation) == tuple(preset.encoders)


@pytest.mark.parametrize("size", SIZES)
def test_encoders_of_one_size_differ_by_less_than_three_percent(size):
    counts = [built(size, encoder).parameter_count for encoder in PRESETS[size].encoders]
    assert max(counts) < 1.03 * min(counts)
    assert sum(counts) / len(counts) == pytest.approx(SIZES[size], rel=0.02)


@pytest.mark.parametrize("size", SIZES)
def test_encoders_of_one_size_are_of_one_size_with_convolutional_stems_as_well(size):
    preset, counts = PRESETS[size], []
    for shape in preset.encoders.values():
        stem = {"stem": "conv"} if "stem" in type(shape).model_fields else {}
        architecture = Architecture(encoder=shape.model_copy(update=stem), stack=4, lookahead=0, dropout=0.0, n_mels=64,
                                    vocabulary=preset.vocabulary, predictor_width=preset.predictor_width,
                                    joiner_width=preset.joiner_width)
        with torch.device("meta"):
            counts.append(Transducer(architecture).parameter_count)
    assert max(counts) < 1.03 * min(counts)


@pytest.mark.parametrize("size", ["1.5M", "10M", "30M", "85M"])
def test_the_lstm_costs_what_convrnnt_costs_so_one_control_serves_parameters_and_macs(size):
    costs = [built(size, encoder).encoder.macs_per_frame for encoder in ("lstm", "convrnnt")]
    assert costs[0] == pytest.approx(costs[1], rel=0.03)
