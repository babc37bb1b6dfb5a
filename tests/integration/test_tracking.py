"""The effects against a real MLflow on SQLite: recorded once, registered once, promoted only when allowed."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy.event

from evenvoice.data.audio import Waveform, encode_flac
from evenvoice.decoding.stream import recognise
from evenvoice.errors import ArtifactError, PromotionConflict, TrackingError, TransientError
from evenvoice.params import load_params
from evenvoice.tracking import lineage
from evenvoice.tracking.__main__ import main
from evenvoice.tracking.audit import Trail
from evenvoice.tracking.comparison import Rules
from evenvoice.tracking.location import Location
from evenvoice.tracking.promotion import Approval, Expected, Outcome, promote, roll_back
from evenvoice.tracking.record import Recording, record
from evenvoice.tracking.register import REQUIREMENTS, Registration, ServedSettings, register
from evenvoice.tracking.run_files import RunFiles
from evenvoice.tracking.store import Store
from tests.builders.models import tiny_recogniser
from tests.builders.run_files import ERRORS, ROOT, write_run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # MLflow and SQLAlchemy warn about each other
]

RULES = Rules(margin=0.03, confidence=0.95, replicates=300, seed=1)
SETTINGS = ServedSettings(sample_rate=8000, max_duration_s=30.0)
PERSON = Approval(by="the release lead", reason="listened to 200 recordings")
TONE = Waveform(samples=(0.1 * np.sin(np.arange(8000) / 5)).astype(np.float32), rate=8000)


class World:
    """One evenvoice home and the runs that use it."""

    def __init__(self, root: Path, database: Path, models: tuple[Path, Path]) -> None:
        self.root = root
        self.location = Location(home=root / "home", tracking_uri=f"sqlite:///{root}/home/mlflow/mlflow.db")
        (root / "home/mlflow").mkdir(parents=True)
        shutil.copyfile(database, root / "home/mlflow/mlflow.db")
        self.models = models
        self.store = Store(self.location)

    def run(self, name: str, *, model: int = 0, **settings: object) -> RunFiles:
        """A finished run in its own workspace."""
        return write_run(self.root / name, model=self.models[model], **settings)  # type: ignore[arg-type]

    def record(self, files: RunFiles) -> Recording:
        return record(store=self.store, location=self.location, files=files, dag_run=files.workspace.name,
                      commit="0123abc", dirty=False, params=load_params(files.params_file))

    def register(self, files: RunFiles) -> Registration:
        return register(store=self.store, location=self.location, files=files, dag_run=files.workspace.name,
                        settings=SETTINGS)

    def promote(self, files: RunFiles, approval: Approval | None = None, expected: Expected | None = None) -> Outcome:
        return promote(store=self.store, location=self.location, files=files, dag_run=files.workspace.name,
                       rules=RULES, approval=approval, expected=expected)

    def registered(self, name: str, **settings: object) -> RunFiles:
        """A run that was recorded and registered."""
        files = self.run(name, **settings)  # type: ignore[arg-type]
        self.record(files)
        self.register(files)
        return files

    def roll_back(self, dag_run: str = "rollback-1", expected: Expected | None = None) -> Outcome:
        return roll_back(store=self.store, location=self.location, dag_run=dag_run, approval=PERSON, expected=expected)

    @property
    def champion(self) -> int | None:
        return self.store.alias(lineage.CHAMPION)

    @property
    def trail(self) -> Trail:
        return Trail.read(self.location.audit)

    def command(self, workspace: Path, *arguments: str) -> subprocess.Popen[str]:
        """A command as Airflow starts it."""
        environment = {**os.environ, "EVENVOICE_HOME": str(self.location.home), "PYTHONPATH": str(ROOT),
                       "MLFLOW_TRACKING_URI": self.location.tracking_uri}
        return subprocess.Popen([sys.executable, "-m", "evenvoice.tracking", *arguments], cwd=workspace,
                                env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database: its migrations take seconds, so they run once."""
    home = tmp_path_factory.mktemp("template")
    Store(Location(home=home, tracking_uri=f"sqlite:///{home}/mlflow.db"))
    return home / "mlflow.db"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two recognisers with different weights."""
    root = tmp_path_factory.mktemp("models")
    for seed in (0, 1):
        tiny_recogniser(seed=seed).save(root / str(seed))
    return root / "0", root / "1"


@pytest.fixture
def world(tmp_path: Path, database: Path, models: tuple[Path, Path]) -> World:
    return World(tmp_path, database, models)


@pytest.fixture
def fail_once(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the next call of a method of the MLflow client fail as a server that went away does."""
    def arrange(method: str) -> None:
        from mlflow.exceptions import MlflowException

        whole = getattr(world.store._client, method)

        def failing(*_arguments: object, **_named: object) -> None:
            monkeypatch.setattr(world.store._client, method, whole)
            raise MlflowException("API request failed: connection refused")

        monkeypatch.setattr(world.store._client, method, failing)

    return arrange


