"""Stems stream exactly, hear no frame too early, and cost what they say."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from evenvoice.models.shapes import ConformerShape, TransformerShape
from evenvoice.models.stem import ConvStem, built_stem, prime_factors
from tests.builders.models import tiny_recogniser

MELS, WIDTH = 5, 6


def frames(stack: int, count: int = 12) -> torch.Tensor:
    return torch.randn(2, count, stack * MELS, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("stack", [1, 2, 3, 4, 5, 6, 8])
@pytest.mark.parametrize("stem", ["linear", "conv"])
def test_any_stack_gives_one_frame_for_each_in_chunks_as_in_one_piece(stem, stack):
    built, whole_BTS = built_stem(stem, stack=stack, n_mels=MELS, width=WIDTH), frames(stack)
    state, said = built.initial_state(2), []
    for chunk_BTS in whole_BTS.split([1, 3, 2, 5, 1], dim=1):
        said_BTD, state = built.step(chunk_BTS, state)
        said.append(said_BTD)
    assert built(whole_BTS).shape == (2, 12, WIDTH)
    torch.testing.assert_close(torch.cat(said, dim=1), built(whole_BTS), atol=1e-6, rtol=0)


@pytest.mark.parametrize("stack", [2, 4, 6])
def test_the_last_log_mel_frame_of_an_encoder_frame_is_heard_in_it_and_not_before(stack):
    built, whole_BTS = ConvStem(stack=stack, n_mels=MELS, width=WIDTH), frames(stack)
    other_BTS = whole_BTS.clone()
    other_BTS[:, 7, -MELS:] += 1.0
    same_T = (built(whole_BTS) == built(other_BTS)).all(-1).all(0)
    assert same_T[:7].all()
    assert not same_T[7]


@pytest.mark.parametrize(("stack", "past_ms"), [(4, [10, 20]), (8, [10, 20, 40]), (6, [10, 20])])
def test_each_convolution_remembers_one_frame_of_its_own_length(stack, past_ms):
    built = ConvStem(stack=stack, n_mels=MELS, width=WIDTH)
    assert [past.past_BTD.shape[1] for past in built.initial_state(1)] == [1] * len(past_ms)
    assert len(built.convs) == len(past_ms)


@pytest.mark.parametrize("stack", [1, 4, 6])
@pytest.mark.parametrize("stem", ["linear", "conv"])
def test_costs_what_the_profiler_counts(stem, stack):
    built = built_stem(stem, stack=stack, n_mels=MELS, width=WIDTH)
    with FlopCounterMode(display=False) as counter:
        built(frames(stack)[:1, :3])
    assert 3 * built.macs_per_frame == counter.get_total_flops() / 2


def test_factors_multiply_to_the_number():
    assert {number: prime_factors(number) for number in (1, 2, 4, 6, 7, 8)} == {
        1: [], 2: [2], 4: [2, 2], 6: [2, 3], 7: [7], 8: [2, 2, 2]}


@pytest.mark.parametrize("encoder", ["conformer", "transformer"])
def test_a_model_from_before_there_was_a_choice_has_the_linear_stem_and_its_names(encoder):
    weights = tiny_recogniser(encoder=encoder).transducer.state_dict()
    assert weights["encoder.body.stem.weight"].shape == (16, 4 * 8)
    assert weights["encoder.body.stem.bias"].shape == (16,)
    for shape, kind in ((ConformerShape, "conformer"), (TransformerShape, "transformer")):
        assert shape.model_validate({"kind": kind, "width": 8, "blocks": 1}).stem == "linear"
