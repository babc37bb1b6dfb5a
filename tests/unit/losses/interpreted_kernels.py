"""Triton's kernels, interpreted on a processor, against the code that a processor runs.

Triton interprets where TRITON_INTERPRET is set before it is imported. So test_kernels.py runs this file in a process of
its own.
"""

from __future__ import annotations

import math

import pytest
import torch

from evenvoice.losses.rnnt import rnnt
from evenvoice.losses.transducer import lattice, lattice_kernel, scoring
from evenvoice.losses.transducer.lattice import Arcs, Lengths, align, delayed, within
from evenvoice.losses.transducer.reference import plain_loss
from evenvoice.losses.transducer.scoring import Emitted, Evaluator, Joint, Scores
from evenvoice.losses.transducer.scoring_kernel import KernelEvaluator
from evenvoice.losses.transducer.timing import Timing
from evenvoice.losses.transducer.windows import Windows

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy, of branches that are not taken

SIZES = [(1, 0), (1, 1), (1, 3), (2, 0), (2, 2), (3, 4), (4, 1), (5, 3)]
"""Frames and labels, with more labels than frames, one frame and empty targets among them."""


def scored(sizes: list[tuple[int, int]], *, scale: float = 1.0, kind: torch.dtype = torch.float64,
           seed: int = 0) -> tuple[torch.Tensor, Lengths]:
    """Log-probabilities (B, T, P, 3) of blank, the next label and another one; lengths."""
    generator = torch.Generator().manual_seed(seed)
    frames, labels = (max(size) for size in zip(*sizes, strict=True))
    drawn = scale * torch.randn(len(sizes), frames, labels + 1, 3, generator=generator, dtype=torch.float64)
    return drawn.log_softmax(-1).to(kind), Lengths(*map(torch.tensor, zip(*sizes, strict=True)))


def arcs_of(log_probs_BTP3: torch.Tensor) -> Arcs:
    return Arcs(log_probs_BTP3[..., 0], log_probs_BTP3[..., 1])


def assert_aligned_alike(log_probs_BTP3: torch.Tensor, lengths: Lengths, penalty: float = 0.0) -> None:
    likelihood_B, shares = lattice_kernel.align(arcs_of(log_probs_BTP3), lengths, penalty)
    true_B, true_shares = align(delayed(within(arcs_of(log_probs_BTP3), lengths), lengths, penalty), lengths)
    torch.testing.assert_close(likelihood_B, true_B, rtol=1e-12, atol=1e-12)
    for found, true in zip(shares, true_shares, strict=True):
        torch.testing.assert_close(found, true, rtol=1e-9, atol=1e-13)


def test_the_kernels_likelihood_is_that_of_the_textbook_recursion():
    log_probs_BTP3, lengths = scored(SIZES)
    likelihood_B, _ = lattice_kernel.align(arcs_of(log_probs_BTP3), lengths, 0.0)
    for row, (frames, labels) in enumerate(SIZES):
        true = plain_loss(log_probs_BTP3[row, :frames, :labels + 1].tolist(), [1] * labels)
        assert -likelihood_B[row].item() == pytest.approx(true, rel=1e-12)


@pytest.mark.parametrize("penalty", [0.0, 0.1, -0.3])
@pytest.mark.parametrize("kind", [torch.float64, torch.float32])
def test_the_kernel_aligns_as_the_diagonals_do(penalty, kind):
    assert_aligned_alike(*scored(SIZES, kind=kind), penalty)


@pytest.mark.parametrize(("sizes", "scale"), [
    ([(1, 0)], 1.0), ([(7, 0)], 1.0), ([(1, 9)], 1.0), ([(60, 1), (40, 150)], 1.0), ([(30, 5)], 300.0),
    ([(20, 20)], 1e5)])
def test_odd_shapes_and_extreme_scores_align_alike(sizes, scale):
    assert_aligned_alike(*scored(sizes, scale=scale))


def test_an_utterance_without_any_alignment_has_no_likelihood_and_no_shares():
    log_probs_BTP3, lengths = scored([(3, 2), (3, 2)])
    log_probs_BTP3[0, :, 1, 1] = -math.inf  # the second label never comes
    assert_aligned_alike(log_probs_BTP3, lengths)
    likelihood_B, shares = lattice_kernel.align(arcs_of(log_probs_BTP3), lengths, 0.0)
    assert likelihood_B[0] == -math.inf
    assert not any(share_BTP[0].any() for share_BTP in shares)


