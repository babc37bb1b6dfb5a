"""Going back to the plain way, and the choice of how exactly a GPU multiplies."""

import pytest
import torch

from evenvoice.losses.transducer import products
from evenvoice.losses.transducer.faster import Faster
from evenvoice.losses.transducer.products import choice, largest_error, multiplied

CARD = torch.device("cuda", 0)


def fails() -> str:
    raise RuntimeError("no compiler\nfound")


def test_a_faster_way_that_fails_is_tried_once_and_its_reason_is_printed_once(capsys):
    faster = Faster("kernel")
    assert [faster.attempt(fails, lambda: "plain") for _ in range(3)] == ["plain"] * 3
    assert capsys.readouterr().err == "kernel: not used, RuntimeError: no compiler found\n"
    assert faster.attempt(lambda: "fast", lambda: "plain") == "plain"


def test_a_faster_way_that_works_is_used():
    assert Faster("kernel").attempt(lambda: "fast", fails) == "fast"


def test_too_little_memory_is_raised_and_gives_nothing_up():
    faster = Faster("kernel")

    def too_large() -> str:
        raise torch.OutOfMemoryError("80 GB")

    with pytest.raises(torch.OutOfMemoryError):
        faster.attempt(too_large, lambda: "plain")
    assert faster.given_up == ""


@pytest.mark.parametrize(("error", "chosen"), [(5e-4, "tf32"), (2e-3, "plain"), (float("nan"), "plain")])
def test_products_are_quick_where_gradients_stay_within_a_thousandth(monkeypatch, error, chosen):
    monkeypatch.setattr(products, "CHOSEN", {})
    asked = []

    def gradients(precision):
        asked.append(precision)
        return [torch.tensor([1.0, -4.0]), torch.tensor([2.0 + 2 * error if precision == "tf32" else 2.0])]

    assert [choice(CARD, gradients) for _ in range(2)] == [chosen] * 2
    assert asked == ["tf32", "plain"]  # once for each device


def test_an_error_is_a_share_of_the_largest_element():
    assert largest_error([torch.tensor([1.0, -4.4])], [torch.tensor([1.0, -4.0])]) == pytest.approx(0.1)


def test_the_process_gets_its_own_precision_back():
    settings = torch.backends.cuda.matmul
    before = settings.fp32_precision
    with multiplied("tf32", CARD):
        assert settings.fp32_precision == "tf32"
        with multiplied("plain", CARD):
            assert settings.fp32_precision == "ieee"
        with multiplied("tf32", torch.device("cpu")):
            assert settings.fp32_precision == "tf32"
    with pytest.raises(RuntimeError), multiplied("tf32", CARD):
        fails()
    assert settings.fp32_precision == before
