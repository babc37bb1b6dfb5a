"""The price of emitting a label late or early: against enumeration, and what it must leave alone."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from evenvoice.errors import ShapeError
from evenvoice.losses.rnnt import rnnt
from evenvoice.losses.transducer.band import Band
from evenvoice.losses.transducer.lattice import Arcs, Lengths, align, within
from evenvoice.losses.transducer.reference import enumerated_loss
from evenvoice.losses.transducer.timing import Timing, priced
from tests.unit.losses.test_band import first_pass
from tests.unit.losses.test_rnnt import (
    FITTING,
    SIZES,
    assert_close,
    assert_same_derivatives,
    autograd_losses,
    derivatives,
    made_batch,
    plain_log_probs,
)


def made_timing(sizes, seed=5, late=0.7, early=0.4, buffer=0.75):
    """About two labels of three are due, between frames and sometimes outside of them."""
    generator = torch.Generator().manual_seed(seed)
    frames, labels = (max(size) for size in zip(*sizes, strict=True))
    due = torch.rand(len(sizes), labels, generator=generator, dtype=torch.float64) * (frames + 2) - 1.5
    timed = torch.rand(len(sizes), labels, generator=generator) < 0.67
    return Timing(due_BU=torch.where(timed, due, math.nan), late=late, early=early, buffer=buffer)


def prices_of(timing, sizes):
    """By the definition, number by number: [row][frame][label]."""
    def price(frame, due):
        if math.isnan(due):
            return 0.0
        return timing.late * max(0.0, frame - due - timing.buffer) + timing.early * max(0.0, due - frame)

    return [[[price(frame, due) for due in timing.due_BU[row, :labels].tolist()] for frame in range(frames)]
            for row, (frames, labels) in enumerate(sizes)]


def priced_losses(joint, targets, sizes, timing):
    log_probs, prices = plain_log_probs(joint), prices_of(timing, sizes)
    return torch.tensor([enumerated_loss(log_probs[row, :frames, :labels + 1].tolist(), targets[row, :labels].tolist(),
                                         prices_TU=prices[row])
                         for row, (frames, labels) in enumerate(sizes)], dtype=torch.float64)


@pytest.mark.parametrize(("due", "prices"), [
    (0.0, (0, 0, 0.5)), (1.0, (0.3, 0, 0)), (2.0, (0.6, 0.3, 0)), (0.5, (0.15, 0, 0.25)), (-3.0, (1.0, 1.5, 2.0))])
def test_with_equal_chances_only_prices_tell_alignments_apart(due, prices):
    # 3 frames and 1 label, that may come in any of them: 3 blanks and the label, each by a chance of one half
    timing = Timing(due_BU=torch.tensor([[due]]), late=0.5, early=0.3, buffer=1.0)
    loss = rnnt(torch.zeros(1, 3, 2), torch.zeros(1, 2, 2), torch.zeros(2, 2), torch.zeros(2), torch.tensor([[1]]),
                torch.tensor([3]), torch.tensor([1]), timing=timing)
    assert loss.item() == pytest.approx(4 * math.log(2) - math.log(sum(math.exp(-price) for price in prices)))


def test_a_batch_of_all_sizes_equals_enumeration_with_prices():
    joint, rest = made_batch(SIZES)
    timing = made_timing(SIZES)
    expected = priced_losses(joint, rest[0], SIZES, timing)
    assert_close(rnnt(*joint, *rest, timing=timing), expected, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(rnnt(*joint, *rest), expected)


@settings(max_examples=40)
@given(sizes=st.lists(st.tuples(st.integers(1, 5), st.integers(0, 4)), min_size=1, max_size=4),
       seed=st.integers(0, 2**31), late=st.floats(0, 3), early=st.floats(0, 3), buffer=st.floats(0, 4))
def test_any_timing_of_any_batch_equals_enumeration(sizes, seed, late, early, buffer):
    joint, rest = made_batch(sizes, seed=seed)
    timing = made_timing(sizes, seed, late, early, buffer)
    assert_close(rnnt(*joint, *rest, timing=timing), priced_losses(joint, rest[0], sizes, timing), 1e-10, 1e-10)


@pytest.mark.parametrize("options", [{}, {"delay_penalty": 0.1}])
def test_the_gradient_is_the_derivative_with_a_timed_label(options):
    joint, rest = made_batch([(1, 2), (2, 0), (3, 2)], vocabulary=4, width=3)
    due = torch.tensor([[math.nan, 0.0], [math.nan, math.nan], [math.nan, 1.0]])
    timing = Timing(due_BU=due, late=0.8, early=0.5, buffer=0.5)
    weights = torch.tensor([-1.0, 0.0, 2.0], dtype=torch.float64)
    joint = [tensor.requires_grad_() for tensor in joint]
    assert torch.autograd.gradcheck(lambda *inputs: rnnt(*inputs, *rest, timing=timing, **options) * weights, joint)


@pytest.mark.parametrize("options", [{}, {"fastemit": 0.3}, {"fastemit": 0.1, "delay_penalty": -0.4}])
def test_loss_and_gradients_equal_those_of_a_priced_lattice_left_to_autograd(options):
    sizes = [(9, 6), (4, 6), (9, 0)]
    joint, rest = made_batch(sizes, seed=3)
    timing = made_timing(sizes)
    prices = prices_of(timing, sizes)
    assert_same_derivatives(
        derivatives(lambda inputs: rnnt(*inputs, *rest, timing=timing, **options), joint),
        derivatives(lambda inputs: autograd_losses(inputs, rest[0], sizes, prices=prices, **options), joint))


def test_fastemit_changes_gradients_only_with_timing_too():
    joint, rest = made_batch(SIZES)
    timing = made_timing(SIZES)
    found, other = (derivatives(lambda inputs, fastemit=fastemit: rnnt(*inputs, *rest, fastemit=fastemit,
                                                                       timing=timing), joint)
                    for fastemit in (0.5, 0.0))
    assert torch.equal(found[0], other[0])
    assert not torch.allclose(found[1][3], other[1][3])


@pytest.mark.parametrize("banded", [False, True])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("timing", [
    made_timing(SIZES, late=0.0, early=0.0),
    Timing(due_BU=torch.full((len(SIZES), 4), math.nan), late=1.0, early=1.0, buffer=0.0)])
def test_without_prices_or_timed_labels_not_a_bit_changes(timing, dtype, banded):
    joint, rest = made_batch(SIZES, dtype=dtype)
    frame, label = first_pass(SIZES)
    band = Band(frame_BTV=frame.to(dtype), label_BPV=label.to(dtype), width=3) if banded else None
    assert_same_derivatives(derivatives(lambda inputs: rnnt(*inputs, *rest, timing=timing, band=band), joint),
                            derivatives(lambda inputs: rnnt(*inputs, *rest, band=band), joint), 0, 0)


def test_an_utterance_without_timed_labels_pays_for_no_neighbour():
    joint, rest = made_batch(SIZES)
    due = made_timing(SIZES).due_BU.clone()
    due[-1] = math.nan
    timing = Timing(due_BU=due, late=2.0, early=2.0, buffer=0.0)
    assert torch.equal(rnnt(*joint, *rest, timing=timing)[-1], rnnt(*joint, *rest)[-1])


@pytest.mark.parametrize(("raised", "direction"), [("late", -1), ("early", 1)])
def test_a_higher_price_for_being_late_moves_the_timed_label_forward_and_for_being_early_back(raised, direction):
    joint, (targets, *lengths) = made_batch([(12, 3)], scale=0.3)
    log_probs, lengths = plain_log_probs(joint), Lengths(*lengths)
    following = torch.nn.functional.pad(targets, (0, 1))[:, None, :, None].expand(1, 12, 4, 1)
    arcs = within(Arcs(log_probs[..., 0], log_probs.gather(3, following)[..., 0]), lengths)
    means = []
    for price in (0.0, 0.3, 1.0, 3.0):
        timing = Timing(**{"due_BU": torch.tensor([[math.nan, 5.0, math.nan]]), "late": 0.0, "early": 0.0,
                           "buffer": 1.0} | {raised: price})
        share_T = align(priced(arcs, timing), lengths)[1].label_BTP[0, :, 1]
        assert share_T.sum().item() == pytest.approx(1)
        means.append(direction * (share_T * torch.arange(12)).sum().item())
    assert means == sorted(set(means))


def test_each_timed_utterance_is_alone_in_its_batch():
    joint, (targets, frames, labels) = made_batch(SIZES)
    timing = made_timing(SIZES)
    together = rnnt(*joint, targets, frames, labels, timing=timing)
    for row, (frames_here, labels_here) in enumerate(SIZES):
        here = Timing(due_BU=timing.due_BU[row:row + 1, :labels_here], late=timing.late, early=timing.early,
                      buffer=timing.buffer)
        alone = rnnt(joint[0][row:row + 1, :frames_here], joint[1][row:row + 1, :labels_here + 1], *joint[2:],
                     targets[row:row + 1, :labels_here], frames[row:row + 1], labels[row:row + 1], timing=here)
        assert_close(alone, together[row:row + 1], rtol=1e-13, atol=0)


@pytest.mark.parametrize("junk", [math.nan, math.inf, -math.inf, 3.0])
@pytest.mark.parametrize("fastemit", [0.0, 0.2])
def test_what_is_due_in_the_padding_changes_nothing(junk, fastemit):
    joint, rest = made_batch(SIZES)
    timing = made_timing(SIZES)
    spoiled = timing.due_BU.clone()
    for row, (_, labels) in enumerate(SIZES):
        spoiled[row, labels:] = junk
    frame, label = first_pass(SIZES)
    band = Band(frame_BTV=frame, label_BPV=label, width=3)
    found, other = (derivatives(lambda inputs, due=due: rnnt(
        *inputs, *rest, fastemit=fastemit, band=band,
        timing=Timing(due_BU=due, late=timing.late, early=0.0, buffer=0.5)), joint)
                    for due in (spoiled, timing.due_BU))
    assert_same_derivatives(found, other, 0, 0)


def test_prices_are_constants_to_autograd():
    joint, rest = made_batch(SIZES)
    timing = made_timing(SIZES)
    frame, label = first_pass(SIZES)
    band = Band(frame_BTV=frame.requires_grad_(), label_BPV=label, width=3)
    due = timing.due_BU.clone().requires_grad_()
    rnnt(*joint, *rest, band=band, timing=Timing(due_BU=due, late=1.0, early=1.0, buffer=0.0)).sum().backward()
    assert due.grad is None
    assert frame.grad.any()


def test_float32_comes_close_to_float64_with_timing():
    sizes = [(60, 20), (45, 13)]
    joint, rest = made_batch(sizes)
    timing = made_timing(sizes)
    exact, found = (derivatives(lambda inputs: rnnt(*inputs, *rest, timing=timing), inputs)
                    for inputs in (joint, [tensor.float() for tensor in joint]))
    assert_close(found[0], exact[0], rtol=1e-6)
    assert_same_derivatives(found, exact, rtol=1e-3, atol=1e-4)


def test_an_impossible_timed_label_stays_infinitely_unlikely():
    joint, rest = made_batch([(2, 1)], vocabulary=3)
    joint[3][rest[0][0, 0]] = -math.inf
    timing = Timing(due_BU=torch.tensor([[0.0]]), late=1.0, early=1.0, buffer=0.0)
    losses, gradients = derivatives(lambda inputs: rnnt(*inputs, *rest, timing=timing), joint)
    assert losses.item() == math.inf
    assert not any(gradient.any() for gradient in gradients)


def test_prices_take_one_copy_of_the_label_arcs():
    class Made(TorchDispatchMode):
        storages: dict[int, torch.Tensor]

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            for tensor in result if isinstance(result, (tuple, list)) else (result,):
                if isinstance(tensor, torch.Tensor) and tensor.numel() >= arcs.label_BTP.numel():
                    self.storages[tensor.untyped_storage().data_ptr()] = tensor  # held, so that no address comes twice
            return result

    arcs = Arcs(torch.zeros(4, 60, 31), torch.zeros(4, 60, 31))
    due = torch.full((4, 30), math.nan)
    due[:, -1] = 40.0
    made = Made()
    made.storages = {}
    with made:
        lowered = priced(arcs, Timing(due_BU=due, late=1.0, early=1.0, buffer=2.0))
    assert list(made.storages) == [lowered.label_BTP.untyped_storage().data_ptr()]
    assert lowered.blank_BTP is arcs.blank_BTP
    assert not arcs.label_BTP.any()


def test_prices_of_nothing_take_no_copy():
    arcs = Arcs(torch.zeros(1, 4, 3), torch.zeros(1, 4, 3))
    assert priced(arcs, Timing(due_BU=torch.zeros(1, 2), late=0.0, early=0.0, buffer=1.0)) is arcs


@pytest.mark.parametrize("options", [{}, {"fastemit": 0.2, "delay_penalty": 0.3}])
def test_a_wide_band_gives_the_full_priced_loss_and_gradients(options):
    joint, rest = made_batch(SIZES)
    frame, label = first_pass(SIZES)
    options = options | {"timing": made_timing(SIZES)}
    band = Band(frame_BTV=frame, label_BPV=label, width=5, weight=0.0)
    found, full = (derivatives(lambda inputs, band=band: rnnt(*inputs, *rest, band=band, **options), joint)
                   for band in (band, None))
    assert_close(found[0], full[0], rtol=1e-12)
    assert_same_derivatives(found, full, rtol=1e-9, atol=1e-12)


def test_the_first_pass_pays_the_same_prices():
    sizes = [(4, 3), (2, 1)]
    joint, rest = made_batch(sizes)
    timing = made_timing(sizes)
    frame, label = first_pass(sizes)
    zero, whole = (rnnt(*joint, *rest, timing=timing,
                        band=Band(frame_BTV=frame, label_BPV=label, width=4, weight=weight)) for weight in (0.0, 1.0))
    # tanh is almost the identity near zero, and an identity weight adds frame and label scores
    added = [frame * 1e-4, label * 1e-4, torch.eye(5, dtype=torch.float64) * 1e4, torch.zeros(5, dtype=torch.float64)]
    assert_close(whole - zero, priced_losses(added, rest[0], sizes, timing), rtol=1e-5)


def test_gradients_of_a_narrow_priced_band_are_derivatives():
    sizes = [(5, 3), (3, 4), (4, 0)]
    joint, rest = made_batch(sizes, vocabulary=4, width=3)
    frame, label = (tensor.requires_grad_() for tensor in first_pass(sizes, vocabulary=4))
    timing = made_timing(sizes)

    def loss(frame, label, *inputs):
        return rnnt(*inputs, *rest, timing=timing, band=Band(frame_BTV=frame, label_BPV=label, width=2, weight=0.7))

    assert torch.autograd.gradcheck(loss, (frame, label, *(tensor.requires_grad_() for tensor in joint)))


def test_the_band_waits_for_labels_that_are_due_late():
    band = Band(frame_BTV=torch.zeros(1, 12, 5), label_BPV=torch.zeros(1, 5, 5), width=2)
    following, lengths = torch.tensor([[1, 2, 3, 4, 0]]), Lengths(torch.tensor([12]), torch.tensor([4]))
    timing = Timing(due_BU=torch.full((1, 4), 11.0), late=0.0, early=5.0, buffer=0.0)
    windows, waiting = (band.first_pass(following, lengths, 0, 0.0, 0.0, wish)[1].first_BT[0].tolist()
                        for wish in (None, timing))
    assert waiting[:9] == [0] * 9
    assert windows[8] > 0


@pytest.mark.parametrize(("changed", "message"), [
    ({"due_BU": torch.zeros(2, 3)}, r"timing.due must have shape \(2, 2\).*got \(2, 3\)"),
    ({"due_BU": torch.zeros(2)}, r"timing.due must have shape \(2, 2\)"),
    ({"due_BU": torch.zeros(2, 2, dtype=torch.long)}, "timing.due must be floating-point numbers, got torch.int64"),
    ({"due_BU": torch.tensor([[1.0, math.inf], [1, 1]])}, r"timing.due\[0, 1\] must be a finite .*got inf"),
    ({"due_BU": torch.tensor([[1.0, 1], [-math.inf, 1]])}, r"timing.due\[1, 0\] must be a finite frame.*got -inf"),
    *[({name: value}, rf"timing.{name} must be finite and at least 0, got {value}")
      for name in ("late", "early", "buffer") for value in (-0.5, math.nan, math.inf)],
])
def test_a_timing_that_does_not_fit_is_refused_by_name(changed, message):
    fitting = {"due_BU": torch.tensor([[1.0, math.nan], [-2.0, math.inf]]), "late": 0.0, "early": 0.5, "buffer": 0.0}
    rnnt(**FITTING, timing=Timing(**fitting))  # what is infinite there is padding
    with pytest.raises(ShapeError, match=message):
        rnnt(**FITTING, timing=Timing(**fitting | changed))