def test_what_is_not_a_number_shows_in_its_own_utterance_alone():
    log_probs_BTP3, lengths = scored([(3, 2), (3, 2)])
    log_probs_BTP3[1, 1, 1, 0] = math.nan
    likelihood_B, shares = lattice_kernel.align(arcs_of(log_probs_BTP3), lengths, 0.0)
    assert likelihood_B.isnan().tolist() == [False, True]
    assert shares.blank_BTP.isnan().any((1, 2)).tolist() == [False, True]


def test_padding_is_not_read():
    log_probs_BTP3, lengths = scored([(3, 2), (5, 4)])
    before = lattice_kernel.align(arcs_of(log_probs_BTP3), lengths, 0.0)
    log_probs_BTP3[0, 3:], log_probs_BTP3[0, :, 3:] = math.nan, math.nan
    after = lattice_kernel.align(arcs_of(log_probs_BTP3), lengths, 0.0)
    torch.testing.assert_close(after, before, rtol=0, atol=0)


def joint_of(width: int, vocabulary: int) -> tuple[Joint, Emitted, Windows]:
    """Three utterances of up to 7 frames and 5 labels; one label of the vocabulary is impossible."""
    generator = torch.Generator().manual_seed(1)
    joint = Joint(*(torch.randn(shape, generator=generator)
                    for shape in ((3 * 7, width), (3 * 6, width), (vocabulary, width), (vocabulary,))))
    joint.bias_V[-1] = -math.inf
    labels_P = torch.randint(0, vocabulary - 1, (3 * 6,), generator=generator)
    lengths = Lengths(torch.tensor([7, 4, 1]), torch.tensor([5, 5, 0]))
    return joint, Emitted(2, labels_P), Windows.all(lengths, 7, 6)


@pytest.mark.parametrize(("width", "vocabulary"), [(5, 3), (130, 40), (16, 1500)])
@pytest.mark.parametrize("nodes", [None, 6])
def test_fused_kernels_score_and_derive_as_plain_operations_do(monkeypatch, width, vocabulary, nodes):
    if nodes is not None:  # a block for each frame
        monkeypatch.setattr(scoring, "CPU_NUMBERS", nodes * max(width, vocabulary))
    joint, emitted, windows = joint_of(width, vocabulary)
    found, true = (kind(joint, emitted, windows, "plain").scores() for kind in (KernelEvaluator, Evaluator))
    assert_scores_close(found, true)
    generator = torch.Generator().manual_seed(2)
    weights = Arcs(*(torch.randn(true.normaliser_BTP.shape, generator=generator) for _ in range(2)))
    for one, other in zip(*(kind(joint, emitted, windows, "plain").derivatives(true.normaliser_BTP, weights)
                            for kind in (KernelEvaluator, Evaluator)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def assert_scores_close(found: Scores, true: Scores) -> None:
    for one, other in zip((*found.arcs, found.normaliser_BTP), (*true.arcs, true.normaliser_BTP), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("timed", [False, True])
def test_the_loss_by_kernels_is_the_loss_in_float64(monkeypatch, timed):
    sizes = [(9, 6), (4, 6), (9, 0)]
    generator = torch.Generator().manual_seed(3)
    joint = [torch.randn(shape, generator=generator) for shape in ((3, 9, 8), (3, 7, 8), (11, 8), (11,))]
    rest = torch.randint(1, 11, (3, 6), generator=generator), *map(torch.tensor, zip(*sizes, strict=True))
    due_BU = torch.where(torch.rand(3, 6, generator=generator) < 0.5, 2.5, math.nan)
    timing = Timing(due_BU=due_BU, late=0.7, early=0.4, buffer=1.0) if timed else None
    used = []
    for module in (lattice, scoring):
        monkeypatch.setattr(module, "has_kernels", lambda tensor: used.append(tensor) or tensor.dtype != torch.float64)

    def loss_and_gradients(kind):
        inputs = [tensor.to(kind).requires_grad_() for tensor in joint]
        losses_B = rnnt(*inputs, *rest, fastemit=0.1, delay_penalty=0.2, timing=timing)
        return losses_B.detach().double(), [one.double() for one in torch.autograd.grad(losses_B.sum(), inputs)]

    found, true = loss_and_gradients(torch.float32), loss_and_gradients(torch.float64)
    assert used
    assert (lattice.KERNEL.given_up, scoring.KERNELS.given_up) == ("", "")
    torch.testing.assert_close(found, true, rtol=1e-4, atol=1e-5)
