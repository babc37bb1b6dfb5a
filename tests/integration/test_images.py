"""Images built on a real engine, without any registry, and what runs in them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from dags.workspace import Request, run_params
from evenvoice.code_digest import tree_digest
from evenvoice.data.corpora.fingerprint import fingerprint
from evenvoice.errors import PreflightError
from evenvoice.storage import read_json, sha256, write_json
from ops.images.base import BASE_TAG
from ops.images.build import BuildOptions, Image, build_images
from ops.images.context import KINDS
from tests.builders.checkout import full_checkout
from tests.builders.engine import Engine

pytestmark = pytest.mark.engine
ROOT = Path(__file__).resolve().parents[2]
STAGES = sorted(path.stem for path in (ROOT / "stages").glob("*.py")
                if path.stem in yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])
LOCKED_DOWN = ("run", "--rm", "--init", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges",
               "--network=none", "--tmpfs=/tmp", "--pids-limit=256", "--memory=4g")
MOST_BYTES = 1_100_000_000
MOST_BYTES_OF_A_CHANGE = 20_000_000
SETTLED_LAYERS = 3
"""Base, user, packages: a change of code leaves them as they are."""
WHEELHOUSE = ROOT / ".evenvoice" / "wheelhouse-cpu"


def in_container(engine: Engine, image: Image, *command: str, flags: tuple[str, ...] = ()) -> str:
    """What a command prints in a container that may do as little as a stage's."""
    return engine.client.run(*LOCKED_DOWN, *flags, image.tag, *command).strip()


def importable(engine: Engine, image: Image, *modules: str) -> list[str]:
    """Those of ``modules`` that Python finds in the image."""
    script = f"import importlib.util as u; print(*[m for m in {modules!r} if u.find_spec(m)])"
    return in_container(engine, image, "python", "-c", script).split()


@pytest.mark.parametrize("name", KINDS)
def test_an_image_runs_as_nobody_in_particular(docker_engine: Engine, request: pytest.FixtureRequest,
                                               name: str) -> None:
    image = request.getfixturevalue(f"{name}_image")

    said = in_container(docker_engine, image, "python", "-c", "import os; print(os.getuid(), os.getgid())")

    assert said == "10001 10001"


@pytest.mark.parametrize("name", KINDS)
def test_labels_tell_code_lock_and_commit(docker_engine: Engine, request: pytest.FixtureRequest, name: str) -> None:
    request.getfixturevalue(f"{name}_image")

    found = docker_engine.client.inspect(f"evenvoice/{name}:local")

    assert found is not None
    labels = found["Config"]["Labels"]
    assert labels["io.evenvoice.code"] == tree_digest(ROOT, KINDS[name].code)
    assert labels["io.evenvoice.lock"] == sha256(ROOT / "locks" / f"{name}.txt")
    assert labels["org.opencontainers.image.revision"]


def test_the_code_in_the_image_is_what_its_label_says(docker_engine: Engine, stage_image: Image) -> None:
    script = "from pathlib import Path; from evenvoice.code_digest import tree_digest; print(tree_digest(Path.cwd()))"

    assert in_container(docker_engine, stage_image, "python", "-c", script) == stage_image.labels["io.evenvoice.code"]


def test_every_stage_can_be_imported_on_a_read_only_root(docker_engine: Engine, stage_image: Image) -> None:
    script = f"import {', '.join(f'stages.{stage}' for stage in STAGES)}; print('imported')"

    assert in_container(docker_engine, stage_image, "python", "-c", script) == "imported"


def test_a_stage_says_what_it_does(docker_engine: Engine, stage_image: Image) -> None:
    assert in_container(docker_engine, stage_image, "python", "-m", "stages.gate", "--help").startswith("usage:")


