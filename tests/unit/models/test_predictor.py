"""The predictor sees the labels so far and nothing else."""

import pytest
import torch

from evenvoice.models.predictor import Predictor

LABELS_BU = torch.tensor([[3, 1, 4, 1, 5, 2, 6]])


def built() -> Predictor:
    torch.manual_seed(0)
    return Predictor(vocabulary=8, width=6, dropout=0.5).eval()


@pytest.mark.parametrize("size", [1, 3, 7])
def test_chunks_give_what_the_whole_gives(size):
    predictor = built()
    state, outputs = predictor.initial_state(1), []
    for chunk in LABELS_BU.split(size, dim=1):
        output, state = predictor.step(chunk, state)
        outputs.append(output)
    torch.testing.assert_close(torch.cat(outputs, dim=1), predictor(LABELS_BU))


def test_the_first_prediction_rests_on_no_label():
    predictor = built()
    started = predictor.start(LABELS_BU)
    assert started.shape == (1, 8, 6)
    torch.testing.assert_close(started[:, :1], predictor.start(torch.empty(1, 0, dtype=torch.long)))


def test_a_label_matters_for_the_next_two_predictions_and_for_no_other():
    predictor, other_BU = built(), LABELS_BU.clone()
    other_BU[0, 2] = 7
    same_U = (predictor.start(LABELS_BU) == predictor.start(other_BU)).all(-1)[0]
    assert same_U.tolist() == [True, True, True, False, False, True, True, True]


def test_a_choice_of_states_is_made_utterance_by_utterance():
    predictor = built()
    before = predictor.initial_state(2)
    _, after = predictor.step(torch.tensor([[3], [4]]), before)
    mixed = after.where(torch.tensor([True, False]), before)
    assert mixed.labels_BC[0].tolist() == [3]
    assert mixed.labels_BC[1].tolist() == [predictor.blank]
