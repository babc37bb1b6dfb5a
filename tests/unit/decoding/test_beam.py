"""What becomes of hypotheses with the same labels."""

import math

import pytest
import torch

from evenvoice.decoding.beam import BeamMemory, Round, _merged, _with_tokens
from evenvoice.decoding.search import Token, Tokens
from evenvoice.models.predictor import PredictorState


def merged(probabilities: list[float], still_open: list[bool], hashes: list[int]) -> tuple[list[int], list[float]]:
    leaving_BW = torch.tensor([probabilities]).log()
    source_BW, total_BW = _merged(leaving_BW, torch.tensor([still_open]), torch.tensor([hashes]))
    return source_BW[0].tolist(), total_BW[0].exp().tolist()


def test_probabilities_are_added_and_the_times_of_the_more_probable_stay():
    source, total = merged([0.2, 0.5], [False, True], [7, 7])
    assert source[0] == 1
    assert total == pytest.approx([0.7, 0.0])
    source, total = merged([0.5, 0.2], [False, True], [7, 7])
    assert source[0] == 0
    assert total == pytest.approx([0.7, 0.0])


def test_other_labels_and_places_not_taken_are_left_alone():
    assert merged([0.2, 0.5], [False, True], [7, 8]) == ([0, 1], pytest.approx([0.2, 0.5]))
    assert merged([0.5, 0.0], [True, False], [0, 0]) == ([0, 1], pytest.approx([0.5, 0.0]))


def after_a_blank(*tails: Tokens) -> BeamMemory:
    width = len(tails)
    memory = BeamMemory(score_BW=torch.full((1, width), math.log(0.1)), hash_BW=torch.zeros(1, width, dtype=torch.long),
                        label_NJ=torch.zeros(width, 1), predictor=PredictorState(torch.zeros(width, 1)),
                        agreed=((),), tails=(tails,))
    blank_BW = torch.zeros(1, width, dtype=torch.long)
    return _with_tokens(memory, [Round(9, torch.arange(width)[None], blank_BW, torch.zeros(1, width))])


def test_tokens_that_all_hypotheses_share_are_settled():
    first, second, third = Token(1, 0, -0.1), Token(2, 3, -0.2), Token(3, 3, -0.3)
    memory = after_a_blank((first, second), (first, third), (first,))
    assert memory.agreed == ((first,),)
    assert memory.tails == (((second,), (third,), ()),)


def test_a_label_whose_time_is_still_open_is_not_settled():
    early, late = Token(1, 0, -0.1), Token(1, 2, -0.1)
    memory = after_a_blank((early,), (late, Token(2, 3, -0.2)))
    assert memory.agreed == ((),)
