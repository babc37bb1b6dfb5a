"""Pods of stages: what they look like, what is refused before any is made, and what their end means."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from dags.dvc_graph import load_graph
from dags.runners import pods
from dags.runners.endings import judge
from dags.runners.following import Output
from dags.runners.job import Job, JobError
from dags.runners.pod_settings import exchange_of, pod_settings, stage_image
from dags.runners.pod_state import State
from dags.runners.reachable import demand_in_store
from dags.runs import Run, state_of
from evenvoice.errors import ParamsError, PreflightError
from evenvoice.params import Resources, Size, load_params

ROOT = Path(__file__).parents[2]
SNAPSHOT = Path(__file__).with_name("pod_of_train.json")
IMAGE = f"registry.example.org/evenvoice/stage@sha256:{'a' * 64}"
FOLDER = ROOT / "docker" / "kubernetes"
MANIFESTS = [manifest for name in ("cluster.yaml", "airflow.yaml", "secrets.yaml.template")
             for manifest in yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8"))]


def together(work: Job) -> dict[str, Any]:
    """The Job of two machines with eight processes each."""
    return pods.job_of(pod(work), 2, 16)


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENVOICE_EXCHANGE", "s3://bucket/root")
    monkeypatch.setenv("EVENVOICE_STAGE_IMAGE", IMAGE)
    monkeypatch.delenv("EVENVOICE_POD_SETTINGS", raising=False)


def resources(gpu_kind: str = "") -> Resources:
    return load_params(ROOT / "params.yaml").resources.model_copy(update={"gpu_kind": gpu_kind})


def job(stage: str = "train", size: str = "training", *, run: str = "monday", directory: Path = ROOT,
        **limits: Any) -> Job:
    changed = resources().size(size).model_copy(update=limits)
    return Job(name=stage, arguments=("-m", "worker", stage, "--minutes", "60"), run=Run(directory, run),
               directory=directory, size=changed, size_name=size,
               environment={"OMP_NUM_THREADS": "4", "EVENVOICE_HOME": "/somewhere/here"})


def pod(work: Job, gpu_kind: str = "") -> dict[str, Any]:
    return pods.pod_of(work, resources(gpu_kind), pod_settings(), IMAGE)


def test_the_pod_of_a_training_on_gpus_is_the_one_that_was_reviewed(tmp_path: Path) -> None:
    work = job(cpus=8, memory_gb=32, gpus=2, minutes=600, directory=tmp_path)
    state_of(tmp_path).mkdir()
    (state_of(tmp_path) / "installation").write_text("0123456789ab\n", encoding="utf-8")

    described = pod(work, gpu_kind="nvidia-h200")

    assert described == json.loads(SNAPSHOT.read_text(encoding="utf-8"))


@pytest.mark.parametrize("version", ["1.28", "1.37"])
@pytest.mark.parametrize("node", list(load_graph(ROOT)), ids=lambda node: node.name)
def test_the_pod_of_every_stage_is_valid_kubernetes(node: Any, version: str) -> None:
    described = pod(job(node.name, node.size, gpus=int(node.size == "training")))

    kubernetes_validate.validate(described, version, strict=True)
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", described["metadata"]["name"])


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda found: f"{found['kind']} {found['metadata']['name']}")
def test_every_manifest_is_valid_kubernetes(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, "1.37", strict=True)


def test_secrets_are_named_but_never_filled_in() -> None:
    templates = [manifest for manifest in MANIFESTS if manifest["kind"] == "Secret"]

    assert templates
    assert {value for manifest in templates for value in manifest["stringData"].values()} == {""}


def test_names_of_the_manifests_and_of_the_settings_agree() -> None:
    known = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in MANIFESTS}
    values = yaml.safe_load((FOLDER / "values.yaml").read_text(encoding="utf-8"))
    binding = next(manifest for manifest in MANIFESTS if manifest["kind"] == "RoleBinding")

    assert {("Namespace", pod_settings().namespace), ("ServiceAccount", pod_settings().service_account),
            ("Secret", pod_settings().secret), ("Secret", values["data"]["metadataSecretName"]),
            ("Secret", values["fernetKeySecretName"]), ("Secret", values["apiSecretKeySecretName"]),
            ("Secret", values["jwtSecretName"])} <= known
    assert binding["subjects"][0]["name"] == values["scheduler"]["serviceAccount"]["name"]


def test_the_network_policy_covers_every_pod_of_a_stage() -> None:
    stages, machines = (manifest["spec"] for manifest in MANIFESTS if manifest["kind"] == "NetworkPolicy")
    template = together(job())["spec"]["template"]

    assert stages["podSelector"]["matchLabels"].items() <= pod(job())["metadata"]["labels"].items()
    assert stages["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert machines["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert not machines["podSelector"]["matchLabels"].items() <= pod(job())["metadata"]["labels"].items()
    assert set(stages["policyTypes"]) == set(machines["policyTypes"]) == {"Ingress", "Egress"}


def test_what_the_runner_does_is_what_its_role_allows() -> None:
    """By hand: the API's verb of every call in dags/runners/cluster.py."""
    rules = {(resource, verb) for manifest in MANIFESTS if manifest["kind"] in ("Role", "ClusterRole")
             for rule in manifest["rules"] for resource in rule["resources"] for verb in rule["verbs"]}

    assert rules == {("pods/log", "get"), ("secrets", "get"), ("nodes", "list"),
                     *((kind, verb) for kind in ("pods", "jobs") for verb in ("create", "get", "list", "delete"))}