def history(world: World, run: str, metric: str) -> list[float]:
    return [point.value for point in world.store._client.get_metric_history(run, metric)]


# record


def test_a_run_is_recorded_with_parameters_metrics_curves_and_files(world: World) -> None:
    done = world.record(world.run("run-1"))
    run = world.store._client.get_run(done.run)
    assert run.data.params["train.steps"] == str(load_params(ROOT / "params.yaml").train.steps)
    assert run.data.params["ingest.split.validate"] == "0.1"
    assert run.data.metrics["wer/ewc/test/whole"] == 0.05
    assert history(world, done.run, "train/ewc/loss") == [10.0, 5.0, 10 / 3]
    assert run.data.tags["evenvoice.commit"] == "0123abc"
    assert run.data.tags["evenvoice.verdict"] == "PASS"
    assert run.info.status == "FINISHED"
    assert {file.path for file in world.store._client.list_artifacts(done.run)} == {
        "index.html", "model_card.md", "verdict.json", "made_with.json", "dvc.lock", "params.yaml"}


def test_recording_again_adds_nothing(world: World) -> None:
    files = world.run("run-1")
    first, second = world.record(files), world.record(files)
    assert (first.created, second.created) == (True, False)
    assert first.run == second.run
    assert history(world, first.run, "wer/ewc/test/whole") == [0.05]
    assert history(world, first.run, "train/ewc/loss") == [10.0, 5.0, 10 / 3]


@pytest.mark.parametrize("call", ["log_batch", "log_artifact", "set_terminated"])
def test_a_half_recorded_run_is_completed(world: World, fail_once: Callable[[str], None], call: str) -> None:
    files = world.run("run-1")
    fail_once(call)
    with pytest.raises(TransientError, match="connection refused"):
        world.record(files)
    done = world.record(files)
    run = world.store._client.get_run(done.run)
    assert (done.created, run.info.status) == (False, "FINISHED")
    assert history(world, done.run, "wer/ewc/test/whole") == [0.05]


def test_nothing_of_a_small_cohort_or_of_a_speaker_reaches_mlflow(world: World) -> None:
    world.registered("run-1")
    kept = [path for path in (world.location.home / "mlflow").rglob("*") if path.is_file()
            and path.name not in ("params.yaml",) and "code" not in path.parts]
    assert not [path.name for path in kept if b"hamlet" in path.read_bytes()]
    assert not [path.name for path in kept if b"speaker-1" in path.read_bytes()]


def test_a_missing_report_leaves_mlflow_untouched(world: World) -> None:
    files = world.run("run-1")
    files.report.unlink()
    with pytest.raises(ArtifactError, match=r"index\.html must exist"):
        world.record(files)
    assert world.store.find_run("run-1") is None


# register


def test_a_run_that_was_not_recorded_is_not_registered(world: World) -> None:
    with pytest.raises(TrackingError, match="be recorded first"):
        world.register(world.run("run-1"))


def test_a_version_carries_its_lineage_and_the_run_links_to_it(world: World) -> None:
    files = world.registered("run-1")
    tags = world.store.version(1).tags
    assert tags["evenvoice.verdict"] == "PASS"
    assert tags["evenvoice.arm"] == "ewc"
    assert tags["evenvoice.dag_run"] == "run-1"
    assert tags["evenvoice.data"] == files.data_hash()
    assert world.store.alias("challenger") == 1
    run = world.store.find_run("run-1")
    assert run is not None
    assert run.tags["evenvoice.model_version"] == "1"


def test_the_same_inputs_of_another_run_are_the_same_version(world: World) -> None:
    world.registered("run-1")
    again = world.run("run-2")
    world.record(again)
    assert world.register(again).version == 1
    run = world.store.find_run("run-2")
    assert run is not None
    assert run.tags["evenvoice.model_version"] == "1"


@pytest.mark.parametrize("other", [{"model": 1}, {"verdict": "FAIL"}])
def test_other_weights_or_another_verdict_are_another_version(world: World, other: dict[str, object]) -> None:
    world.registered("run-1")
    world.registered("run-2", **other)
    assert world.store.alias("challenger") == 2


