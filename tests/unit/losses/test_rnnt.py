"""The transducer loss against enumeration of all alignments, its derivatives, and what neither must depend on."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from evenvoice.errors import ShapeError
from evenvoice.losses.rnnt import rnnt
from evenvoice.losses.transducer import scoring
from evenvoice.losses.transducer.reference import enumerated_loss, plain_loss

SIZES = [(1, 0), (1, 1), (1, 3), (2, 0), (2, 2), (3, 4), (4, 1), (5, 3)]
"""Frames and labels, with more labels than frames, one frame and empty targets among them."""


def made_batch(sizes, vocabulary=5, width=7, seed=0, dtype=torch.float64, scale=2.0):
    """Projections, weight and bias; labels and lengths."""
    generator = torch.Generator().manual_seed(seed)
    frames, labels = (max(size) for size in zip(*sizes, strict=True))
    shapes = (len(sizes), frames, width), (len(sizes), labels + 1, width), (vocabulary, width), (vocabulary,)
    joint = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    joint[2] *= scale
    targets = torch.randint(1, vocabulary, (len(sizes), labels), generator=generator)
    return [tensor.to(dtype) for tensor in joint], [targets, *map(torch.tensor, zip(*sizes, strict=True))]


def plain_log_probs(joint):
    frame, label, weight, bias = joint
    return (torch.tanh(frame[:, :, None] + label[:, None]) @ weight.T + bias).log_softmax(dim=-1)


def reference_losses(joint, targets, sizes, loss=enumerated_loss, blank=0):
    log_probs = plain_log_probs([tensor.detach().double() for tensor in joint])
    return torch.tensor([loss(log_probs[row, :frames, :labels + 1].tolist(), targets[row, :labels].tolist(), blank)
                         for row, (frames, labels) in enumerate(sizes)], dtype=torch.float64)


def autograd_losses(joint, targets, sizes, fastemit=0.0, delay_penalty=0.0, prices=None):
    """Graves' recursion node by node, left to autograd."""
    losses = []
    for row, (frames, labels) in enumerate(sizes):
        scores = plain_log_probs([joint[0][row:row + 1], joint[1][row:row + 1], *joint[2:]])[0]
        alpha = {(0, 0): scores.new_zeros(())}
        for t in range(frames):
            for u in range(labels + 1):
                arrivals = [alpha[t - 1, u] + scores[t - 1, u, 0]] if t else []
                if u:
                    label = scores[t, u - 1, targets[row, u - 1]]
                    label = (1 + fastemit) * label - fastemit * label.detach()
                    price = prices[row][t][u - 1] if prices else 0.0
                    arrivals.append(alpha[t, u - 1] + label + delay_penalty * ((frames - 1) / 2 - t) - price)
                if arrivals:
                    alpha[t, u] = torch.stack(arrivals).logsumexp(dim=0)
        losses.append(-(alpha[frames - 1, labels] + scores[frames - 1, labels, 0]))
    return torch.stack(losses)


def derivatives(loss, joint):
    joint = [tensor.detach().clone().requires_grad_() for tensor in joint]
    losses = loss(joint)
    weights = torch.arange(1.0, len(losses) + 1, dtype=losses.dtype)
    return losses.detach(), torch.autograd.grad((losses * weights).sum(), joint)


def assert_close(actual, expected, rtol=1e-7, atol=0.0):
    np.testing.assert_allclose(actual.detach().double().numpy(), expected.detach().double().numpy(), rtol, atol)


def assert_same_derivatives(found, expected, rtol=1e-9, atol=1e-11):
    assert_close(found[0], expected[0], rtol, atol)
    for one, other in zip(found[1], expected[1], strict=True):
        assert_close(one, other, rtol, atol)


