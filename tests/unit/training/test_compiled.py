"""Compiled pieces compute what plain ones do, are gone after training, and are given up where compiling fails."""

from functools import partial

import pytest
import torch

from evenvoice.losses.transducer.faster import Faster
from evenvoice.models.conformer import ConvModule
from evenvoice.models.feed_forward import FeedForward
from evenvoice.training import compiled
from evenvoice.training.compiled import quickened, replaced
from tests.builders.models import tiny_recogniser

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def untried(monkeypatch):
    monkeypatch.setattr(compiled, "COMPILED", Faster("compiled pieces of the encoder"))


def conformer():
    return tiny_recogniser(encoder="conformer").transducer.train()


def pieces(model):
    return [module for module in model.modules() if isinstance(module, FeedForward | ConvModule)]


def gradients(model):
    features_BTM = torch.randn(2, 44, 8, generator=torch.Generator().manual_seed(1))
    loss = model.encode(features_BTM, torch.tensor([44, 30])).square().sum()
    return loss.detach(), torch.autograd.grad(loss, list(model.encoder.parameters()))


@pytest.mark.science
@pytest.mark.filterwarnings("ignore")  # of the compiler
def test_compiled_pieces_compute_the_same_and_leave_nothing_behind(monkeypatch):
    # all but the last step of compiling, which takes a minute on a processor
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    model = conformer()
    assert compiled._works(model, CPU)
    names, expected = list(model.state_dict()), gradients(model)
    with replaced([(module, compiled._METHODS[type(module)]) for module in pieces(model)]):
        assert list(model.state_dict()) == names
        found = gradients(model)
    assert compiled.COMPILED.given_up == ""
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert not any({"forward", "step"} & set(vars(module)) for module in pieces(model))


def test_where_compiling_fails_the_plain_pieces_go_on_and_the_reason_is_told_once(monkeypatch, capsys):
    def compiler(method, **_):
        def fails(*_):
            raise RuntimeError(f"no compiler for {method.__name__}")

        return fails

    model = conformer()
    expected = gradients(model)
    monkeypatch.setattr(torch, "compile", compiler)
    with replaced([(module, compiled._METHODS[type(module)]) for module in pieces(model)]):
        torch.testing.assert_close(gradients(model), expected, rtol=0, atol=0)
    assert capsys.readouterr().err == (
        "compiled pieces of the encoder: not used, RuntimeError: no compiler for forward\n")
    assert not compiled._works(model, CPU)


def test_on_a_processor_nothing_is_compiled(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.fail("compiled"))
    model = conformer()
    with quickened(model, CPU):
        gradients(model)
    assert not any({"forward", "step"} & set(vars(module)) for module in pieces(model))
