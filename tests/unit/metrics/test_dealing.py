"""Speakers change places in blocks; cells keep their sizes, and chance is what it is when each is dealt alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenvoice.metrics import dealing
from evenvoice.metrics.dealing import Dealing

PEOPLE = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), max_size=40)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(dealing, "DEALT_ALONE", 16)
    return 16


@given(PEOPLE, st.integers(1, 50))
def test_nobody_is_lost_and_cells_keep_their_sizes(people: list[tuple[int, int]], alone: int) -> None:
    cell_S = np.array([cell for cell, _ in people], dtype=np.intp)
    counts_SK = np.array([[1, count] for _, count in people]).reshape(-1, 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dealing, "DEALT_ALONE", alone)
        for dealt_CK in Dealing(cell_S, counts_SK, 5).deal(3, np.random.default_rng(1)):
            assert dealt_CK[:, 0].tolist() == np.bincount(cell_S, minlength=5).tolist()
            assert dealt_CK[:, 1].sum() == counts_SK[:, 1].sum()


def test_many_speakers_are_few_blocks(few: int) -> None:
    cell_S = np.repeat(np.arange(10), 100)
    assert Dealing(cell_S, np.ones((1000, 1)), 10).blocks < 100
    assert Dealing(cell_S[:few], np.ones((few, 1)), 10).blocks == few


@pytest.mark.parametrize("cell", [0, 7], ids=["large", "small"])
def test_a_sum_spreads_as_much_as_if_each_were_dealt_alone(cell: int) -> None:
    rng = np.random.default_rng(2)
    cell_S, counts_SK = rng.permutation(np.repeat(np.arange(8), [3000, 900, 20, 20, 20, 20, 10, 10])), (
        rng.gamma(1.0, 1.0, (4000, 1)))
    spread = {}
    for name, alone in (("blocks", 500), ("alone", 4000)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dealing, "DEALT_ALONE", alone)
            spread[name] = np.std([dealt_CK[cell, 0] for dealt_CK in Dealing(cell_S, counts_SK, 8).deal(2000, rng)])
    assert spread["blocks"] == pytest.approx(spread["alone"], rel=0.2)


def test_nobody_is_dealt_where_nobody_is() -> None:
    [dealt_CK] = Dealing(np.array([], dtype=np.intp), np.empty((0, 2)), 3).deal(1, np.random.default_rng(1))
    assert dealt_CK.sum() == 0