@pytest.mark.parametrize("version", ["1.28", "1.37"])
def test_machines_that_train_together_are_pods_of_one_job_on_different_nodes(version: str) -> None:
    described = together(job(gpus=8, memory_gb=64))
    spec, template = described["spec"], described["spec"]["template"]
    [container], [plain] = template["spec"]["containers"], pod(job(gpus=8, memory_gb=64))["spec"]["containers"]
    [apart] = template["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]

    kubernetes_validate.validate(described, version, strict=True)
    assert (spec["completions"], spec["parallelism"], spec["backoffLimit"]) == (2, 2, 0)
    assert container["command"] == [*plain["command"], "--machine", "$(JOB_COMPLETION_INDEX)/2"]
    assert {"name": "PET_NPROC_PER_NODE", "value": "8"} in container["env"]
    assert apart["labelSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert container["securityContext"] == plain["securityContext"]
    assert described["metadata"]["name"] == pods.name_of(job())


def test_only_stages_that_start_torchrun_are_spread_over_machines() -> None:
    starts = {path.stem for path in (ROOT / "stages").glob("*.py") if "is_launcher(" in path.read_text("utf-8")}

    assert starts == pods.TOGETHER
    two = resources().model_copy(update={"training": resources().training.model_copy(update={"nodes": 2})})
    assert [pods.machines_for(job(stage), two) for stage in ("train", "thin@half", "train_speaker@none")] == [2, 2, 1]


def test_a_name_belongs_to_one_stage_of_one_run() -> None:
    names = [pods.name_of(job(stage, run=run)) for stage in ("train", "discover@clusters") for run in ("a", "b")]

    assert len(set(names)) == 4
    assert pods.name_of(job(run="a")) == names[0]


def test_nothing_of_this_machine_reaches_the_pod() -> None:
    described = json.dumps(pod(job()))

    assert "/somewhere/here" not in described
    assert str(ROOT) not in described


def test_a_stage_without_gpus_goes_to_any_node_and_asks_for_none() -> None:
    spec = pod(job("gate", "light"))["spec"]

    assert "nodeSelector" not in spec
    assert {toleration["effect"] for toleration in spec["tolerations"]} == {"NoExecute"}, "of silent nodes alone"
    assert spec["containers"][0]["resources"] == {"requests": {"cpu": "1", "memory": "4000M"},
                                                  "limits": {"memory": "4000M"}}


@pytest.mark.parametrize("image", ["", "evenvoice/stage:local", "registry.example.org/stage@sha256:abc"])
def test_an_image_without_digest_is_refused(monkeypatch: pytest.MonkeyPatch, image: str) -> None:
    monkeypatch.setenv("EVENVOICE_STAGE_IMAGE", image)

    with pytest.raises(PreflightError, match="EVENVOICE_STAGE_IMAGE must name an image by digest"):
        stage_image()


def test_an_exchange_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert exchange_of(Run(ROOT, "manual 1")) == "s3://bucket/root/runs/manual-1"
    monkeypatch.delenv("EVENVOICE_EXCHANGE")

    with pytest.raises(PreflightError, match="EVENVOICE_EXCHANGE must name an object store"):
        exchange_of(Run(ROOT, "manual 1"))


def test_recordings_on_this_machine_are_refused_since_pods_cannot_see_them() -> None:
    for path in ("synthetic", "", "s3://bucket/speech"):
        demand_in_store("ingest.corpus", path)

    with pytest.raises(PreflightError, match=r"ingest.corpus must lie in an object store .* got /data/speech"):
        demand_in_store("ingest.corpus", "/data/speech")


def test_a_mistake_in_the_settings_names_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = yaml.safe_load((FOLDER / "pods.yaml").read_text(encoding="utf-8"))
    content["scratch_gb"]["light"] = 0
    (tmp_path / "pods.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    monkeypatch.setenv("EVENVOICE_POD_SETTINGS", str(tmp_path / "pods.yaml"))

    with pytest.raises(ParamsError, match=r"pods\.yaml, line 11: scratch_gb\.light must be greater .* to 1, got 0"):
        pod_settings()


@pytest.mark.parametrize(("end", "exit_code", "transient", "words"), [
    (State("Failed", 3), 3, False, "said before"),
    (State("Failed", 75), 75, True, "said before"),
    (State("Failed", 137, "OOMKilled"), 3, False, "resources.training.memory_gb must be enough for train"),
    (State("Failed", 143, "DeadlineExceeded"), 124, False, "did not end within its minutes"),
    (State("Failed", None, "Evicted", 'Usage of EmptyDir volume "scratch" exceeds the limit "1G". '), 3, False,
     "scratch_gb.training in docker/kubernetes/pods.yaml must be enough"),
    (State("Failed", None, "NodeLost", "node-7 is gone"), 75, True, "NodeLost: node-7 is gone"),
    (State("Gone"), 75, True, "no pod any more"),
    (State("Pending", None, "CreateContainerConfigError", 'secret "evenvoice-stage" not found'), 3, False,
     'secret "evenvoice-stage" not found'),
])
def test_how_a_pod_ended_decides_whether_to_try_again(end: State, exit_code: int, transient: bool, words: str) -> None:
    with pytest.raises(JobError) as failure:
        judge(job(), end, ["said before"])

    assert failure.value.exit_code == exit_code
    assert failure.value.transient is transient
    assert words in str(failure.value)


def test_events_of_progress_go_to_the_run_and_not_into_the_log(tmp_path: Path) -> None:
    work, shown = job(directory=tmp_path), list[str]()
    output = Output(work, shown.append)

    output.add('{"at": 1.5, "stage": "train", "done": 3, "total": 10}')
    output.add("train  step 3/10")
    output.add('{"at": broken')

    assert shown == ["train  step 3/10", '{"at": broken']
    assert work.log.read_text(encoding="utf-8").splitlines() == shown
    assert json.loads(work.run.progress.read_text(encoding="utf-8"))["done"] == 3


def test_a_size_without_limits_still_asks_for_a_core() -> None:
    work = job(cpus=0, memory_gb=0, gpus=0)

    assert isinstance(work.size, Size)
    assert pod(work)["spec"]["containers"][0]["resources"] == {"requests": {"cpu": "1"}, "limits": {}}
