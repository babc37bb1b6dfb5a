"""What a stage's container is given and what it is not; no engine needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dags.runners import container
from dags.runners.docker import DockerRunner
from dags.runners.engine import State
from dags.runners.gpus import gpus_here, pool_of, pools_needed
from dags.runners.job import Job, JobError
from dags.runs import Run
from evenvoice.errors import ParamsError
from evenvoice.params import Resources, Size, load_params

ROOT = Path(__file__).resolve().parents[2]
SIZE = Size(cpus=2, memory_gb=1.5, gpus=1, minutes=10)


def job(root: Path, name: str = "train", *, corpus: str = "synthetic", census: str = "") -> Job:
    run = Run(root, "scheduled__2026-11-23T03:00:00+00:00")
    run.workspace.mkdir(parents=True, exist_ok=True)
    (run.workspace / "params.yaml").write_text(f"ingest: {{corpus: '{corpus}', census: '{census}'}}", encoding="utf-8")
    return Job(name=name, arguments=("-m", "worker", name, "--minutes", "10"), run=run, directory=run.workspace,
               size=SIZE)


def asked(work: Job, gpus: tuple[str, ...] = ()) -> dict[str, Any]:
    return container.options(work, image="sha256:abc", commit="f00d", user=(10001, 10001), gpus=gpus)


def mounted(work: Job) -> list[tuple[str, bool]]:
    assert all(mount["Source"] == mount["Target"] for mount in asked(work)["mounts"])
    return [(mount["Source"], bool(mount["ReadOnly"])) for mount in asked(work)["mounts"]]


def test_a_container_is_confined_and_limited(tmp_path: Path) -> None:
    options = asked(job(tmp_path), gpus=("1",))

    assert (options["init"], options["read_only"], options["cap_drop"]) == (True, True, ["ALL"])
    assert options["security_opt"] == ["no-new-privileges"]
    assert options["user"] == "10001:10001"
    assert options["network"] == "none"
    assert options["mem_limit"] == options["memswap_limit"] == 1_500_000_000
    assert options["nano_cpus"] == 2_000_000_000
    assert options["device_requests"][0]["DeviceIDs"] == ["1"]


def test_sizes_without_a_limit_set_none(tmp_path: Path) -> None:
    free = replace(job(tmp_path), size=Size(cpus=0, memory_gb=0, gpus=0, minutes=1))

    assert not {"mem_limit", "nano_cpus", "device_requests"} & set(asked(free))


def test_the_name_is_always_the_same_and_differs_between_checkouts_runs_and_stages(tmp_path: Path) -> None:
    work = job(tmp_path / "here")
    others = [job(tmp_path / "there"), job(tmp_path / "here", "embed"), replace(work, run=Run(tmp_path / "here", "x"))]

    assert container.name_of(work) == container.name_of(job(tmp_path / "here"))
    assert container.name_of(work).startswith("evenvoice-scheduled__2026-11-23T03-00-00-00-00-train-")
    assert len({container.name_of(each) for each in (work, *others)}) == 4


def test_a_container_sees_the_state_folder_and_only_ingest_sees_the_recordings(tmp_path: Path) -> None:
    state = (str(tmp_path / ".evenvoice"), False)

    assert mounted(job(tmp_path, corpus="/data/speech")) == [state]
    assert mounted(job(tmp_path, "ingest", corpus="/data/speech", census="/data/census.csv")) == [
        state, ("/data/speech", True), ("/data/census.csv", True)]
    assert mounted(job(tmp_path, "ingest")) == [state]


def test_only_ingest_of_an_address_is_online_and_has_credentials(tmp_path: Path,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("EVENVOICE_STAGE_NETWORK", "stages")
    remote = job(tmp_path, "ingest", corpus="s3://speech/english")
    other = job(tmp_path, "train", corpus="s3://speech/english")

    assert asked(remote)["network"] == "stages"
    assert asked(remote)["environment"]["AWS_SECRET_ACCESS_KEY"] == "secret"
    assert asked(other)["network"] == "none"
    assert "secret" not in asked(other)["environment"].values()


def test_no_setting_of_the_scheduler_or_the_registry_reaches_a_container(tmp_path: Path,
                                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "MLFLOW_TRACKING_PASSWORD", "SOME_TOKEN"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("EVENVOICE_PSEUDONYM_KEY", "needed")

    environment = asked(job(tmp_path, "ingest", corpus="s3://speech/english"))["environment"]

    assert "secret" not in environment.values()
    assert environment["EVENVOICE_PSEUDONYM_KEY"] == "needed"


def test_a_choice_of_kernels_reaches_the_container_so_that_it_computes_what_a_process_computes(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Nehalem")

    assert asked(job(tmp_path, "ingest"))["environment"]["OPENBLAS_CORETYPE"] == "Nehalem"


def test_a_new_container_is_followed_from_where_the_log_ends(tmp_path: Path) -> None:
    work = job(tmp_path)
    work.log.parent.mkdir(parents=True)
    work.log.write_text("an earlier try\n", encoding="utf-8")

    assert asked(work)["labels"]["evenvoice.log_begins"] == "15"


def resources(**changes: Any) -> Resources:
    return load_params(ROOT / "params.yaml").resources.model_copy(update=changes)


def test_a_stage_waits_for_gpus_in_the_pool_of_their_kind() -> None:
    training = Size(cpus=0, memory_gb=8, gpus=2, minutes=10)

    assert pool_of(resources(gpu_kind="h200"), training) == {"pool": "gpu-h200", "pool_slots": 2}
    assert pool_of(resources(), training)["pool"] == "gpu-any"
    assert pool_of(resources(), Size(cpus=0, memory_gb=8, gpus=0, minutes=10)) == {}


def test_a_pool_has_as_many_slots_as_there_are_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENVOICE_GPUS", "4")
    training = Size(cpus=0, memory_gb=8, gpus=1, minutes=10)

    assert pools_needed(resources(training=training)) == {"gpu-any": 4}
    assert pools_needed(resources(training=Size(cpus=0, memory_gb=8, gpus=0, minutes=10))) == {}


def test_more_gpus_than_there_are_is_refused_before_anything_waits_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENVOICE_GPUS", "1")

    with pytest.raises(ParamsError, match=r"resources\.training\.gpus must be at most 1, .* got 2"):
        pools_needed(resources(training=Size(cpus=0, memory_gb=8, gpus=2, minutes=10)))


def test_gpus_are_counted_by_their_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVENVOICE_GPUS", raising=False)
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()

    assert gpus_here(tmp_path) == 2


def test_an_engine_that_goes_down_is_named_although_it_still_answers(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="must keep running while train does, got a restart") as caught:
        DockerRunner()._judge(job(tmp_path), State("exited", 143, out_of_memory=False), ["step 3"])

    assert caught.value.transient
    assert "step 3" in caught.value.tail
