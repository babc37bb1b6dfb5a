"""The previous champion returns, once."""

from __future__ import annotations

import pytest

from evenvoice.errors import PromotionConflict, TrackingError
from evenvoice.tracking import lineage
from evenvoice.tracking.promotion import Expected
from tests.builders.registry import World
from tests.builders.run_files import ERRORS

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # MLflow and SQLAlchemy warn about each other
]


def two_champions(world: World) -> None:
    world.promote(world.registered("run-1"))
    world.promote(world.registered("run-2", model=1, errors=[count // 2 for count in ERRORS]))


def test_a_rollback_brings_the_previous_champion_back(world: World) -> None:
    two_champions(world)
    outcome = world.roll_back()
    assert (outcome.outcome, outcome.champion_before, outcome.champion, world.champion) == ("rolled back", 2, 1, 1)
    assert world.trail.entries[-1].move.reason == "listened to 200 recordings"


def test_there_is_nothing_before_the_first_champion(world: World) -> None:
    two_champions(world)
    world.roll_back()
    with pytest.raises(TrackingError, match="have a champion before it"):
        world.roll_back("rollback-2")
    assert world.champion == 1


def test_a_retried_rollback_does_not_go_back_twice(world: World) -> None:
    two_champions(world)
    world.promote(world.registered("run-3", model=1, errors=[count // 4 for count in ERRORS], limits={"max_gap": 0.4}))
    assert world.roll_back().audit == world.roll_back().audit
    assert world.champion == 2


def test_a_rollback_from_another_champion_than_expected_is_a_conflict(world: World) -> None:
    two_champions(world)
    with pytest.raises(PromotionConflict, match="must still be version 1, got version 2"):
        world.roll_back(expected=Expected(1))


def test_a_champion_that_was_moved_by_hand_is_not_rolled_back(world: World) -> None:
    two_champions(world)
    world.registered("run-3", model=1, verdict="INSUFFICIENT")
    world.store.set_alias(lineage.CHAMPION, 3)
    with pytest.raises(TrackingError, match="It was moved outside evenvoice"):
        world.roll_back()
