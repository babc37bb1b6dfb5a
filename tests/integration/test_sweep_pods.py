"""The sweep of test_sweep_process.py with stages in pods that share nothing but an object store.

The runner and the pod descriptions are those of production; tests/builders/pod_api.py takes the place of the cluster.
Once a model that had changed was judged here by the hypotheses of the old one.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from dags.dvc_graph import load_graph
from dags.operators import stage_job
from dags.pipelines import RECOGNISER
from dags.runners.job import JobError
from dags.runners.kubernetes import KubernetesRunner
from dags.runs import Run
from evenvoice.errors import TransientError
from ops.images.build import Image
from tests.builders import stand_in
from tests.builders.engine import Engine
from tests.builders.object_server import ObjectServer
from tests.builders.pod_api import PodApi, network_of_pods, serving_pods
from tests.builders.sweep import (
    ONE_BY_ONE,
    begin,
    below,
    changes_of,
    expected,
    finish,
    found_in_store,
    steps,
    sweep_checkout,
    sweep_image,
    work_off,
)

pytestmark = pytest.mark.engine
ROOT = Path(__file__).parents[2]
AT_ONCE = 3
FEW = (("train", "gate"),)
"""A pod takes some ten seconds, whatever it does."""
LONG = pytest.mark.skipif(not ONE_BY_ONE, reason="takes half an hour: EVENVOICE_TEST_SWEEP=each runs it; what a pod "
                          "does is tested by tests/worker/test_exchange.py")


@dataclass(frozen=True)
class Site:
    """A checkout, a cluster and the remote that its pods share."""

    root: Path
    pods: PodApi
    remote: str

    def run(self, name: str, changes: dict[str, object], **request: Any) -> tuple[Run, frozenset[str]]:
        """One run to its end; returns it with the stages that worked."""
        run = begin(self.root, name, KubernetesRunner(), changes, **request)
        worked = work_off(run, KubernetesRunner, AT_ONCE)
        finish(run)
        assert self.found(run) == expected(run.workspace)
        return run, worked

    def found(self, run: Run) -> dict[str, str]:
        """Every output with what it holds, from the store."""
        return found_in_store(run, self.remote)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, docker_engine: Engine, stage_image: Image,
         reachable_object_server: ObjectServer) -> Iterator[Site]:
    docker, server, directory = docker_engine.client.path, reachable_object_server, tmp_path_factory.mktemp("sweep")
    root = sweep_checkout(directory / "evenvoice")
    (directory / "image").mkdir()
    image = sweep_image(docker, root, directory / "image")
    with network_of_pods(docker) as (network, here), pytest.MonkeyPatch.context() as patch:
        bucket = server.make_bucket()
        aws = {name: value for name, value in server.environment(server.endpoint_at(here)).items()
               if name not in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")}  # DVC wants them to be files
        keys = {name: aws.pop(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        settings = yaml.safe_load((ROOT / "docker" / "kubernetes" / "pods.yaml").read_text(encoding="utf-8"))
        settings["environment"] |= {**aws, "OMP_NUM_THREADS": "1", "STAND_IN_WAITS": "/dev/null/never"}
        (directory / "pods.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        with serving_pods(docker, network, {"evenvoice-stage": keys}) as pods:
            for name, value in {
                    **aws, **keys, "KUBECONFIG": str(pods.kubeconfig(directory / "kubeconfig")),
                    "EVENVOICE_POD_SETTINGS": str(directory / "pods.yaml"), "DVC_NO_ANALYTICS": "1",
                    "EVENVOICE_EXCHANGE": f"s3://{bucket}/root",
                    "EVENVOICE_STAGE_IMAGE": f"evenvoice/stage@{image}"}.items():
                patch.setenv(name, value)
            yield Site(root, pods, f"s3://{bucket}/root/cache")


@pytest.fixture(scope="module")
def first(site: Site) -> Run:
    run, worked = site.run("first", {})
    assert worked == set(load_graph(site.root).leading_to(RECOGNISER.last).names)
    return run


def test_changes_run_exactly_what_lies_below_them_and_going_back_runs_nothing(site: Site, first: Run) -> None:
    changes: dict[str, object] = {}
    for sections in steps(FEW):
        changes |= changes_of(sections)
        run, worked = site.run(f"changed-{sections[0]}", changes)

        assert worked == below(load_graph(run.workspace), changes_of(sections)), sections

    back, worked = site.run("back", {})

    assert worked == frozenset()
    assert site.found(back) == site.found(first)


@LONG
def test_a_forced_stage_runs_alone_since_its_result_is_the_same(site: Site, first: Run) -> None:
    _, worked = site.run("forced", {}, force_stage="transcribe")

    assert worked == {"transcribe@base", "transcribe@ewc"}


@LONG
def test_a_failed_run_and_a_lost_pod_leave_nothing_that_another_takes_for_its_own(site: Site, first: Run) -> None:
    failing = begin(site.root, "failing", KubernetesRunner(),
                    {"discover.min_words": 12, "evaluate.null_partitions": stand_in.FAILS})
    with pytest.raises(JobError, match="evaluate exited with 3"):
        work_off(failing, KubernetesRunner, AT_ONCE)

    lost = begin(site.root, "lost", KubernetesRunner(), {"discover.min_words": 12})
    _lose_the_pod_of(site, lost, "discover@geographic")
    worked = work_off(lost, KubernetesRunner, AT_ONCE)
    finish(lost)

    assert worked == {"evaluate", "gate", "report"}  # the rest is known from the run that failed
    assert site.found(lost) == expected(lost.workspace)


def _lose_the_pod_of(site: Site, run: Run, stage: str) -> None:
    """Kill it as soon as there is one, wherever its work stands."""
    for name in ("ingest", "featurize", "tokenizer", "train", "train_speaker@none", "embed", "transcribe@base"):
        KubernetesRunner().run(stage_job(run, name, "light"), lambda _: None)
    endings: list[Exception] = []

    def follow() -> None:
        try:
            KubernetesRunner().run(stage_job(run, stage, "light"), lambda _: None)
        except (JobError, TransientError) as error:
            endings.append(error)

    follower = threading.Thread(target=follow)
    follower.start()
    deadline = time.monotonic() + 60
    while not site.pods.pods and time.monotonic() < deadline:
        time.sleep(0.05)
    [name] = list(site.pods.pods)
    subprocess.run([site.pods.docker, "kill", site.pods.container(name)], check=True, capture_output=True)
    follower.join()
    assert len(endings) == 1
