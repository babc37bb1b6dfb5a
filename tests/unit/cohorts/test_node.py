"""Many speakers are pooled before a split is searched: it is found all the same, and chance keeps its odds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from evenvoice.cohorts import node
from evenvoice.cohorts.bounds import edges, inside
from evenvoice.cohorts.features import coordinate, statistic
from evenvoice.cohorts.node import Node, SplitSettings
from evenvoice.cohorts.permutation import permutation_p_value
from evenvoice.metrics import dealing

SETTINGS = SplitSettings(gain="poisson", min_speakers=5, min_words=50, box_edges=6)
PLACES = (coordinate("lat"), coordinate("lon"))
CUTS, FOUR_EDGES = 0, 3


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A hundred speakers are many."""
    monkeypatch.setattr(node, "DEALT_ALONE", 100)
    monkeypatch.setattr(dealing, "DEALT_ALONE", 100)
    monkeypatch.setattr(node, "CUTS_OF_MANY", 8)
    return


def people(size: int, seed: int, *, harm: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places, errors and words; those in the middle of the map make more errors."""
    rng = np.random.default_rng(seed)
    places_S2 = rng.uniform(0, 10, (size, 2))
    middle_S = (abs(places_S2 - 5) < 2).all(axis=1)
    words_S = rng.poisson(70, size)
    rates_S = 0.1 * rng.gamma(2, 0.5, size) * np.where(middle_S, harm, 1.0)
    return places_S2, rng.binomial(words_S, np.minimum(rates_S, 1)), words_S


def of(world: tuple[np.ndarray, np.ndarray, np.ndarray], settings: SplitSettings = SETTINGS) -> Node:
    return Node(PLACES, *world, settings)


def test_a_pool_loses_no_box(many: None, monkeypatch: pytest.MonkeyPatch) -> None:
    world = people(400, 1, harm=2.0)
    pooled = of(world)
    monkeypatch.setattr(node, "DEALT_ALONE", 1000)
    alone = of(world)
    assert pooled.gains[1:].tolist() == pytest.approx(alone.gains[1:].tolist())
    assert pooled.best(FOUR_EDGES) == (alone.best(FOUR_EDGES)[0], pytest.approx(alone.best(FOUR_EDGES)[1]))


def test_a_straight_cut_leaves_its_grid_for_the_best_place_nearby(many: None, monkeypatch: pytest.MonkeyPatch) -> None:
    places_S2 = np.column_stack([np.linspace(0, 10, 400), np.zeros(400)])
    errors_S = np.where(places_S2[:, 0] > 6.3, 20, 5)
    world = (places_S2, errors_S, np.full(400, 100))
    pooled = of(world)
    box, gain = pooled.best(CUTS)
    fitted, higher = pooled.fitted(box, gain)
    monkeypatch.setattr(node, "DEALT_ALONE", 1000)
    assert fitted == of(world).best(CUTS)[0]
    assert higher > gain


def test_a_threshold_that_is_given_is_never_moved(many: None) -> None:
    share_S = np.linspace(0, 1, 400)
    share = Node((statistic("share", (0.5,)),), share_S[:, None], np.where(share_S > 0.6, 20, 5), np.full(400, 100),
                 SplitSettings(gain="difference", min_speakers=5, min_words=50))
    box, gain = share.best(CUTS)
    assert share.fitted(box, gain) == (box, gain)
    assert box[0].low == 0.5


def test_whoever_is_unknown_lies_below_every_cut_in_a_pool_too(many: None) -> None:
    places_S2, errors_S, words_S = people(400, 2, harm=2.0)
    places_S2[::3, 1] = np.nan
    unboxed = Node(PLACES, places_S2, errors_S, words_S, SplitSettings(gain="poisson", min_speakers=5, min_words=50))
    box, gain = unboxed.fitted(*unboxed.best(CUTS))
    within_S = inside(box, places_S2)
    rates = [errors_S[side].sum() / words_S[side].sum() for side in (within_S, ~within_S)]
    counts = [(errors_S[side].sum(), rate) for side, rate in zip((within_S, ~within_S), rates, strict=True)]
    both = errors_S.sum() * np.log(errors_S.sum() / words_S.sum())
    assert gain == pytest.approx(sum(errors * np.log(rate) for errors, rate in counts) - both)


def test_a_region_among_many_is_found_and_its_edges_fit(many: None) -> None:
    world = people(2000, 3, harm=2.5)
    pooled = of(world)
    assert permutation_p_value(pooled.gains.max(), pooled.by_chance(49, np.random.default_rng(1))) == 0.02
    box, _ = pooled.fitted(*pooled.best(FOUR_EDGES))
    assert edges(box) == 4
    assert [edge for bounds in box.values() for edge in (bounds.low, bounds.high)] == pytest.approx([3, 7, 3, 7],
                                                                                                    abs=0.4)


def test_chance_is_refused_as_often_as_it_should_be(many: None) -> None:
    """100 worlds in which nobody is worse off: 5 are expected below 0.05, and half below one half."""
    found = []
    for seed in range(100):
        pooled = of(people(400, 100 + seed))
        found.append(permutation_p_value(pooled.gains.max(), pooled.by_chance(39, np.random.default_rng(seed))))
    assert np.mean(np.array(found) <= 0.05) <= 0.12
    assert np.mean(found) == pytest.approx(0.5, abs=0.1)
