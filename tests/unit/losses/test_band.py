"""The pruned loss: what a band keeps, and that a wide one keeps everything."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evenvoice.errors import ShapeError
from evenvoice.losses.rnnt import rnnt
from evenvoice.losses.transducer.band import Band, connected
from evenvoice.losses.transducer.lattice import Lengths
from evenvoice.losses.transducer.windows import Windows
from tests.unit.losses.test_rnnt import SIZES, assert_close, autograd_losses, derivatives, made_batch


def first_pass(sizes, vocabulary=5, seed=9):
    generator = torch.Generator().manual_seed(seed)
    frames, labels = (max(size) for size in zip(*sizes, strict=True))
    return [torch.randn(len(sizes), length, vocabulary, generator=generator, dtype=torch.float64)
            for length in (frames, labels + 1)]


@pytest.mark.parametrize("options", [{}, {"fastemit": 0.2, "delay_penalty": 0.3}])
def test_a_wide_band_gives_the_full_loss_and_gradients(options):
    joint, rest = made_batch(SIZES)
    frame, label = first_pass(SIZES)
    full = derivatives(lambda inputs: rnnt(*inputs, *rest, **options), joint)
    band = Band(frame_BTV=frame, label_BPV=label, width=5, weight=0.0)
    found = derivatives(lambda inputs: rnnt(*inputs, *rest, band=band, **options), joint)
    assert_close(found[0], full[0], rtol=1e-12)
    for one, other in zip(found[1], full[1], strict=True):
        assert_close(one, other, rtol=1e-9, atol=1e-12)


def test_a_narrow_band_misses_alignments_and_most_nodes_no_longer_count():
    sizes = [(12, 8), (10, 8), (4, 2)]
    joint, rest = made_batch(sizes, vocabulary=9)
    frame, label = first_pass(sizes, vocabulary=9)
    losses = [rnnt(*joint, *rest, band=Band(frame_BTV=frame, label_BPV=label, width=width, weight=0.0))
              for width in (2, 4, 9)]
    assert (losses[0] > losses[1])[:2].all()
    assert (losses[1] > losses[2])[:2].all()
    assert all(torch.isfinite(loss).all() for loss in losses)


def test_company_of_other_lengths_changes_no_band():
    sizes = [(12, 8), (2, 20)]  # so many labels in two frames need a far wider band
    joint, (targets, frame_lengths, label_lengths) = made_batch(sizes, vocabulary=9)
    frame, label = first_pass(sizes, vocabulary=9)
    together = rnnt(*joint, targets, frame_lengths, label_lengths,
                    band=Band(frame_BTV=frame, label_BPV=label, width=2, weight=0.5))
    alone = rnnt(joint[0][:1], joint[1][:1, :9], *joint[2:], targets[:1, :8], frame_lengths[:1], label_lengths[:1],
                 band=Band(frame_BTV=frame[:1], label_BPV=label[:1, :9], width=2, weight=0.5))
    assert_close(together[:1], alone, rtol=1e-12)


@pytest.mark.parametrize("fastemit", [0.0, 0.5])
def test_what_the_first_pass_thinks_impossible_stays_so(fastemit):
    joint, rest = made_batch([(6, 3)], vocabulary=9)
    frame, label = (tensor.requires_grad_() for tensor in first_pass([(6, 3)], vocabulary=9))
    with torch.no_grad():
        label[:, 1, rest[0][0, 1]] = -math.inf  # its label can follow nowhere
    band = Band(frame_BTV=frame, label_BPV=label, width=4, weight=1.0)
    (loss,) = rnnt(*joint, *rest, band=band, fastemit=fastemit)
    assert loss == math.inf


def test_gradients_of_a_narrow_band_are_derivatives():
    sizes = [(5, 3), (3, 4), (4, 0)]
    joint, rest = made_batch(sizes, vocabulary=4, width=3)
    frame, label = (tensor.requires_grad_() for tensor in first_pass(sizes, vocabulary=4))

    def loss(frame, label, *inputs):
        return rnnt(*inputs, *rest, band=Band(frame_BTV=frame, label_BPV=label, width=2, weight=0.7))

    assert torch.autograd.gradcheck(loss, (frame, label, *(tensor.requires_grad_() for tensor in joint)))


def test_the_first_pass_is_the_loss_of_added_scores():
    sizes = [(4, 3), (2, 1)]
    joint, rest = made_batch(sizes, vocabulary=5)
    frame, label = first_pass(sizes)
    zero, whole = (rnnt(*joint, *rest, band=Band(frame_BTV=frame, label_BPV=label, width=4, weight=weight))
                   for weight in (0.0, 1.0))
    # tanh is almost the identity near zero, and an identity weight adds frame and label scores
    added = [frame * 1e-4, label * 1e-4, torch.eye(5, dtype=torch.float64) * 1e4, torch.zeros(5, dtype=torch.float64)]
    assert_close(whole - zero, autograd_losses(added, rest[0], sizes), rtol=1e-5)


def test_half_precision_around_the_loss_does_not_reach_the_first_pass():
    joint, rest = made_batch(SIZES, dtype=torch.float32)
    band = Band(frame_BTV=first_pass(SIZES)[0].float(), label_BPV=first_pass(SIZES)[1].float(), width=3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = rnnt(*joint, *rest, band=band)
    assert torch.equal(found, rnnt(*joint, *rest, band=band))


def test_the_window_follows_the_likely_alignment():
    # 6 frames, 3 labels; nearly all alignments emit in frames 1, 3 and 4
    share = torch.full((1, 6, 4), 1e-3)
    for frame, positions in enumerate([(0,), (0, 1), (1,), (1, 2), (2, 3), (3,)]):
        share[0, frame, list(positions)] = 1.0
    share[0, 2, 2] = 0.01
    windows = connected(share, Lengths(torch.tensor([6]), torch.tensor([3])), width=2)
    assert windows.first_BT.tolist() == [[0, 0, 1, 1, 2, 2]]
    assert windows.width_BT.tolist() == [[2] * 6]


@settings(max_examples=60)
@given(frames=st.integers(1, 12), labels=st.integers(0, 15), width=st.integers(2, 6), seed=st.integers(0, 1000))
def test_windows_always_let_a_path_through(frames, labels, width, seed):
    generator = torch.Generator().manual_seed(seed)
    share = torch.rand(1, frames + 2, labels + 3, generator=generator)
    windows = connected(share, Lengths(torch.tensor([frames]), torch.tensor([labels])), width)
    first, held = windows.first_BT[0, :frames].tolist(), windows.width_BT[0].tolist()
    assert held[:frames] == [held[0]] * frames
    assert held[frames:] == [0, 0]
    assert first[0] == 0
    assert first[-1] + held[0] == labels + 1
    assert all(0 <= after - before < max(held[0], 2) for before, after in itertools.pairwise(first))


def test_windows_of_the_gradient_hold_all_but_what_cannot_show():
    share = torch.tensor([[[1e-30, 1e-9, 0.5, 0.5, 1e-3, 1e-20], [0, 0, 0, 0, 0, 0], [math.nan, 0, 0, 0, 0, 1]]])
    windows = Windows.holding(share.double(), missing=1e-7)
    assert windows.width_BT[0, :2].tolist() == [3, 0]
    assert windows.first_BT[0, 0].item() == 2
    assert windows.width_BT[0, 2] == 6


@pytest.mark.parametrize(("changed", "message"), [
    ({"width": 1}, "band.width must be at least 2"),
    ({"frame_BTV": torch.zeros(8, 5, 4)}, r"band.frame must have shape \(8, 5, 5\).*got \(8, 5, 4\)"),
    ({"label_BPV": torch.zeros(8, 4, 5)}, r"band.label must have shape \(8, 5, 5\).*got \(8, 4, 5\)"),
])
def test_a_band_that_does_not_fit_is_refused_by_name(changed, message):
    joint, rest = made_batch(SIZES)
    frame, label = first_pass(SIZES)
    fitting = {"frame_BTV": frame, "label_BPV": label, "width": 3}
    with pytest.raises(ShapeError, match=message):
        rnnt(*joint, *rest, band=Band(**fitting | changed))