@pytest.mark.parametrize("call", ["create_model_version", "set_registered_model_alias"])
def test_mlflow_down_in_the_middle_of_registering_leaves_one_version(
        world: World, fail_once: Callable[[str], None], call: str) -> None:
    files = world.run("run-1")
    world.record(files)
    fail_once(call)
    with pytest.raises(TransientError):
        world.register(files)
    assert world.register(files).version == 1
    assert world.store.alias("challenger") == 1
    assert len(world.store._client.search_model_versions(f"name = '{lineage.MODEL}'")) == 1
    logged = list((world.location.home / "mlflow/artifacts/models").iterdir())
    assert len(logged) == 1


def test_a_locked_database_is_worth_another_try(world: World) -> None:
    files = world.run("run-1")
    sqlalchemy.event.listen(world.store._client._tracking_client.store.engine, "before_cursor_execute", wait_less,
                            retval=True)
    holder = sqlite3.connect(world.location.database or "", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(TransientError, match="locked"):
            world.record(files)
    finally:
        holder.close()
    assert world.record(files).verdict == "PASS"


def wait_less(_connection: object, _cursor: object, statement: str, parameters: object, _context: object,
              _many: bool) -> tuple[str, object]:
    """MLflow waits 20 s for a lock, in every session."""
    return statement.replace("busy_timeout = 20000", "busy_timeout = 10"), parameters


# the served model


def test_the_served_model_transcribes_bytes_paths_and_samples_alike(world: World, tmp_path: Path) -> None:
    import mlflow.pyfunc
    import pandas as pd

    world.registered("run-1")
    model = mlflow.pyfunc.load_model("models:/evenvoice-asr@challenger")
    flac = encode_flac(TONE)
    (tmp_path / "tone.flac").write_bytes(flac)
    from_bytes = model.predict(pd.DataFrame({"audio": [flac, flac]}))["text"].tolist()
    from_path = model.predict({"path": str(tmp_path / "tone.flac")})["text"].tolist()
    samples = pd.DataFrame({"samples": [TONE.samples]})
    from_samples = model.predict(samples, params={"sample_rate": 8000})["text"].tolist()
    assert from_bytes == [from_path[0], from_path[0]] == [from_samples[0], from_samples[0]]
    from evenvoice.models.recogniser import Recogniser

    direct = Recogniser.load(world.models[0])
    assert from_samples == [recognise(direct, TONE.samples, 8000)[0].text]


@pytest.mark.parametrize("factor", [20.0, 200_000.0])
def test_the_served_model_hears_samples_beyond_full_scale_as_those_that_fill_it(world: World, factor: float) -> None:
    import mlflow.pyfunc
    import pandas as pd
    import soundfile

    world.registered("run-1")
    model = mlflow.pyfunc.load_model("models:/evenvoice-asr@challenger")
    full = TONE.samples / np.abs(TONE.samples).max()
    wav = io.BytesIO()
    soundfile.write(wav, factor * TONE.samples, 8000, format="WAV", subtype="FLOAT")
    served = model.unwrap_python_model()
    for row in ({"samples": factor * TONE.samples}, {"audio": wav.getvalue()}):
        np.testing.assert_allclose(served._waveform(row, "recording 1", 8000).samples, full, atol=1e-6)
    heard = [model.predict(pd.DataFrame({"samples": [samples]}), params={"sample_rate": 8000})["text"].tolist()
             for samples in (factor * TONE.samples, full)]
    assert heard[0] == heard[1]


@pytest.mark.parametrize(("row", "message"), [
    ({"audio": b"not audio"}, "recording 1 must be readable audio"),
    ({"path": "/no/such.wav"}, r"/no/such\.wav must be a file"),
    ({"samples": [float("nan")] * 800}, "recording 1 must hold finite samples"),
    ({"path": "a.wav", "audio": b"x"}, "recording 1 must fill exactly one"),
])
def test_the_served_model_refuses_bad_input_by_name(world: World, row: dict[str, object], message: str) -> None:
    import mlflow.pyfunc
    import pandas as pd

    world.registered("run-1")
    model = mlflow.pyfunc.load_model("models:/evenvoice-asr/1")
    with pytest.raises(Exception, match=message):
        model.predict(pd.DataFrame([row]))


def weights_of(world: World) -> Path:
    [weights] = (world.location.home / "mlflow/artifacts/models").rglob("model.safetensors")
    return weights


def flip_last_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_a_flipped_byte_in_the_weights_is_refused_when_the_model_is_loaded(world: World) -> None:
    import mlflow.pyfunc

    world.registered("run-1")
    flip_last_byte(weights_of(world))
    with pytest.raises(ArtifactError, match=r"model\.safetensors must have SHA-256"):
        mlflow.pyfunc.load_model("models:/evenvoice-asr/1")


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
    from evenvoice.storage import sha256, write_json

    content["files"]["model.safetensors"] = sha256(directory / "model.safetensors")
    write_json(directory / "manifest.json", content)
    with pytest.raises(TrackingError, match="the manifest of version 1"):
        world.promote(files)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def invoke(port: int, row: dict[str, object]) -> tuple[int, str]:
    """Status and body of a served model's answer to one row."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/invocations",
                                     headers={"Content-Type": "application/json"},
                                     data=json.dumps({"dataframe_records": [row]}).encode())
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        assert server.poll() is None
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5):
            return
        time.sleep(0.1)
    raise AssertionError("the server did not come up")


def test_behind_http_base64_is_transcribed_and_a_path_is_refused(world: World, tmp_path: Path) -> None:
    world.registered("run-1")
    flac = encode_flac(TONE)
    (tmp_path / "tone.flac").write_bytes(flac)
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/evenvoice-asr@challenger", "--port",
               str(port), "--env-manager", "local"]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          env={**os.environ, "MLFLOW_TRACKING_URI": world.location.tracking_uri,
                               "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}) as server:
        try:
            wait_for(port, server)
            status, body = invoke(port, {"audio": base64.b64encode(flac).decode()})
            assert status == 200
            assert list(json.loads(body)["predictions"][0]) == ["text"]
            status, body = invoke(port, {"path": str(tmp_path / "tone.flac")})
            assert status >= 400
            assert "must not be a path when sent to a server" in body
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)


def test_the_model_loads_where_evenvoice_is_not_installed(world: World, tmp_path: Path) -> None:
    world.registered("run-1")
    flac = base64.b64encode(encode_flac(TONE)).decode()
    program = f"""
import base64, warnings; warnings.simplefilter("ignore")
import mlflow.pyfunc, pandas
model = mlflow.pyfunc.load_model("models:/evenvoice-asr/1")
print(model.predict(pandas.DataFrame({{"audio": [base64.b64decode("{flac}")]}})).columns.tolist())
import ast, json, sys
from importlib.metadata import packages_distributions
from pathlib import Path
own = [module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] == "evenvoice"]
nodes = [node for file in own for node in ast.walk(ast.parse(Path(file).read_text()))]
names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
names += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
foreign = {{name.partition(".")[0] for name in names}} - set(sys.stdlib_module_names) - {{"evenvoice"}}
print(json.dumps(sorted(packages_distributions()[name][0] for name in foreign)))
import evenvoice; print(evenvoice.__file__)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True,
                          env={"PATH": os.environ["PATH"], "MLFLOW_TRACKING_URI": world.location.tracking_uri})
    columns, imported, package = done.stdout.splitlines()[-3:]
    assert columns == "['text']"
    assert set(json.loads(imported)) <= set(REQUIREMENTS)
    assert str(world.location.home) in package


