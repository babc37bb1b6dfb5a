"""A verifier in MLflow: recorded, registered, promoted and served, beside the recogniser and apart from it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from evenvoice.errors import ArtifactError, RecordingRejected
from evenvoice.params import load_params
from evenvoice.tracking import lineage
from evenvoice.tracking.audit import Trail
from evenvoice.tracking.names import RECOGNISER as RECOGNISER_NAMES
from evenvoice.tracking.names import VERIFIER as NAMES
from evenvoice.tracking.product import ServedSettings
from evenvoice.tracking.promotion import Outcome, promote, roll_back
from evenvoice.tracking.recogniser import example_audio
from evenvoice.tracking.record import record
from evenvoice.tracking.register import register
from evenvoice.tracking.store import Store
from evenvoice.tracking.verifier import VERIFIER, VerifierFiles
from tests.builders.registry import PERSON, RULES, World
from tests.builders.verifier_run import write_verifier_run

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # MLflow and SQLAlchemy warn about each other
]


class Verifiers:
    """The world of recognisers, seen by whoever makes verifiers."""

    def __init__(self, world: World) -> None:
        self.world, self.store = world, Store(world.location, NAMES)

    def registered(self, name: str, **settings: object) -> VerifierFiles:
        files = write_verifier_run(self.world.root / name, **settings)  # type: ignore[arg-type]
        record(store=self.store, location=self.world.location, files=files, dag_run=name, commit="0123abc",
               dirty=False, params=load_params(files.params_file), product=VERIFIER)
        register(store=self.store, location=self.world.location, files=files, dag_run=name, min_speakers=5,
                 settings=ServedSettings(sample_rate=16_000, max_duration_s=30.0), product=VERIFIER)
        return files

    def promote(self, files: VerifierFiles) -> Outcome:
        return promote(store=self.store, location=self.world.location, files=files, dag_run=files.workspace.name,
                       rules=RULES, product=VERIFIER)


@pytest.fixture
def verifiers(world: World) -> Verifiers:
    return Verifiers(world)


def test_a_run_shows_rates_by_group_and_none_of_a_group_of_three(verifiers: Verifiers) -> None:
    verifiers.registered("run-1")
    run = verifiers.store.find_run("run-1")
    assert run is not None
    assert run.metrics["eer/pw/test/gender/female"] == 0.05
    assert run.metrics["cllr/pw/test/whole"] == 0.1
    # of three groups one is hidden, so a second one is too, and every figure that has one of them in it
    assert not any("other" in name or "gender/male" in name or name.startswith(("gap", "spread"))
                   for name in run.metrics)


def test_no_embedding_and_no_speaker_reaches_mlflow(verifiers: Verifiers) -> None:
    verifiers.registered("run-1")
    kept = [path for path in (verifiers.world.location.home / "mlflow").rglob("*") if path.is_file()]
    names = {path.name for path in kept}
    assert {"model.safetensors", "calibration.json", "verdict.json", "index.html"} <= names
    assert not {"trials.parquet", "labelled.parquet", "embeddings.parquet"} & names
    assert not any(b"s000" in path.read_bytes() for path in kept if path.suffix != ".db")


def test_the_published_verdict_hides_a_group_of_three(verifiers: Verifiers) -> None:
    verifiers.registered("run-1")
    [path] = (verifiers.world.location.home / "mlflow/artifacts").rglob("verdict.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    assert {one["group"] for one in content["groups"]}.isdisjoint({"other"})
    assert {one["scope"] for one in content["regression"]} == {"whole"}


def test_a_verifier_becomes_champion_beside_the_recogniser(verifiers: Verifiers) -> None:
    world = verifiers.world
    world.promote(world.registered("asr-1"))
    outcome = verifiers.promote(verifiers.registered("run-1"))
    assert outcome.outcome == "promoted"
    assert (world.champion, verifiers.store.alias(lineage.CHAMPION)) == (1, 1)
    trails = [Trail.read(world.location.trail(names)).entries for names in (RECOGNISER_NAMES, NAMES)]
    assert [entries[-1].move.run for entries in trails] == ["asr-1", "run-1"]


@pytest.mark.parametrize(("distance", "expected"), [(4.0, "promoted"), (1.5, "refused")])
def test_a_challenger_is_compared_with_the_champion_on_the_same_trials(verifiers: Verifiers, distance: float,
                                                                        expected: str) -> None:
    verifiers.promote(verifiers.registered("run-1"))
    outcome = verifiers.promote(verifiers.registered("run-2", distance=distance, seed=1))
    assert outcome.outcome == expected
    assert "equal error rate" in outcome.reason


def test_a_failed_verifier_stays_a_challenger_and_a_rollback_brings_the_last_one_back(verifiers: Verifiers) -> None:
    verifiers.promote(verifiers.registered("run-1"))
    assert verifiers.promote(verifiers.registered("run-2", verdict="FAIL", seed=1)).outcome == "refused"
    verifiers.promote(verifiers.registered("run-3", distance=4.0, seed=2))
    back = roll_back(store=verifiers.store, location=verifiers.world.location, dag_run="back", approval=PERSON)
    assert (back.champion_before, back.champion) == (3, 1)


def test_a_verdict_about_another_encoder_is_refused(verifiers: Verifiers) -> None:
    files = write_verifier_run(verifiers.world.root / "run-1")
    (files.model("pw") / "config.json").write_text((files.model("none") / "config.json").read_text())
    with pytest.raises(ArtifactError, match="says of 'pw' must come from the model in"):
        record(store=verifiers.store, location=verifiers.world.location, files=files, dag_run="run-1",
               commit="0123abc", dirty=False, params=load_params(files.params_file), product=VERIFIER)


def test_the_served_verifier_answers_pairs(verifiers: Verifiers, tmp_path: Path) -> None:
    import mlflow.pyfunc

    verifiers.registered("run-1")
    served = mlflow.pyfunc.load_model(f"models:/{NAMES.model}@{lineage.CHALLENGER}")
    audio = example_audio()
    answer = served.predict(pd.DataFrame({"first_audio": [audio], "second_audio": [audio]}))
    assert answer.columns.tolist() == ["llr", "same"]
    assert (answer["llr"][0], bool(answer["same"][0])) == (pytest.approx(5.0), True)
    (tmp_path / "a.flac").write_bytes(audio)
    path = str(tmp_path / "a.flac")
    assert bool(served.predict(pd.DataFrame({"first_path": [path], "second_path": [path]}))["same"][0])
    with pytest.raises(RecordingRejected, match="pair 1 must fill first_audio and second_audio"):
        served.predict(pd.DataFrame({"first_audio": [audio], "second_path": [path]}))
    slower = example_audio(rate=8000)
    with pytest.raises(RecordingRejected, match="must have one sampling rate"):
        served.predict(pd.DataFrame({"first_audio": [audio], "second_audio": [slower]}))


def test_the_commands_of_the_dag_do_the_same(verifiers: Verifiers) -> None:
    files = write_verifier_run(verifiers.world.root / "run-1")
    answers = []
    for command, arguments in (("record", ["--commit", "0123abc"]), ("register", []), ("promote", [])):
        process = verifiers.world.command(files.workspace, command, "--product", "verifier", "--run-id", "run-1",
                                          *arguments)
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        answers.append(json.loads(output.splitlines()[-1]))
    assert answers[0]["experiment"] == "train_verifier"
    assert (answers[1]["version"], answers[2]["outcome"]) == (1, "promoted")
