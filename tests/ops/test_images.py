"""What goes into an image, how it is named, and what is said when none can be built."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evenvoice.code_digest import code_files, tree_digest
from evenvoice.errors import ParamsError, PreflightError
from ops.bootstrap import SUPPORTED, version_of
from ops.images import base
from ops.images.build import BuildOptions, explained, image_labels
from ops.images.context import KINDS, missing_wheels, pinned, prepare, torch_requirement
from ops.images.engine import find_client
from ops.images.progress import BuildFailed, condensed, follow
from ops.images.sbom import bill_of_materials
from ops.pip_settings import pip_settings
from ops.pythons import interpreter
from tests.builders.images import ROOT, code_checkout, wheelhouse

NUMPY = "numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl"
TORCH_CPU = "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl"
TORCH_CUDA = "torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return code_checkout(tmp_path / "checkout")


@pytest.mark.parametrize("name", ["stages/train.py", "worker/__main__.py", "evenvoice/new.py"])
def test_the_digest_changes_when_code_changes(root: Path, name: str) -> None:
    before = tree_digest(root)

    (root / name).write_text("# a comment\n", encoding="utf-8")

    assert tree_digest(root) != before


@pytest.mark.parametrize("name", [
    "dvc.yaml", "params.yaml", "dags/train_asr.py", "stages/__pycache__/train.pyc", "stages/.train.swp"])
def test_the_digest_stays_when_something_else_changes(root: Path, name: str) -> None:
    before = tree_digest(root)

    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text("# a comment\n", encoding="utf-8")

    assert tree_digest(root) == before


def test_the_digest_sees_a_renamed_file(root: Path) -> None:
    before = tree_digest(root)

    (root / "stages/train.py").rename(root / "stages/fit.py")

    assert tree_digest(root) != before


def test_a_copy_that_is_no_checkout_has_the_same_digest(root: Path, tmp_path: Path) -> None:
    for name in code_files(root):
        (tmp_path / "workspace" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, tmp_path / "workspace" / name)
    (tmp_path / "workspace/stages/__pycache__").mkdir()
    (tmp_path / "workspace/stages/__pycache__/train.pyc").write_bytes(b"compiled")

    assert tree_digest(tmp_path / "workspace") == tree_digest(root)


def test_code_that_is_not_there_has_no_digest(root: Path) -> None:
    shutil.rmtree(root / "worker")

    with pytest.raises(FileNotFoundError, match="worker must hold code"):
        tree_digest(root)


def test_the_airflow_image_is_another_one_when_a_dag_changes(root: Path) -> None:
    before = {name: image_labels(root, kind, "cpu")["io.evenvoice.code"] for name, kind in KINDS.items()}

    (root / "dags/train_asr.py").write_text("# a comment\n", encoding="utf-8")

    after = {name: image_labels(root, kind, "cpu")["io.evenvoice.code"] for name, kind in KINDS.items()}
    assert (before["stage"] == after["stage"], before["airflow"] == after["airflow"]) == (True, False)


def test_labels_say_whether_files_differ_from_the_commit(root: Path) -> None:
    clean = image_labels(root, KINDS["stage"], "cpu")
    (root / "params.yaml").write_text("seed: 3\n", encoding="utf-8")
    dirty = image_labels(root, KINDS["stage"], "cpu")

    assert (clean["io.evenvoice.dirty"], dirty["io.evenvoice.dirty"]) == ("false", "true")
    assert len(clean["org.opencontainers.image.revision"]) == 40


def test_the_context_holds_code_settings_lock_and_the_wheels_of_that_lock(root: Path, tmp_path: Path) -> None:
    wheels = wheelhouse(tmp_path / "wheels", NUMPY, TORCH_CPU, TORCH_CUDA, "numpy-1.0-py3-none-any.whl",
                        "flask-3.0.0-py3-none-any.whl", "nvidia_cublas-13.1-py3-none-any.whl", "notes.whl")
    (root / "stages/notes.swp").write_text("open in an editor\n", encoding="utf-8")
    (root / "secret.env").write_text("TOKEN=x\n", encoding="utf-8")

    context = prepare(root, KINDS["stage"], wheelhouse=wheels, accelerator="cpu")

    assert sorted(str(path.relative_to(context)) for path in context.rglob("*") if path.is_file()) == [
        "code/.dvc/config", "code/.dvcignore", "code/dvc.yaml", "code/evenvoice/__init__.py", "code/params.yaml",
        "code/profiles/tiny.yaml", "code/stages/train.py", "code/worker/__main__.py", "locks/accelerator.txt",
        "locks/stage.txt", "trim.py", f"wheels/{NUMPY}", "wheels/nvidia_cublas-13.1-py3-none-any.whl",
        f"wheels/{TORCH_CPU}"]


def test_a_wheelhouse_without_a_wheel_is_refused_by_name(root: Path, tmp_path: Path) -> None:
    wheels = wheelhouse(tmp_path / "wheels", NUMPY, TORCH_CUDA)

    with pytest.raises(PreflightError, match=r"got no torch==2\.13\.0\+cpu instead. Make it: make wheelhouse"):
        prepare(root, KINDS["stage"], wheelhouse=wheels, accelerator="cpu")


def test_each_accelerator_asks_for_its_own_build_of_torch(tmp_path: Path) -> None:
    lock = "numpy==2.4.6\ntorch==2.13.0\n"
    wheels = wheelhouse(tmp_path / "wheels", NUMPY, TORCH_CUDA)

    assert torch_requirement(lock, "cpu") == "torch==2.13.0+cpu\n"
    assert torch_requirement(lock, "cuda") == "torch===2.13.0\n"
    assert torch_requirement("numpy==2.4.6\n", "cuda") == ""
    assert missing_wheels(wheels, lock, "cuda") == []
    assert missing_wheels(wheels, lock, "cpu") == ["torch==2.13.0+cpu"]


def test_an_unknown_accelerator_is_refused_by_name() -> None:
    with pytest.raises(ParamsError, match="ACCELERATOR must be one of cpu, cuda, got tpu instead"):
        torch_requirement("torch==2.13.0\n", "tpu")


def test_the_committed_locks_keep_the_two_worlds_apart() -> None:
    stage = pinned((ROOT / "locks/stage.txt").read_text(encoding="utf-8"))
    airflow = pinned((ROOT / "locks/airflow.txt").read_text(encoding="utf-8"))

    assert {"torch", "dvc", "boto3"} <= set(stage)
    assert {"apache-airflow", "mlflow", "dvc", "boto3", "docker"} <= set(airflow)
    assert [name for name in stage if name.startswith(("apache-airflow", "mlflow"))] == []
    assert "torch" not in airflow
    assert [name for name in set(stage) & set(airflow) if stage[name] != airflow[name]] == []


def test_both_images_start_from_the_same_base_pinned_by_digest() -> None:
    bases = {line for name in KINDS for line in (ROOT / f"docker/{name}.Dockerfile").read_text("utf-8").splitlines()
             if line.startswith("ARG BASE_IMAGE=")}

    assert len(bases) == 1
    assert len(bases.pop().rpartition("@sha256:")[2]) == 64


def test_an_engine_that_does_not_answer_is_said_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    client = shutil.which("docker")
    if client is None:
        pytest.skip("no Docker client on PATH")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")

    with pytest.raises(PreflightError, match=r"the Docker engine must answer, got .*nobody\.sock.*DOCKER_HOST"):
        find_client()


def test_a_machine_without_docker_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(PreflightError, match="docker must be installed, got no docker on PATH instead"):
        find_client()


def test_a_client_without_buildkit_is_refused_by_name(tmp_path: Path) -> None:
    client = tmp_path / "docker"
    client.write_text("#!/bin/sh\n[ $1 = version ] && echo 28.2.2 20.10.24\n", encoding="utf-8")
    client.chmod(0o755)

    with pytest.raises(PreflightError, match=r"must build with BuildKit, got .*28\.2\.2 without buildx.*docker-buildx"):
        find_client(str(client))


@pytest.mark.parametrize(("version", "command"), [("20.10.24", ("build",)), ("23.0.1", None)])
def test_old_clients_have_buildkit_built_in(tmp_path: Path, version: str, command: tuple[str, ...] | None) -> None:
    client = tmp_path / "docker"
    client.write_text(f"#!/bin/sh\n[ $1 = version ] && echo {version} 20.10.24\n", encoding="utf-8")
    client.chmod(0o755)

    if command is None:
        with pytest.raises(PreflightError):
            find_client(str(client))
    else:
        assert find_client(str(client)).build_command == command


def test_make_images_without_an_engine_ends_with_one_line_and_status_3(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "ops", "images"], cwd=ROOT, capture_output=True, text=True,
                          check=False, env={"PATH": str(tmp_path), "HOME": str(tmp_path)})

    assert (done.returncode, done.stdout.count("\n"), done.stderr) == (3, 1, "")
    assert done.stdout.startswith("PreflightError: docker must be installed")


def test_buildkits_output_becomes_a_line_per_step() -> None:
    said = ["#1 [internal] load build definition from stage.Dockerfile", "#1 DONE 0.0s",
            "#5 [2/4] RUN apt    install", "#5 0.312 Reading package lists...", "#6 [3/4] COPY code /opt/evenvoice",
            "#5 DONE 12.5s", "#6 CACHED", "#7 exporting to image", "#7 DONE 3.0s"]

    assert list(condensed(said)) == ["RUN apt install  12.5s", "COPY code /opt/evenvoice  cached"]


def test_a_failed_build_says_what_its_step_printed(tmp_path: Path) -> None:
    from rich.console import Console
    script = "echo '#7 1.5 no space left on device'; echo noise; exit 1"

    with pytest.raises(BuildFailed) as caught:
        follow(["sh", "-c", script], {"PATH": "/bin:/usr/bin"}, Console(quiet=True), "stage")

    error = explained(caught.value, BuildOptions(), "evenvoice/stage:local")
    assert str(error).startswith("the build of evenvoice/stage:local must succeed, got #7 1.5 no space left on device")


def test_a_base_that_cannot_be_reached_leads_to_the_way_without_a_registry() -> None:
    failure = BuildFailed("failed to solve with frontend dockerfile.v0: failed to create LLB definition: "
                          "failed to do request: Head https://registry.example/v2/: dial tcp: no route to host")

    error = explained(failure, BuildOptions(base_image="registry.example/python:3.11"), "evenvoice/stage:local")

    assert str(error).startswith("the base image registry.example/python:3.11 must be reachable")
    assert "make base-image wheelhouse" in str(error)


def test_a_package_that_no_index_has_is_named() -> None:
    failure = BuildFailed("#7 3.2 ERROR: No matching distribution found for torch==2.13.0+cpu")

    error = explained(failure, BuildOptions(), "evenvoice/stage:local")

    assert str(error).startswith("the package index must have torch==2.13.0+cpu")
    assert "PIP_EXTRA_INDEX_URL" in str(error)


def test_an_offline_build_asks_no_index() -> None:
    assert pip_settings(offline=True) == "[global]\nno-index = true\nfind-links = /wheels\n"


def test_an_index_of_this_machine_is_handed_over_but_its_folders_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "file:///srv/simple https://more.example/simple")

    settings = pip_settings(offline=False).splitlines()

    assert "index-url = https://index.example/simple" in settings
    assert "extra-index-url = https://more.example/simple" in settings
    assert "cert = /run/secrets/certificates.pem" in settings


def test_the_bill_of_materials_names_packages_of_python_and_debian() -> None:
    bom = bill_of_materials("evenvoice/stage:local", {
        "python": [["PyYAML", "6.0.3", "MIT"], ["dvc_s3", "3.3.0", ""]], "debian": [["libc6", "2.36-9", "amd64"]]})

    assert sorted(str(component.purl) for component in bom.components) == [
        "pkg:deb/debian/libc6@2.36-9?arch=amd64", "pkg:pypi/dvc-s3@3.3.0", "pkg:pypi/pyyaml@6.0.3"]


@pytest.mark.parametrize("python", SUPPORTED)
def test_wheels_are_for_the_python_of_the_images_whatever_this_one_is(python: str,
                                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    if interpreter(python) is None:
        pytest.skip(f"this machine has no python{python}")
    monkeypatch.setattr(base, "IMAGE_PYTHON", python)

    assert version_of(Path(base.python_of_images())) == python


def test_where_the_python_of_the_images_is_missing_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "IMAGE_PYTHON", "3.99")

    with pytest.raises(PreflightError, match=r"python3\.99 must be there, since the images hold it"):
        base.python_of_images()
