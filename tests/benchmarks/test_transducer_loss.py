"""The benchmark of the transducer loss at toy size: all peers compute the same."""

import argparse

import pytest
import torch

from benchmarks.transducer_loss import compare, measure, turn
from benchmarks.transducer_loss_peers import Batch, evenvoice, plain

TOY = "2,6,4,7"
OPTIONS = argparse.Namespace(device="cpu", width=8, threads=1, rounds=1, limit_s=300)


def test_the_plain_lattice_and_ours_agree_in_loss_and_gradients():
    batch = Batch.drawn(3, 9, 5, 7, 8, torch.device("cpu"))
    ours, other = evenvoice(batch), plain(batch)
    torch.testing.assert_close(ours, other)
    torch.testing.assert_close(torch.autograd.grad(ours.sum(), batch.trained),
                               torch.autograd.grad(other.sum(), batch.trained))


def test_a_peer_is_measured_in_a_process_of_its_own():
    found = turn("evenvoice", TOY, OPTIONS)
    assert found.loss == pytest.approx(measure("plain", TOY, 8, torch.device("cpu")).loss, rel=1e-5)
    assert found.cpu_seconds > 0


def test_who_cannot_be_measured_is_named(monkeypatch):
    monkeypatch.setattr("benchmarks.transducer_loss.PEERS", {"cpu": {"evenvoice": evenvoice, "absent": evenvoice}})
    monkeypatch.setattr("benchmarks.transducer_loss.LIBRARIES", {"absent": "no_such_library"})
    figures, missing = compare(TOY, {}, OPTIONS)
    assert [one.peer for one in figures] == ["evenvoice"]
    assert figures[0].time_ratio is None
    assert missing == {"absent": "no_such_library is not installed"}
