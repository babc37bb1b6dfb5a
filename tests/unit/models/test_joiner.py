"""The joiner scores a pair as the loss does."""

import torch

from evenvoice.losses.rnnt import rnnt
from evenvoice.models.joiner import Joiner


def test_the_loss_of_one_frame_without_labels_is_that_of_the_score_of_blank():
    torch.manual_seed(0)
    joiner = Joiner(encoder_width=4, predictor_width=3, width=8, vocabulary=6).double()
    frame, label = (projection(torch.randn(2, 1, projection.in_features, dtype=torch.float64))
                    for projection in (joiner.frame, joiner.label))
    losses = rnnt(frame, label, joiner.output.weight, joiner.output.bias, torch.empty(2, 0, dtype=torch.long),
                  torch.tensor([1, 1]), torch.tensor([0, 0]))
    torch.testing.assert_close(losses, -joiner.score(frame[:, 0], label[:, 0]).log_softmax(-1)[:, 0])