def test_one_frame_and_one_label_is_label_then_blank():
    frame, label = torch.zeros(1, 1, 1), torch.tensor([[[-50.0], [50.0]]])  # tanh gives -1, then 1
    weight, bias = torch.tensor([[1.0], [-1.0]]), torch.tensor([0.5, 0.0])
    loss = rnnt(frame, label, weight, bias, torch.tensor([[1]]), torch.tensor([1]), torch.tensor([1]))
    label_after_nothing, blank_after_label = 1 / (1 + math.exp(-0.5 - 1.0)), 1 / (1 + math.exp(-1.5 - 1.0))
    assert loss.item() == pytest.approx(-math.log(label_after_nothing * blank_after_label))


def test_equal_chances_count_the_alignments():
    # 4 frames and 2 labels: the last blank is fixed, so 5 choose 2 orders of 6 symbols out of 3 each
    loss = rnnt(torch.zeros(1, 4, 2), torch.zeros(1, 3, 2), torch.zeros(3, 2), torch.zeros(3), torch.tensor([[1, 2]]),
                torch.tensor([4]), torch.tensor([2]))
    assert loss.item() == pytest.approx(6 * math.log(3) - math.log(math.comb(5, 2)))


def test_a_batch_of_all_sizes_equals_enumeration():
    joint, rest = made_batch(SIZES)
    assert_close(rnnt(*joint, *rest), reference_losses(joint, rest[0], SIZES), rtol=1e-12, atol=1e-12)


@settings(max_examples=40)
@given(sizes=st.lists(st.tuples(st.integers(1, 5), st.integers(0, 4)), min_size=1, max_size=4),
       seed=st.integers(0, 2**31), vocabulary=st.integers(2, 6))
def test_any_batch_equals_enumeration(sizes, seed, vocabulary):
    joint, rest = made_batch(sizes, vocabulary=vocabulary, seed=seed)
    assert_close(rnnt(*joint, *rest), reference_losses(joint, rest[0], sizes), rtol=1e-10, atol=1e-10)


def test_the_two_references_agree():
    joint, rest = made_batch(SIZES)
    assert_close(reference_losses(joint, rest[0], SIZES), reference_losses(joint, rest[0], SIZES, plain_loss))


def test_blank_may_be_any_index():
    joint, (targets, *lengths) = made_batch(SIZES)
    losses = rnnt(*joint, targets - 1, *lengths, blank=4)
    assert_close(losses, reference_losses(joint, targets - 1, SIZES, blank=4))


def test_gradients_follow_blank_to_another_index():
    joint, (targets, *lengths) = made_batch(SIZES)
    moved = [*joint[:2], *(tensor.roll(-1, 0) for tensor in joint[2:])]
    losses, gradients = derivatives(lambda inputs: rnnt(*inputs, targets - 1, *lengths, blank=4), moved)
    found = losses, [*gradients[:2], *(gradient.roll(1, 0) for gradient in gradients[2:])]
    assert_same_derivatives(found, derivatives(lambda inputs: rnnt(*inputs, targets, *lengths), joint))


@pytest.mark.parametrize("options", [{}, {"delay_penalty": 0.1}])
def test_the_gradient_is_the_derivative(options):
    joint, rest = made_batch([(1, 2), (2, 0), (3, 2)], vocabulary=4, width=3)
    weights = torch.tensor([-1.0, 0.0, 2.0], dtype=torch.float64)
    joint = [tensor.requires_grad_() for tensor in joint]
    assert torch.autograd.gradcheck(lambda *inputs: rnnt(*inputs, *rest, **options) * weights, joint)


@pytest.mark.parametrize("options", [{}, {"fastemit": 0.3}, {"delay_penalty": 0.2},
                                     {"fastemit": 0.1, "delay_penalty": -0.4}])
def test_loss_and_gradients_equal_those_of_a_lattice_left_to_autograd(options):
    sizes = [(9, 6), (4, 6), (9, 0)]
    joint, rest = made_batch(sizes, seed=3)
    assert_same_derivatives(derivatives(lambda inputs: rnnt(*inputs, *rest, **options), joint),
                            derivatives(lambda inputs: autograd_losses(inputs, rest[0], sizes, **options), joint))