def test_a_stage_leaves_its_result_and_its_entry_in_the_lock(docker_engine: Engine, stage_image: Image,
                                                             tmp_path: Path) -> None:
    workspace = full_checkout(tmp_path / "workspace")
    shutil.rmtree(workspace / ".git")
    params = run_params(ROOT, Request(profile="tiny"))
    (workspace / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    (workspace / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n", encoding="utf-8")
    write_json(workspace / "corpus.json", fingerprint(params["ingest"]["corpus"], params["ingest"]["select"]))
    for path in (workspace, *workspace.rglob("*")):
        shutil.chown(path, 10001, 10001)

    in_container(docker_engine, stage_image, "dvc", "repro", "--single-item", "ingest", flags=(
        f"--volume={workspace}:{workspace}", f"--workdir={workspace}", f"--env=DVC_SITE_CACHE_DIR={workspace}/site"))

    lock = yaml.safe_load((workspace / "dvc.lock").read_text(encoding="utf-8"))
    assert list(lock["stages"]) == ["ingest"]
    assert any((workspace / "artifacts" / "corpus").iterdir())


def test_a_stage_image_holds_neither_airflow_nor_mlflow_nor_pip(docker_engine: Engine, stage_image: Image) -> None:
    modules = ("torch", "dvc", "boto3", "espeakng_loader", "worker", "airflow", "mlflow", "pip", "dags")

    assert importable(docker_engine, stage_image, *modules) == ["torch", "dvc", "boto3", "espeakng_loader", "worker"]


def test_an_airflow_image_holds_no_torch(docker_engine: Engine, airflow_image: Image) -> None:
    modules = ("airflow", "mlflow", "dvc", "boto3", "docker", "kubernetes", "dags", "ops", "torch", "pip")

    assert importable(docker_engine, airflow_image, *modules) == [
        "airflow", "mlflow", "dvc", "boto3", "docker", "kubernetes", "dags", "ops"]


def test_the_airflow_image_parses_the_dag(docker_engine: Engine, airflow_image: Image) -> None:
    said = in_container(docker_engine, airflow_image, "python", "-c", "import dags.train_asr as m; print(m.__name__)")

    assert said.endswith("dags.train_asr")


def test_the_bill_of_materials_is_the_one_on_record(stage_image: Image) -> None:
    path = ROOT / ".evenvoice" / "images" / "stage.cdx.json"
    components = {component["name"] for component in json.loads(path.read_text(encoding="utf-8"))["components"]}

    assert {"torch", "dvc", "boto3", "libc6"} <= components
    assert read_json(path.with_name("stage.json"))["sbom_sha256"] == stage_image.sbom_sha256 == sha256(path)


def test_a_changed_comment_installs_no_package_again(docker_engine: Engine, stage_image: Image,
                                                     tmp_path: Path) -> None:
    root = full_checkout(tmp_path / "checkout")
    stage = root / "stages" / "gate.py"
    stage.write_text(stage.read_text(encoding="utf-8") + "# a comment\n", encoding="utf-8")
    options = BuildOptions(base_image=BASE_TAG, wheelhouse=WHEELHOUSE, tag="changed-comment",
                           docker=docker_engine.client.path)

    changed = build_images(root, Console(quiet=True), options, ("stage",))[0]

    try:
        before, after = ((docker_engine.client.inspect(tag) or {})["RootFS"]["Layers"]
                         for tag in (stage_image.tag, changed.tag))
        assert before[:SETTLED_LAYERS] == after[:SETTLED_LAYERS]
        assert before[SETTLED_LAYERS:] != after[SETTLED_LAYERS:]
        assert changed.labels["io.evenvoice.code"] != stage_image.labels["io.evenvoice.code"]
    finally:
        docker_engine.client.run("image", "rm", changed.tag)


def test_a_stage_image_is_small(docker_engine: Engine, stage_image: Image) -> None:
    found = docker_engine.client.inspect(stage_image.tag)

    assert found is not None
    assert found["Size"] <= MOST_BYTES


def test_a_change_of_code_is_a_small_download(docker_engine: Engine, stage_image: Image) -> None:
    said = docker_engine.client.run("history", "--human=false", "--format={{.Size}}", stage_image.tag)
    layers = [int(size) for size in said.split() if size != "0"]  # newest first, unpacked

    assert sum(layers[:-SETTLED_LAYERS]) <= MOST_BYTES_OF_A_CHANGE


def test_a_base_that_cannot_be_reached_is_said_by_name(docker_engine: Engine, tmp_path: Path) -> None:
    root = full_checkout(tmp_path / "checkout")
    options = BuildOptions(base_image="127.0.0.1:1/none:none", docker=docker_engine.client.path)

    with pytest.raises(PreflightError, match=r"the base image 127\.0\.0\.1:1/none:none must be reachable"):
        build_images(root, Console(quiet=True), options, ("stage",))
