"""What promotion and serving are told of each product by the parameters of its run."""

from __future__ import annotations

from evenvoice.multitalker.taking import LONGEST_S
from evenvoice.params import Params, load_params
from evenvoice.tracking.__main__ import _longest_s, _not_worse
from evenvoice.tracking.names import EVERY, MULTITALKER, RECOGNISER, VERIFIER
from tests.builders.run_files import ROOT

PARAMS = load_params(ROOT / "params.yaml")


def changed(section: str, **changes: object) -> Params:
    return PARAMS.model_copy(update={section: getattr(PARAMS, section).model_copy(update=changes)})


def test_products_share_no_name() -> None:
    names = [name for product in EVERY for name in (product.product, product.experiment, product.model, product.trail)]

    assert len(set(names)) == len(names)


def test_each_product_may_get_worse_by_what_its_own_sections_say() -> None:
    params = changed("multitalker_gate", confidence=0.9)

    assert _not_worse(RECOGNISER, params) == (0.03, 0.95)
    assert _not_worse(VERIFIER, params) == (0.1, 0.95)
    assert _not_worse(MULTITALKER, params) == (0.03, 0.9)


def test_a_conversation_that_is_served_may_last_as_long_as_one_that_was_mixed_or_recorded() -> None:
    assert [_longest_s(names, PARAMS) for names in EVERY] == [30.0, 30.0, 4 * (30.0 + 2.0)]
    assert _longest_s(MULTITALKER, changed("mix", corpus="meetings")) == LONGEST_S