def test_fastemit_changes_gradients_only():
    joint, rest = made_batch(SIZES)
    assert_close(rnnt(*joint, *rest, fastemit=0.5), rnnt(*joint, *rest), rtol=0)
    found, other = (derivatives(lambda inputs, fastemit=fastemit: rnnt(*inputs, *rest, fastemit=fastemit), joint)[1]
                    for fastemit in (0.5, 0.0))
    assert not torch.allclose(found[3], other[3])


def test_many_small_blocks_give_what_one_block_gives(monkeypatch):
    sizes = [(30, 12), (17, 12), (30, 3)]
    joint, rest = made_batch(sizes)
    whole = derivatives(lambda inputs: rnnt(*inputs, *rest), joint)
    monkeypatch.setattr(scoring, "CPU_NUMBERS", 20 * 7)
    assert_same_derivatives(derivatives(lambda inputs: rnnt(*inputs, *rest), joint), whole)


def test_long_sequences_neither_overflow_nor_lose_precision():
    sizes = [(600, 150), (433, 150), (600, 0)]
    joint, rest = made_batch(sizes, vocabulary=6, dtype=torch.float32)
    expected = reference_losses(joint, rest[0], sizes[1:2] * 3, plain_loss)[1]
    losses, gradients = derivatives(lambda inputs: rnnt(*inputs, *rest), joint)
    assert losses[1].item() == pytest.approx(expected.item(), rel=1e-6)
    exact = derivatives(lambda inputs: rnnt(*inputs, *rest), [tensor.double() for tensor in joint])[1]
    for one, other in zip(gradients, exact, strict=True):
        assert (one - other).norm() < 1e-4 * other.norm()


@pytest.mark.science
def test_two_thousand_frames_and_five_hundred_labels_do_not_overflow():
    joint, rest = made_batch([(2000, 500), (1200, 500)], vocabulary=16, width=8, dtype=torch.float32)
    losses, gradients = derivatives(lambda inputs: rnnt(*inputs, *rest), joint)
    exact = rnnt(*(tensor.double() for tensor in joint), *rest)
    assert_close(losses, exact, rtol=1e-6)
    assert all(torch.isfinite(gradient).all() and gradient.any() for gradient in gradients)


