"""The champion moves when the verdict and the champion of today allow it, once, and never by halves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from evenvoice.errors import ArtifactError, PromotionConflict, TrackingError, TransientError
from evenvoice.storage import sha256, write_json
from evenvoice.tracking import lineage
from evenvoice.tracking.promotion import Expected
from tests.builders.registry import PERSON, World, flip_last_byte, weights_of
from tests.builders.run_files import ERRORS, ROOT

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # MLflow and SQLAlchemy warn about each other
]


def test_the_first_pass_becomes_champion(world: World) -> None:
    outcome = world.promote(world.registered("run-1"))
    assert (outcome.outcome, outcome.champion_before, outcome.champion) == ("promoted", None, 1)
    assert [entry.event for entry in world.trail.entries] == ["intent", "done"]
    assert world.store.anchor() == world.trail.head


def test_promoting_the_champion_again_does_nothing_and_says_so(world: World) -> None:
    files = world.registered("run-1")
    world.promote(files)
    assert world.promote(files).outcome == "already champion"
    assert len(world.trail.entries) == 2


def test_a_fail_is_never_promoted_not_even_by_a_person(world: World) -> None:
    files = world.registered("run-1", verdict="FAIL")
    assert world.promote(files).outcome == "refused"
    with pytest.raises(TrackingError, match="Nobody can promote it"):
        world.promote(files, approval=PERSON)
    assert world.champion is None


def test_an_insufficient_verdict_stays_challenger_until_a_person_decides(world: World) -> None:
    files = world.registered("run-1", verdict="INSUFFICIENT")
    assert world.promote(files).outcome == "waiting for a person"
    assert (world.champion, world.store.alias("challenger")) == (None, 1)
    assert world.promote(files, approval=PERSON).outcome == "promoted"
    assert world.trail.entries[-1].move.by == "the release lead"
    assert world.trail.entries[-1].move.reason == "listened to 200 recordings"


def test_a_better_model_replaces_the_champion_and_a_worse_one_does_not(world: World) -> None:
    world.promote(world.registered("run-1"))
    better = world.registered("run-2", model=1, errors=[count // 2 for count in ERRORS])
    assert world.promote(better).outcome == "promoted"
    outcome = world.promote(world.registered("run-3"))
    assert (outcome.outcome, world.champion) == ("refused", 2)
    assert "is worse" in outcome.reason


def test_other_test_speakers_need_a_person(world: World) -> None:
    world.promote(world.registered("run-1"))
    other = world.registered("run-2", model=1, speaker="newcomer")
    assert world.promote(other).outcome == "waiting for a person"
    assert world.promote(other, approval=PERSON).outcome == "promoted"


def test_an_approval_given_against_another_champion_is_a_conflict(world: World) -> None:
    world.promote(world.registered("run-1"))
    better = world.registered("run-2", model=1)
    with pytest.raises(PromotionConflict, match="must still be none, got version 1"):
        world.promote(better, approval=PERSON, expected=Expected(None))


def test_a_champion_that_moves_between_looking_and_promoting_is_a_conflict(
        world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.promote(world.registered("run-1"))
    better = world.registered("run-2", model=1)
    whole = world.store.download

    def meanwhile(number: int, into: Path) -> Path:
        monkeypatch.setattr(world.store, "download", whole)
        world.store.set_alias(lineage.CHAMPION, 2)
        return whole(number, into)

    monkeypatch.setattr(world.store, "download", meanwhile)
    with pytest.raises(PromotionConflict, match="must still be version 1, got version 2"):
        world.promote(better)
    assert [entry.event for entry in world.trail.entries] == ["intent", "done"]


def test_of_two_promotions_at_once_one_wins_and_the_other_conflicts(world: World) -> None:
    one, two = world.registered("run-1"), world.registered("run-2", model=1)
    with world.location.locked():  # both wait at the same place before either decides
        racing = [world.command(files.workspace, "promote", "--run-id", files.workspace.name,
                                "--expected-champion", "none") for files in (one, two)]
    said = [process.communicate(timeout=300) for process in racing]
    assert sorted(process.returncode for process in racing) == [0, 3]
    winner, loser = sorted(zip(racing, said, strict=True), key=lambda pair: pair[0].returncode)
    assert "PromotionConflict: the champion must still be none" in loser[1][1]
    assert json.loads(winner[1][0].splitlines()[-1])["champion"] == world.champion
    assert world.trail.champions() == [world.champion]


def test_mlflow_down_when_the_alias_is_set_is_settled_by_the_next_try(
        world: World, fail_once: Callable[[str], None]) -> None:
    files = world.registered("run-1")
    fail_once("set_registered_model_alias")
    with pytest.raises(TransientError):
        world.promote(files)
    assert world.promote(files).outcome == "promoted"
    assert [entry.event for entry in world.trail.entries] == ["intent", "abandoned", "intent", "done"]


CRASH = """
import os, sys
from evenvoice.tracking.audit import Trail
from evenvoice.tracking.__main__ import main
append = Trail.append
def crash(trail, event, move):
    if event == "done":
        os._exit(9)
    return append(trail, event, move)
Trail.append = crash
main(sys.argv[1:])
"""


def test_a_crash_between_the_alias_and_its_audit_line_is_settled_by_the_next_call(world: World) -> None:
    files = world.registered("run-1")
    environment = {**os.environ, "EVENVOICE_HOME": str(world.location.home), "PYTHONPATH": str(ROOT),
                   "MLFLOW_TRACKING_URI": world.location.tracking_uri}
    crashed = subprocess.run([sys.executable, "-c", CRASH, "promote", "--run-id", "run-1"], cwd=files.workspace,
                             env=environment, check=False, capture_output=True, text=True)
    assert crashed.returncode == 9, crashed.stderr
    assert (world.champion, world.trail.unsettled is not None) == (1, True)
    assert world.promote(files).outcome == "already champion"
    assert [entry.event for entry in world.trail.entries] == ["intent", "done"]


def test_a_flipped_byte_in_the_weights_is_refused_before_the_alias_moves(world: World) -> None:
    files = world.registered("run-1")
    flip_last_byte(weights_of(world))
    with pytest.raises(ArtifactError, match=r"model\.safetensors must have SHA-256"):
        world.promote(files)
    assert world.champion is None


def test_weights_exchanged_together_with_their_manifest_are_refused(world: World) -> None:
    files = world.registered("run-1")
    directory = weights_of(world).parent
    flip_last_byte(directory / "model.safetensors")
    content = json.loads((directory / "manifest.json").read_text())
    content["files"]["model.safetensors"] = sha256(directory / "model.safetensors")
    write_json(directory / "manifest.json", content)
    with pytest.raises(TrackingError, match="the manifest of version 1"):
        world.promote(files)
