"""The transducer loss against enumeration of all alignments, and what it must not depend on."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evenvoice.errors import ShapeError
from evenvoice.losses.transducer import transducer_loss
from evenvoice.losses.transducer_reference import enumerated_loss, plain_loss

SIZES = [(1, 0), (1, 1), (1, 3), (2, 0), (2, 2), (3, 4), (4, 1), (5, 3)]
"""Frames and labels, with more labels than frames, one frame and empty targets among them."""


def made_batch(sizes, vocabulary=5, seed=0, dtype=torch.float64, scale=2.0):
    generator = torch.Generator().manual_seed(seed)
    frames, labels = (max(size) for size in zip(*sizes, strict=True))
    logits = scale * torch.randn(len(sizes), frames, labels + 1, vocabulary, generator=generator, dtype=dtype)
    targets = torch.randint(1, vocabulary, (len(sizes), labels), generator=generator)
    return logits, targets, *map(torch.tensor, zip(*sizes, strict=True))


def reference_losses(logits, targets, sizes, loss=enumerated_loss, blank=0):
    log_probs = logits.detach().double().log_softmax(dim=-1)
    return torch.tensor([loss(log_probs[row, :frames, :labels + 1].tolist(), targets[row, :labels].tolist(), blank)
                         for row, (frames, labels) in enumerate(sizes)], dtype=torch.float64)


def gradient(logits, *rest, **named):
    logits = logits.detach().clone().requires_grad_()
    transducer_loss(logits, *rest, **named).sum().backward()
    return logits.grad


def assert_close(actual, expected, rtol=1e-7, atol=0.0):
    np.testing.assert_allclose(actual.detach().double().numpy(), expected.detach().double().numpy(), rtol, atol)


def test_one_frame_and_one_label_is_label_then_blank():
    logits = torch.tensor([[[[0.0, 1.0]], [[3.0, 0.0]]]], dtype=torch.float64).permute(0, 2, 1, 3)
    label, blank = 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(-3))
    loss = transducer_loss(logits, torch.tensor([[1]]), torch.tensor([1]), torch.tensor([1]))
    assert loss.item() == pytest.approx(-math.log(label * blank))


def test_equal_chances_count_the_alignments():
    # 4 frames and 2 labels: the last blank is fixed, so 5 choose 2 orders of 6 symbols out of 3 each
    loss = transducer_loss(torch.zeros(1, 4, 3, 3, dtype=torch.float64), torch.tensor([[1, 2]]), torch.tensor([4]),
                           torch.tensor([2]))
    assert loss.item() == pytest.approx(6 * math.log(3) - math.log(math.comb(5, 2)))


def test_a_batch_of_all_sizes_equals_enumeration():
    batch = made_batch(SIZES)
    assert_close(transducer_loss(*batch), reference_losses(*batch[:2], SIZES), rtol=1e-12, atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(sizes=st.lists(st.tuples(st.integers(1, 5), st.integers(0, 4)), min_size=1, max_size=4),
       seed=st.integers(0, 2**31), vocabulary=st.integers(2, 6))
def test_any_batch_equals_enumeration(sizes, seed, vocabulary):
    batch = made_batch(sizes, vocabulary=vocabulary, seed=seed)
    assert_close(transducer_loss(*batch), reference_losses(*batch[:2], sizes), rtol=1e-10, atol=1e-10)


def test_the_two_references_agree():
    logits, targets, *_ = made_batch(SIZES)
    assert_close(reference_losses(logits, targets, SIZES),
                               reference_losses(logits, targets, SIZES, plain_loss))


def test_blank_may_be_any_index():
    logits, targets, *lengths = made_batch(SIZES)
    losses = transducer_loss(logits, targets - 1, *lengths, blank=4)
    assert_close(losses, reference_losses(logits, targets - 1, SIZES, blank=4))


def test_the_gradient_is_the_derivative():
    logits, *rest = made_batch([(1, 2), (2, 0), (3, 2)], vocabulary=4)
    weights = torch.tensor([-1.0, 0.0, 2.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: transducer_loss(x, *rest) * weights, logits.requires_grad_())


def test_the_gradient_equals_that_of_a_lattice_left_to_autograd():
    logits, targets, frames, labels = made_batch([(9, 6), (4, 6), (9, 0)], seed=3)
    plain = logits.clone().requires_grad_()
    autograd_losses(plain, targets, [(9, 6), (4, 6), (9, 0)]).sum().backward()
    assert_close(gradient(logits, targets, frames, labels), plain.grad, rtol=1e-10, atol=1e-12)


def autograd_losses(logits, targets, sizes):
    losses = []
    for row, (frames, labels) in enumerate(sizes):
        scores = logits[row].log_softmax(dim=-1)
        alpha = {(0, 0): scores.new_zeros(())}
        for t in range(frames):
            for u in range(labels + 1):
                arrivals = [alpha[t - 1, u] + scores[t - 1, u, 0]] if t else []
                arrivals += [alpha[t, u - 1] + scores[t, u - 1, targets[row, u - 1]]] if u else []
                if arrivals:
                    alpha[t, u] = torch.stack(arrivals).logsumexp(dim=0)
        losses.append(-(alpha[frames - 1, labels] + scores[frames - 1, labels, 0]))
    return torch.stack(losses)


def test_long_sequences_neither_overflow_nor_lose_precision():
    sizes = [(600, 150), (433, 150), (600, 0)]
    logits, *rest = made_batch(sizes, vocabulary=6, dtype=torch.float32, scale=5.0)
    expected = reference_losses(logits, rest[0], sizes[1:2] * 3, plain_loss)[1]
    losses = transducer_loss(logits, *rest)
    assert torch.isfinite(losses).all()
    assert losses[1].item() == pytest.approx(expected.item(), rel=1e-5)
    assert torch.isfinite(gradient(logits, *rest)).all()


def test_each_node_passes_on_what_reaches_it():
    # a softmax gradient sums to zero over the vocabulary at every node
    logits, *rest = made_batch([(40, 20), (31, 7)], dtype=torch.float32)
    assert gradient(logits, *rest).sum(dim=-1).abs().max() < 1e-4


def test_whatever_stands_in_the_padding_changes_nothing():
    logits, targets, frames, labels = made_batch(SIZES)
    spoiled, wrong = logits.clone(), targets.clone()
    for row, (frames_here, labels_here) in enumerate(SIZES):
        spoiled[row, frames_here:] = math.nan
        spoiled[row, :, labels_here + 1:] = math.inf
        wrong[row, labels_here:] = -1
    assert_close(transducer_loss(spoiled, wrong, frames, labels),
                               transducer_loss(logits, targets, frames, labels), rtol=0, atol=0)
    assert_close(gradient(spoiled, wrong, frames, labels), gradient(logits, targets, frames, labels),
                               rtol=0, atol=0)
    assert not gradient(spoiled, wrong, frames, labels)[0, 1:].any()


def test_each_utterance_is_alone_in_its_batch():
    logits, targets, frames, labels = made_batch(SIZES)
    together = transducer_loss(logits, targets, frames, labels)
    for row, (frames_here, labels_here) in enumerate(SIZES):
        alone = transducer_loss(logits[row:row + 1, :frames_here, :labels_here + 1], targets[row:row + 1, :labels_here],
                                frames[row:row + 1], labels[row:row + 1])
        assert_close(alone, together[row:row + 1], rtol=1e-14, atol=0)


def test_float32_and_bfloat16_come_close_to_float64():
    logits, *rest = made_batch([(60, 20), (45, 13)])
    exact, exact_gradient = transducer_loss(logits, *rest), gradient(logits, *rest)
    assert_close(transducer_loss(logits.float(), *rest).double(), exact, rtol=1e-5, atol=0)
    assert_close(gradient(logits.float(), *rest).double(), exact_gradient, rtol=1e-3, atol=1e-5)
    rounded = logits.bfloat16()
    assert transducer_loss(rounded, *rest).dtype == torch.float32
    assert_close(gradient(rounded, *rest).double(), gradient(rounded.double(), *rest), rtol=1e-2,
                               atol=1e-4)


def test_an_impossible_label_is_infinitely_unlikely_rather_than_an_error():
    logits = torch.zeros(1, 2, 2, 3)
    logits[..., 1] = -math.inf
    assert transducer_loss(logits, torch.tensor([[1]]), torch.tensor([2]), torch.tensor([1])).item() == math.inf


@pytest.mark.parametrize(("changed", "message"), [
    ({"frame_lengths_B": torch.tensor([3, 5])}, r"frame_lengths\[1\] must be from 1 to the 4 frames .*, got 5"),
    ({"frame_lengths_B": torch.tensor([0, 4])}, r"frame_lengths\[0\] must be from 1 to the 4 frames"),
    ({"label_lengths_B": torch.tensor([2, 3])}, r"label_lengths\[1\] must be from 0 to the 2 labels given, got 3"),
    ({"label_lengths_B": torch.tensor([-1, 1])}, r"label_lengths\[0\] must be from 0"),
    ({"frame_lengths_B": torch.tensor([4])}, r"frame_lengths must have shape \(2,\)"),
    ({"label_lengths_B": torch.tensor([[1, 1]])}, r"label_lengths must have shape \(2,\)"),
    ({"labels_BU": torch.ones(2, 3, dtype=torch.long)}, r"labels must have shape \(2, 2\).*got \(2, 3\)"),
    ({"labels_BU": torch.tensor([[1, 2], [3, 1]])}, r"labels\[1, 0\] must be from 0 to 2 and not blank \(0\), got 3"),
    ({"labels_BU": torch.tensor([[1, 0], [1, 1]])}, r"labels\[0, 1\] must be .* not blank \(0\), got 0"),
    ({"labels_BU": torch.tensor([[1, -4], [1, 1]])}, r"labels\[0, 1\] must be .*, got -4"),
    ({"blank": 3}, "blank must be from 0 to 2, got 3"),
    ({"logits_BTUV": torch.zeros(2, 4, 3)}, r"logits must be a non-empty \(B, T, U \+ 1, V\) tensor"),
    ({"logits_BTUV": torch.zeros(2, 0, 3, 3)}, "logits must be a non-empty"),
    ({"logits_BTUV": torch.zeros(2, 4, 3, 3, dtype=torch.long)}, "floating-point numbers, got torch.int64"),
])
def test_what_does_not_fit_is_refused_by_name(changed, message):
    fitting = {"logits_BTUV": torch.zeros(2, 4, 3, 3), "labels_BU": torch.tensor([[1, 2], [1, 1]]),
               "frame_lengths_B": torch.tensor([4, 3]), "label_lengths_B": torch.tensor([2, 1])}
    transducer_loss(**fitting)
    with pytest.raises(ShapeError, match=message):
        transducer_loss(**fitting | changed)
