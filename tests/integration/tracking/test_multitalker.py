"""A recogniser of two talkers in MLflow: recorded, registered, promoted and served, beside the one of one talker."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evenvoice.data.audio import Waveform, encode_flac
from evenvoice.errors import ArtifactError, RecordingRejected
from evenvoice.multitalker.transcribing import hear_recording
from evenvoice.params import load_params
from evenvoice.tracking import lineage
from evenvoice.tracking.audit import Trail
from evenvoice.tracking.multitalker import MULTITALKER, MultitalkerFiles
from evenvoice.tracking.names import MULTITALKER as NAMES
from evenvoice.tracking.names import RECOGNISER as RECOGNISER_NAMES
from evenvoice.tracking.product import ServedSettings
from evenvoice.tracking.promotion import Outcome, promote, roll_back
from evenvoice.tracking.record import record
from evenvoice.tracking.register import register
from evenvoice.tracking.store import Store
from tests.builders.multitalker_run import MODEL, SIZES, talkative, write_multitalker_run
from tests.builders.registry import PERSON, RULES, World, flip_last_byte, loaded_elsewhere, weights_of

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # MLflow and SQLAlchemy warn about each other
]
TALK = Waveform(samples=(0.1 * np.random.default_rng(1).standard_normal(16_000)).astype(np.float32), rate=8000)


class Multitalkers:
    """The world of recognisers, seen by whoever makes those of two talkers."""

    def __init__(self, world: World) -> None:
        self.world, self.store = world, Store(world.location, NAMES)

    def recorded(self, name: str, **settings: object) -> MultitalkerFiles:
        files = write_multitalker_run(self.world.root / name, **settings)  # type: ignore[arg-type]
        record(store=self.store, location=self.world.location, files=files, dag_run=name, commit="0123abc",
               dirty=False, params=load_params(files.params_file), product=MULTITALKER)
        return files

    def registered(self, name: str, **settings: object) -> MultitalkerFiles:
        files = self.recorded(name, **settings)
        register(store=self.store, location=self.world.location, files=files, dag_run=name, min_speakers=5,
                 settings=ServedSettings(sample_rate=8000, max_duration_s=30.0), product=MULTITALKER)
        return files

    def promote(self, files: MultitalkerFiles) -> Outcome:
        return promote(store=self.store, location=self.world.location, files=files, dag_run=files.workspace.name,
                       rules=RULES, product=MULTITALKER)

    def kept(self) -> list[Path]:
        """Everything that MLflow holds beside its database."""
        return [path for path in (self.world.location.home / "mlflow").rglob("*")
                if path.is_file() and path.suffix != ".db"]


@pytest.fixture
def multitalkers(world: World) -> Multitalkers:
    return Multitalkers(world)


def test_a_run_shows_rates_by_group_and_none_of_a_group_of_three(multitalkers: Multitalkers) -> None:
    multitalkers.recorded("run-1")
    run = multitalkers.store.find_run("run-1")
    assert run is not None
    assert run.metrics["wer/multitalker/test/whole"] == run.metrics["orc_wer/multitalker/test/whole"]
    assert 0.05 < run.metrics["wer/multitalker/test/pace/slow"] < 0.15
    assert 4 * run.metrics["wer/multitalker/test/pace/slow"] == pytest.approx(
        run.metrics["wer/base/test/pace/slow"], rel=0.1)
    assert (run.metrics["endpointing/cut/multitalker/test"], run.metrics["counting_accuracy/base/test/whole"]) == (
        0.04, 0.8)
    assert run.metrics["cost/training_macs"] == 3 * 100.0 * run.metrics["cost/macs_per_audio_s"]
    # of three groups one is hidden, and a second one with it
    assert not any("other" in name or "fast" in name for name in run.metrics)


def test_no_speaker_and_no_evidence_reaches_mlflow(multitalkers: Multitalkers) -> None:
    multitalkers.registered("run-1")
    kept = multitalkers.kept()
    names = {path.name for path in kept}
    assert {"model.safetensors", "verdict.json", "index.html", "model_card.md"} <= names
    assert not {"spoken.parquet", "mixtures.parquet", "labelled.parquet", "examples.json", "curve.parquet"} & names
    speakers = re.compile(rf"({'|'.join(SIZES)})-\d\d\d".encode())
    assert not any(speakers.search(path.read_bytes()) for path in kept)


def test_the_published_verdict_hides_a_group_of_three(multitalkers: Multitalkers) -> None:
    multitalkers.recorded("run-1")
    [path] = [path for path in multitalkers.kept() if path.name == "verdict.json"]
    content = json.loads(path.read_text(encoding="utf-8"))
    assert {one["group"] for one in content["groups"]} == {"slow"}
    assert not any("other" in reason for reason in content["reasons"])


def test_it_becomes_champion_beside_the_recogniser_of_one_talker(multitalkers: Multitalkers) -> None:
    world = multitalkers.world
    world.promote(world.registered("asr-1"))
    outcome = multitalkers.promote(multitalkers.registered("run-1"))
    assert outcome.outcome == "promoted"
    assert (world.champion, multitalkers.store.alias(lineage.CHAMPION)) == (1, 1)
    trails = [Trail.read(world.location.trail(names)).entries for names in (RECOGNISER_NAMES, NAMES)]
    assert [entries[-1].move.run for entries in trails] == ["asr-1", "run-1"]


@pytest.mark.parametrize(("wer", "expected"), [(0.05, "promoted"), (0.2, "refused")])
def test_a_challenger_is_compared_with_the_champion_on_the_same_turns(multitalkers: Multitalkers, wer: float,
                                                                      expected: str) -> None:
    multitalkers.promote(multitalkers.registered("run-1"))
    outcome = multitalkers.promote(multitalkers.registered("run-2", wer=wer))
    assert outcome.outcome == expected
    assert "on the same 53 test speakers" in outcome.reason


def test_other_mixtures_of_the_same_words_compare_nothing(multitalkers: Multitalkers) -> None:
    multitalkers.promote(multitalkers.registered("run-1"))
    outcome = multitalkers.promote(multitalkers.registered("run-2", wer=0.01, seed=1))
    assert outcome.outcome == "waiting for a person"
    assert "tested on other data (53 speakers, 53 now, 53 shared)" in outcome.reason


def test_a_failed_one_stays_a_challenger_and_a_rollback_brings_the_last_one_back(multitalkers: Multitalkers) -> None:
    multitalkers.promote(multitalkers.registered("run-1"))
    assert multitalkers.promote(multitalkers.registered("run-2", verdict="FAIL", wer=0.05)).outcome == "refused"
    multitalkers.promote(multitalkers.registered("run-3", wer=0.04))
    back = roll_back(store=multitalkers.store, location=multitalkers.world.location, dag_run="back", approval=PERSON)
    assert (back.champion_before, back.champion) == (3, 1)


@pytest.mark.parametrize(("part", "model"), [("model", MODEL), ("base", "base")])
def test_a_verdict_about_another_model_is_refused(multitalkers: Multitalkers, part: str, model: str) -> None:
    files = write_multitalker_run(multitalkers.world.root / "run-1")
    config = json.loads((files.model(model) / "config.json").read_text(encoding="utf-8"))
    (files.model(model) / "config.json").write_text(json.dumps({**config, "weights_sha256": "0" * 64}))
    with pytest.raises(ArtifactError, match=f"says of the {part} must be about what lies in"):
        record(store=multitalkers.store, location=multitalkers.world.location, files=files, dag_run="run-1",
               commit="0123abc", dirty=False, params=load_params(files.params_file), product=MULTITALKER)


def test_the_served_model_hears_the_turns_of_bytes_paths_and_samples_alike(multitalkers: Multitalkers,
                                                                           tmp_path: Path) -> None:
    import mlflow.pyfunc

    multitalkers.registered("run-1")
    served = mlflow.pyfunc.load_model(f"models:/{NAMES.model}@{lineage.CHALLENGER}")
    flac = encode_flac(TALK)
    (tmp_path / "talk.flac").write_bytes(flac)
    from_bytes = served.predict(pd.DataFrame({"audio": [flac, flac]}))
    assert from_bytes.columns.tolist() == ["turns"]
    [from_path] = served.predict({"path": str(tmp_path / "talk.flac")})["turns"]
    samples = pd.DataFrame({"samples": [TALK.samples]})
    [from_samples] = served.predict(samples, params={"sample_rate": 8000})["turns"]
    assert from_bytes["turns"].tolist() == [from_path, from_path]
    turns = json.loads(from_path)
    assert turns == told(TALK.samples)
    assert {turn["channel"] for turn in turns} == {1, 2}
    assert list(turns[0]) == ["start_s", "end_s", "channel", "text"]
    assert [turn["text"] for turn in json.loads(from_samples)] == [turn["text"] for turn in turns]


def told(samples: np.ndarray[Any, np.dtype[np.float32]]) -> list[dict[str, Any]]:
    """Turns by start, of which the one that ends first comes first."""
    found = []
    for turn in hear_recording(talkative(0), samples, 8000):
        start_s = turn.words[0].start_s if turn.start_s is None else turn.start_s
        end_s = turn.end_s if turn.end_s is not None else turn.words[-1].end_s if turn.words else start_s
        found.append((round(start_s, 3), round(end_s, 3), turn.channel + 1, turn.text))
    return [dict(zip(("start_s", "end_s", "channel", "text"), turn, strict=True)) for turn in sorted(found)]


@pytest.mark.parametrize(("row", "message"), [
    ({"audio": b"not audio"}, "recording 1 must be readable audio"),
    ({"samples": [float("nan")] * 800}, "recording 1 must hold finite samples"),
    ({"samples": [0.1] * 31 * 8000}, "recording 1 must be mono samples of at most 30 s"),
    ({"path": "a.wav", "audio": b"x"}, "recording 1 must fill exactly one of audio, path, samples"),
])
def test_the_served_model_refuses_bad_input_by_name(multitalkers: Multitalkers, row: dict[str, object],
                                                    message: str) -> None:
    import mlflow.pyfunc

    multitalkers.registered("run-1")
    served = mlflow.pyfunc.load_model(f"models:/{NAMES.model}/1")
    with pytest.raises(RecordingRejected, match=message):
        served.predict(pd.DataFrame([row]))


def test_an_altered_weight_is_refused_when_the_model_is_loaded(multitalkers: Multitalkers) -> None:
    import mlflow.pyfunc

    multitalkers.registered("run-1")
    flip_last_byte(weights_of(multitalkers.world))
    with pytest.raises(ArtifactError, match=r"model\.safetensors must have SHA-256"):
        mlflow.pyfunc.load_model(f"models:/{NAMES.model}/1")


def test_the_model_loads_where_evenvoice_is_not_installed(multitalkers: Multitalkers, tmp_path: Path) -> None:
    multitalkers.registered("run-1")
    columns, imported, package = loaded_elsewhere(multitalkers.world, f"models:/{NAMES.model}/1", encode_flac(TALK),
                                                  tmp_path)
    settings = ServedSettings(sample_rate=8000, max_duration_s=30.0)
    assert columns == ["turns"]
    assert imported <= set(MULTITALKER.interface(settings).requirements)
    assert str(multitalkers.world.location.home) in package


def test_the_commands_of_the_dag_do_the_same(multitalkers: Multitalkers) -> None:
    files = write_multitalker_run(multitalkers.world.root / "run-1")
    answers = []
    for command, arguments in (("record", ["--commit", "0123abc"]), ("register", []), ("promote", [])):
        process = multitalkers.world.command(files.workspace, command, "--product", "multitalker", "--run-id", "run-1",
                                             *arguments)
        output, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        answers.append(json.loads(output.splitlines()[-1]))
    assert answers[0]["experiment"] == "train_multitalker"
    assert (answers[1]["version"], answers[2]["outcome"]) == (1, "promoted")
