"""The joiner against the plain formula it computes without making its large tensor."""

import torch

from evenvoice.models.joiner import Joiner

B, T, U, V = 3, 7, 5, 6
FRAMES, LABELS = torch.tensor([7, 4, 1]), torch.tensor([4, 2, 0])


def built() -> tuple[Joiner, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    joiner = Joiner(encoder_width=4, predictor_width=3, width=8, vocabulary=V).double()
    return (joiner, torch.randn(B, T, 4, dtype=torch.float64, requires_grad=True),
            torch.randn(B, U, 3, dtype=torch.float64, requires_grad=True))


def plain(joiner: Joiner, encoded_BTD: torch.Tensor, predicted_BUP: torch.Tensor) -> torch.Tensor:
    logits_BTUV = joiner.score(joiner.frame(encoded_BTD)[:, :, None], joiner.label(predicted_BUP)[:, None])
    real_BTU = ((torch.arange(T)[None, :, None] < FRAMES[:, None, None])
                & (torch.arange(U)[None, None, :] <= LABELS[:, None, None]))
    return torch.where(real_BTU[..., None], logits_BTUV, 0.0)


def test_scores_are_those_of_the_formula_and_zero_in_the_padding():
    joiner, encoded, predicted = built()
    torch.testing.assert_close(joiner(encoded, predicted, FRAMES, LABELS), plain(joiner, encoded, predicted))


def test_gradients_are_those_of_the_formula():
    joiner, encoded, predicted = built()
    upstream_BTUV = torch.randn(B, T, U, V, dtype=torch.float64)
    inputs = (encoded, predicted, *joiner.parameters())
    found = torch.autograd.grad(joiner(encoded, predicted, FRAMES, LABELS), inputs, upstream_BTUV)
    expected = torch.autograd.grad(plain(joiner, encoded, predicted), inputs, upstream_BTUV)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