def test_the_tensor_of_all_logits_is_never_made():
    class Largest(TorchDispatchMode):
        numbers = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            for tensor in result if isinstance(result, (tuple, list)) else (result,):
                if isinstance(tensor, torch.Tensor):
                    self.numbers = max(self.numbers, tensor.untyped_storage().nbytes() // tensor.element_size())
            return result

    joint, rest = made_batch([(60, 30)] * 4, vocabulary=256, width=64, dtype=torch.float32)
    joint = [tensor.requires_grad_() for tensor in joint]
    with Largest() as largest:
        rnnt(*joint, *rest).sum().backward()
    assert scoring.CPU_NUMBERS <= largest.numbers < 4 * 60 * 31 * 64


def test_whatever_stands_in_the_padding_changes_nothing():
    joint, (targets, frames, labels) = made_batch(SIZES)
    spoiled, wrong = [tensor.clone() for tensor in joint], targets.clone()
    for row, (frames_here, labels_here) in enumerate(SIZES):
        spoiled[0][row, frames_here:] = math.nan
        spoiled[1][row, labels_here + 1:] = math.nan
        wrong[row, labels_here:] = -1
    found = derivatives(lambda inputs: rnnt(*inputs, wrong, frames, labels), spoiled)
    assert_same_derivatives(found, derivatives(lambda inputs: rnnt(*inputs, targets, frames, labels), joint), 0, 0)
    assert not found[1][0][0, 1:].any()
    assert not found[1][1][0, 1:].any()


def test_each_utterance_is_alone_in_its_batch():
    joint, (targets, frames, labels) = made_batch(SIZES)
    together = rnnt(*joint, targets, frames, labels)
    for row, (frames_here, labels_here) in enumerate(SIZES):
        alone = rnnt(joint[0][row:row + 1, :frames_here], joint[1][row:row + 1, :labels_here + 1], *joint[2:],
                     targets[row:row + 1, :labels_here], frames[row:row + 1], labels[row:row + 1])
        assert_close(alone, together[row:row + 1], rtol=1e-13, atol=0)


def test_float32_and_bfloat16_come_close_to_float64():
    joint, rest = made_batch([(60, 20), (45, 13)])
    exact = derivatives(lambda inputs: rnnt(*inputs, *rest), joint)
    found = derivatives(lambda inputs: rnnt(*inputs, *rest), [tensor.float() for tensor in joint])
    assert_same_derivatives(found, exact, rtol=1e-3, atol=1e-4)
    assert_close(found[0], exact[0], rtol=1e-6)
    rounded = [tensor.bfloat16() for tensor in joint[:2]] + [tensor.float() for tensor in joint[2:]]
    with torch.autocast("cpu", dtype=torch.bfloat16):  # gives projections, but not weights, its own type
        found = derivatives(lambda inputs: rnnt(*inputs, *rest), rounded)
    exact = derivatives(lambda inputs: rnnt(*inputs, *rest), [tensor.double() for tensor in rounded])
    assert found[0].dtype == found[1][2].dtype == torch.float32
    assert found[1][0].dtype == torch.bfloat16
    assert_close(found[0], exact[0], rtol=1e-6)
    assert_same_derivatives((found[0], found[1][2:]), (exact[0], exact[1][2:]), rtol=1e-3, atol=1e-4)
    assert_close(found[1][0], exact[1][0], rtol=1e-2, atol=1e-4)


def test_an_impossible_label_is_infinitely_unlikely_rather_than_an_error():
    joint, rest = made_batch([(2, 1)], vocabulary=3)
    joint[3][rest[0][0, 0]] = -math.inf
    losses, gradients = derivatives(lambda inputs: rnnt(*inputs, *rest), joint)
    assert losses.item() == math.inf
    assert not any(gradient.any() for gradient in gradients)


def test_what_is_not_a_number_shows_in_loss_and_gradient():
    joint, rest = made_batch([(3, 2), (3, 2)])
    joint[0][1, 1] = math.nan
    losses, gradients = derivatives(lambda inputs: rnnt(*inputs, *rest), joint)
    assert losses.isnan().tolist() == [False, True]
    assert gradients[0][1].isnan().any()


FITTING = {"frame_BTJ": torch.zeros(2, 4, 6), "label_BPJ": torch.zeros(2, 3, 6), "weight_VJ": torch.zeros(3, 6),
           "bias_V": torch.zeros(3), "labels_BU": torch.tensor([[1, 2], [1, 1]]),
           "frame_lengths_B": torch.tensor([4, 3]), "label_lengths_B": torch.tensor([2, 1])}


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
    ({"labels_BU": torch.tensor([[1, 1.7], [1, 1]])}, "labels must be integers, got torch.float32"),
    ({"frame_lengths_B": torch.tensor([4.0, 4.0])}, "frame_lengths must be integers, got torch.float32"),
    ({"label_lengths_B": torch.tensor([True, True])}, "label_lengths must be integers, got torch.bool"),
    ({"blank": 3}, "blank must be from 0 to 2, got 3"),
    ({"frame_BTJ": torch.zeros(2, 4)}, r"frame must be a non-empty \(B, T, J\) tensor"),
    ({"frame_BTJ": torch.zeros(2, 0, 6)}, "frame must be a non-empty"),
    ({"frame_BTJ": torch.zeros(2, 4, 6, dtype=torch.long)}, "floating-point numbers, got torch.int64"),
    ({"label_BPJ": torch.zeros(2, 3, 5)}, r"label must have shape \(2, 3, 6\).*got \(2, 3, 5\)"),
    ({"label_BPJ": torch.zeros(1, 3, 6)}, r"label must have shape \(2, 3, 6\).*got \(1, 3, 6\)"),
    ({"weight_VJ": torch.zeros(3, 5)}, r"weight must have shape \(3, 6\)"),
    ({"bias_V": torch.zeros(4)}, r"bias must have shape \(3,\)"),
])
def test_what_does_not_fit_is_refused_by_name(changed, message):
    rnnt(**FITTING)
    with pytest.raises(ShapeError, match=message):
        rnnt(**FITTING | changed)
