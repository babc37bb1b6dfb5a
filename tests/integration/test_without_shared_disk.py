"""The whole graph in containers that share no directory, only an object store: the pods of the kubernetes runner.

The runner, its Kubernetes client and the pod descriptions are those of production; tests/builders/pod_api.py takes the
place of the cluster and gives each pod a container of the real stage image, without any mount of this machine.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from dags.dvc_graph import Graph, load_graph
from dags.operators import stage_job
from dags.runners.job import Job, JobError
from dags.runners.kubernetes import KubernetesRunner
from dags.runs import Run
from dags.workspace import Request, create, describe, publish_lock
from evenvoice import dvc_lock
from evenvoice.errors import TransientError
from evenvoice.tracking.run_files import RunFiles
from ops.images.build import Image
from tests.builders.checkout import full_checkout
from tests.builders.engine import Engine
from tests.builders.object_server import ObjectServer
from tests.builders.pod_api import PodApi, network_of_pods, serving_pods
from worker.exchange import Exchange

pytestmark = pytest.mark.engine
ROOT = Path(__file__).parents[2]
AT_ONCE = 3
RESTORED = ("is cached - skipping run", "didn't change, skipping")


@dataclass
class Installation:
    """A checkout, a cluster and a store."""

    root: Path
    pods: PodApi
    bucket: str
    server: ObjectServer
    said: dict[str, list[str]] = field(default_factory=dict)
    """Stage -> its output, of the last time it ran."""

    def begin(self, run_id: str, **changes: object) -> Run:
        run = Run(self.root, run_id)
        create(run, Request(profile="tiny", changes=changes))
        describe(run, KubernetesRunner().prepare(run))
        return run

    def stage(self, run: Run, name: str, *arguments: str) -> list[str]:
        runner = KubernetesRunner()
        self.said[name] = []
        runner.run(job(run, name, *arguments), self.said[name].append)
        return self.said[name]

    def all_stages(self, run: Run) -> None:
        """Each when those before it are done, some at once, as a scheduler would."""
        graph = load_graph(run.workspace)
        with ThreadPoolExecutor(AT_ONCE) as executor:
            for wave in waves(graph):
                list(executor.map(lambda name: self.stage(run, name), wave))


def job(run: Run, name: str, *arguments: str) -> Job:
    node = next(node for node in load_graph(run.workspace) if node.name == name)
    plain = stage_job(run, name, node.size)
    return Job(**{**vars(plain), "arguments": (*plain.arguments, *arguments)})


def waves(graph: Graph) -> list[list[str]]:
    depth: dict[str, int] = {}
    for node in graph.in_order():
        depth[node.name] = 1 + max((depth[above] for above in node.upstream), default=0)
    return [[name for name, own in depth.items() if own == number] for number in range(1, max(depth.values()) + 1)]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, docker_engine: Engine, stage_image: Image,
                 reachable_object_server: ObjectServer) -> Iterator[Installation]:
    docker, server = docker_engine.client.path, reachable_object_server
    with network_of_pods(docker) as (network, here), pytest.MonkeyPatch.context() as patch:
        bucket = server.make_bucket()
        aws = {name: value for name, value in server.environment(server.endpoint_at(here)).items()
               if name not in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")}  # DVC wants them to be files
        keys = {name: aws.pop(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        directory = tmp_path_factory.mktemp("cluster")
        settings = yaml.safe_load((ROOT / "docker" / "kubernetes" / "pods.yaml").read_text(encoding="utf-8"))
        settings["environment"] |= {**aws, "OMP_NUM_THREADS": "1"}
        (directory / "pods.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        with serving_pods(docker, network, {"evenvoice-stage": keys}) as pods:
            for name, value in {
                    **aws, **keys, "KUBECONFIG": str(pods.kubeconfig(directory / "kubeconfig")),
                    "EVENVOICE_POD_SETTINGS": str(directory / "pods.yaml"), "DVC_NO_ANALYTICS": "1",
                    "EVENVOICE_EXCHANGE": f"s3://{bucket}/root",
                    "EVENVOICE_STAGE_IMAGE": f"evenvoice/stage@{stage_image.digest}"}.items():
                patch.setenv(name, value)
            yield Installation(full_checkout(directory / "checkout"), pods, bucket, server)


@pytest.fixture(scope="module")
def first(installation: Installation) -> Run:
    run = installation.begin("first")
    installation.all_stages(run)
    return run


def test_the_whole_graph_ends_in_a_verdict_that_is_brought_home(installation: Installation, first: Run) -> None:
    assert not (first.workspace / "artifacts").exists()

    KubernetesRunner().collect(first)

    assert set(dvc_lock.entries(first.workspace / "dvc.lock")) == set(load_graph(first.workspace).names)
    files = RunFiles(first.workspace)
    assert files.verdict in ("PASS", "FAIL", "INSUFFICIENT")
    assert files.required(files.report).stat().st_size > 10_000
    assert not (first.workspace / "artifacts" / "corpus").exists()


def test_no_pod_saw_a_directory_of_this_machine_and_none_is_left(installation: Installation, first: Run) -> None:
    assert len(installation.pods.made) >= len(load_graph(first.workspace).names)
    assert [volume for pod in installation.pods.made for volume in pod["spec"]["volumes"]
            if set(volume) != {"name", "emptyDir"}] == []
    assert installation.pods.pods == {}


def test_progress_reaches_whoever_watches_the_run(installation: Installation, first: Run) -> None:
    events = [json.loads(line) for line in first.progress.read_text(encoding="utf-8").splitlines()]

    assert {"train", "ingest", "transcribe@base"} <= {event["stage"] for event in events}
    assert not [line for line in installation.said["train"] if line.startswith("{")]


def test_a_second_run_restores_every_stage_and_executes_none(installation: Installation, first: Run) -> None:
    publish_lock(first)
    shutil.rmtree(first.state / "cache", ignore_errors=True)  # nothing but the store remembers
    run = installation.begin("second")

    with ThreadPoolExecutor(AT_ONCE) as executor:
        list(executor.map(lambda name: installation.stage(run, name), load_graph(run.workspace).names))

    executed = [name for name, lines in installation.said.items()
                if not any(said in line for said in RESTORED for line in lines)]
    assert executed == []
    assert dvc_lock.entries(run.workspace / "dvc.lock") == dvc_lock.entries(first.workspace / "dvc.lock")


def test_a_pod_killed_in_the_middle_is_repeated_and_training_goes_on(installation: Installation, first: Run) -> None:
    publish_lock(first)
    run = installation.begin("killed", **{"train.steps": 4000, "train.checkpoint_every_s": 1})
    exchange = Exchange.at(f"s3://{installation.bucket}/root/runs/{run.directory.name}")
    failures: list[Exception] = []

    def attempt() -> None:
        try:
            installation.stage(run, "train")
        except (JobError, TransientError) as error:
            failures.append(error)

    follower = threading.Thread(target=attempt)
    follower.start()
    wait_until(lambda: exchange.store.exists("checkpoints/train/latest.json"))
    [name] = installation.pods.pods
    subprocess.run([installation.pods.docker, "kill", installation.pods.container(name)], check=True,
                   capture_output=True)
    follower.join()
    assert len(failures) == 1
    assert exchange.fragment("train") is None

    again = threading.Thread(target=attempt)
    again.start()
    wait_until(lambda: any("training goes on from" in line for line in installation.said["train"]))
    run.finish("failed")
    KubernetesRunner().abandon(run)
    again.join()

    assert len(failures) == 2
    assert installation.pods.pods == {}


def test_a_corrupted_result_is_refused_by_name(installation: Installation, first: Run) -> None:
    [out] = dvc_lock.entries(first.workspace / "dvc.lock")["evaluate"]["outs"]
    key = f"root/cache/files/md5/{out['md5'][:2]}/{out['md5'][2:]}"
    client = installation.server.client()
    [file, *_] = json.loads(client.get_object(Bucket=installation.bucket, Key=key)["Body"].read())
    damaged = f"root/cache/files/md5/{file['md5'][:2]}/{file['md5'][2:]}"
    whole = client.get_object(Bucket=installation.bucket, Key=damaged)["Body"].read()
    client.put_object(Bucket=installation.bucket, Key=damaged, Body=bytes([whole[0] ^ 1]) + whole[1:])
    run = installation.begin("damaged", **{"gate.max_gap": 0.4})
    try:
        with pytest.raises(JobError) as refusal:
            installation.stage(run, "gate")
    finally:
        client.put_object(Bucket=installation.bucket, Key=damaged, Body=whole)

    assert file["md5"][2:] in str(refusal.value) or "artifacts/evaluation" in str(refusal.value)


def wait_until(happened: object) -> None:
    assert callable(happened)
    deadline = time.monotonic() + 120
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert happened()