# promote


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


# rollback


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


# commands


def test_the_commands_end_with_one_line_of_json_and_leave_it_for_the_console(
        world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    files = world.run("manual__2026-01-01T00:00:00+00:00")
    monkeypatch.chdir(files.workspace)
    monkeypatch.setenv("EVENVOICE_HOME", str(world.location.home))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", world.location.tracking_uri)
    run = ["--run-id", files.workspace.name]
    for arguments in (["record", *run, "--commit", "0123abc", "--dirty"], ["register", *run], ["promote", *run],
                      ["audit"]):
        assert main(arguments) == 0
        output = capsys.readouterr()
        assert json.loads(output.out.splitlines()[-1]) == json.loads(Path(f"effects/{arguments[0]}.json").read_text())
        assert "Warning" not in output.err
    assert world.champion == 1
    assert main(["rollback", "--by", "the release lead", "--reason", "complaints"]) == 3
    assert "must have a champion before it" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "message"), [
    (["register", "--run-id", "x' or '1'='1"], "TrackingError: the DAG run id must match"),
    (["record", "--run-id", "run-1", "--commit", "main"], "TrackingError: the commit must match"),
    (["register", "--run-id", "run-1"], "ParamsError: params.yaml must exist"),
])
def test_what_is_wrong_is_said_in_one_line_and_by_the_exit_code(
        arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 3
    assert message in capsys.readouterr().err
