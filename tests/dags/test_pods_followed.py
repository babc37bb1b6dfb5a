"""What becomes of a stage when its pod is taken away, its node is lost, or a server is away: on scripted pods."""

from __future__ import annotations

import copy
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from dags.runners import following, kubernetes, pods
from dags.runners.cluster import Cluster
from dags.runners.job import Job, JobError
from dags.runners.kubernetes import KubernetesRunner
from dags.runners.leftovers import remove_pods
from dags.runners.pod_settings import pod_settings
from dags.runs import Run
from evenvoice.params import load_params
from evenvoice.storage import write_json
from tests.builders.object_server import ObjectServer
from tests.builders.scripted_cluster import ScriptedCluster, ended, pending, running, serving_script
from worker.exchange import Exchange

pytestmark = pytest.mark.engine
ROOT = Path(__file__).parents[2]
IMAGE = f"registry.example.org/evenvoice/stage@sha256:{'a' * 64}"
ENTRY = {"cmd": "true", "outs": [{"path": "artifacts/models/base", "md5": "0" * 32}]}
AT_ONCE = 0.05
USED_UP = (403, {"kind": "Status", "message": 'pods "x" is forbidden: exceeded quota: evenvoice, requested: pods=1, '
                                              "used: pods=64, limited: pods=64"})


class Site:
    """One run, its store, and the cluster on which its stage `train` runs."""

    def __init__(self, directory: Path, cluster: ScriptedCluster, url: str) -> None:
        self.cluster = cluster
        self.run = Run(directory, "monday")
        self.exchange = Exchange.at(f"{url}/runs/monday")
        self.said: list[str] = []
        self.runner = KubernetesRunner()
        self.run.workspace.mkdir(parents=True)
        write_json(self.run.description, {"image": IMAGE})
        self.params()
        tuesday = Run(directory, "tuesday")
        tuesday.workspace.mkdir(parents=True)
        for name in ("workspace/params.yaml", "run.json"):
            (tuesday.directory / name).write_bytes((self.run.directory / name).read_bytes())

    def params(self, nodes: int = 1, processes: int = 1) -> None:
        content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        content["train"]["processes"], content["resources"]["training"]["nodes"] = processes, nodes
        (self.run.workspace / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    @property
    def job(self) -> Job:
        size = load_params(self.run.workspace / "params.yaml").resources.training
        return Job(name="train", arguments=("-m", "worker", "train", "--minutes", "60"), run=self.run,
                   directory=self.run.workspace, size=size, size_name="training")

    def follow(self) -> None:
        self.runner.run(self.job, self.said.append)

    def publish(self) -> None:
        """What the worker does at its end."""
        self.exchange.publish("train", ENTRY)

    def whys(self) -> list[str]:
        """What the run's progress tells of the cluster."""
        if not self.run.progress.exists():
            return []
        events = map(json.loads, self.run.progress.read_text(encoding="utf-8").splitlines())
        return [event["why"] for event in events if "why" in event]


@pytest.fixture
def site(tmp_path: Path, object_server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    url = f"s3://{object_server.make_bucket()}/root"
    with serving_script(tmp_path) as (cluster, kubeconfig):
        for name, value in {**object_server.environment(), "KUBECONFIG": str(kubeconfig), "EVENVOICE_EXCHANGE": url,
                            "EVENVOICE_STAGE_IMAGE": IMAGE}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("EVENVOICE_POD_SETTINGS", raising=False)
        for module in (following, kubernetes):
            monkeypatch.setattr(module, "POLL_S", 0.02)
        for patience in ("NODE_S", "TOLD_S", "IMAGE_S", "CUT_OFF_S"):
            monkeypatch.setattr(following, patience, AT_ONCE)
        yield Site(tmp_path / "checkout", cluster, url)


def test_a_pod_that_ended_while_nobody_followed_is_removed_by_the_next_try(site: Site) -> None:
    site.cluster.plays(ended(0))
    Cluster("evenvoice").create(pods.pod_of(site.job, load_params(site.run.workspace / "params.yaml").resources,
                                            pod_settings(), IMAGE))
    site.publish()

    site.follow()

    assert site.cluster.pods == {}


def test_a_lost_node_is_named_and_the_stage_goes_on_elsewhere_without_an_error(site: Site) -> None:
    site.cluster.plays(running("step 184/900"), lambda: site.cluster.lose("node-1"))
    site.cluster.plays(running("training goes on from base/1"), site.publish, ended(0))

    site.follow()

    first, second = site.cluster.made
    assert (first["spec"]["nodeName"], second["spec"]["nodeName"]) == ("node-1", "node-2")
    assert first["metadata"]["name"] == second["metadata"]["name"]
    assert site.cluster.removed[0] == (first["metadata"]["name"], 0), "nobody waits for a node that is away"
    name = first["metadata"]["name"]
    assert site.whys() == [
        f"node node-1 does not report any more: if it stays silent for 0.05 s, pod {name} is given up and the stage "
        "goes on elsewhere",
        f"node node-1 is lost, and pod {name} with it; pod {name} starts anew elsewhere, from the latest checkpoint "
        "where there is one (1 of at most 5 times)"]
    assert set(site.whys()) < set(site.said)
    assert site.cluster.pods == {}


def test_a_node_that_reports_again_in_time_keeps_its_pod(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "NODE_S", 60.0)
    site.cluster.plays(running(), lambda: site.cluster.lose("node-1"))
    follower = threading.Thread(target=site.follow)
    follower.start()
    wait_until(lambda: len(site.whys()) == 1)
    site.cluster.pods[site.cluster.made[0]["metadata"]["name"]]["script"] = [site.publish, ended(0)]
    site.cluster.comes_back("node-1")
    follower.join()

    assert len(site.cluster.made) == 1
    assert site.whys()[1] == "node node-1 reports again"


@pytest.mark.parametrize(("happens", "why"), [
    (lambda site: site.cluster.drain("node-1"), "was taken away by the cluster (EvictionByEvictionAPI: Eviction API: "),
    (lambda site: site.cluster.pods.clear(), "was removed by somebody; "),
    (lambda site: site.cluster.made[0].update(status=ended(
        137, of_pod="Evicted", message="The node was low on resource: ephemeral-storage.")),
     "was taken away by the cluster (Evicted: The node was low on resource: ephemeral-storage.)"),
    (lambda site: site.cluster.made[0].update(status=ended(143, of_pod="Terminated", message="node shutdown")),
     "was taken away by the cluster (Terminated: node shutdown)"),
], ids=["drained", "removed", "disk of the node full", "node shut down"])
def test_a_pod_that_is_taken_away_is_made_anew_at_once(site: Site, happens: Callable[[Site], Any], why: str) -> None:
    site.cluster.plays(running("step 1"), lambda: happens(site))
    site.cluster.plays(running("step 2"), site.publish, ended(0))

    site.follow()

    assert len(site.cluster.made) == 2
    assert [told for told in site.whys() if why in told and "on node node-1" in told]
    assert site.cluster.pods == {}


def test_a_pod_that_is_taken_away_again_and_again_is_left_to_airflow(site: Site) -> None:
    for _ in range(kubernetes.MOST_LOST + 1):
        site.cluster.plays(running(), site.cluster.pods.clear)

    with pytest.raises(JobError) as failure:
        site.follow()

    assert failure.value.transient
    assert "TransientError: the pod of train must run to its end" in str(failure.value)
    assert len(site.cluster.made) == kubernetes.MOST_LOST + 1


def test_nothing_is_made_anew_for_a_run_that_is_over(site: Site) -> None:
    site.cluster.plays(running(), lambda: site.run.finish("failed"), site.cluster.pods.clear)

    with pytest.raises(JobError):
        site.follow()

    assert len(site.cluster.made) == 1


def test_a_result_that_was_published_counts_however_the_pod_ended(site: Site) -> None:
    site.cluster.plays(running(), site.publish, ended(137))

    site.follow()

    assert len(site.cluster.made) == 1


def test_an_api_server_that_is_away_is_asked_again(site: Site) -> None:
    def away() -> None:
        site.cluster.away_for = 20

    site.cluster.plays(running(), away, site.publish, ended(0))

    site.follow()

    assert len(site.cluster.made) == 1
    assert site.whys()[0].startswith("the cluster does not answer, and is asked again for 10 minutes; what runs ")
    assert site.whys()[1].startswith("it answers again, after ")


def test_a_quota_that_is_used_up_is_waited_for(site: Site) -> None:
    site.cluster.refusals = [USED_UP, USED_UP]
    site.cluster.plays(running(), site.publish, ended(0))

    site.follow()

    assert site.whys() == [f"pod {pods.name_of(site.job)} waits: quota evenvoice is used up: pods=64 of pods=64"]


def test_more_than_the_whole_quota_is_refused_at_once(site: Site) -> None:
    words = USED_UP[1]["message"].replace("requested: pods=1", "requested: requests.memory=96G")
    site.cluster.refusals = [(403, {"message": words.replace("limited: ", "limited: requests.memory=64G,")})]

    with pytest.raises(Exception, match=r"requests\.memory of pod .* must be at most 64G, all that the quota"):
        site.follow()


@pytest.mark.parametrize(("end", "words"), [
    (pending("ErrImagePull", "not found"), "the image of train must be pulled by node node-1, got ErrImagePull: not"),
    (pending("CreateContainerConfigError", 'secret "evenvoice-stage" not found'),
     'the pod of train must start, got CreateContainerConfigError: secret "evenvoice-stage" not found'),
    (ended(137, "step 7", reason="OOMKilled"), "resources.training.memory_gb must be enough for train, got 8, at "),
    (ended(143, of_pod="DeadlineExceeded"), "train did not end within its minutes and 3600 s for transfers"),
    (ended(137, of_pod="Evicted", message='Usage of EmptyDir volume "scratch" exceeds the limit "100G". '),
     "scratch_gb.training in docker/kubernetes/pods.yaml must be enough for train"),
], ids=["image", "secret", "memory", "deadline", "own disk"])
def test_what_a_person_has_to_mend_is_said_in_one_sentence_and_not_tried_again(
        site: Site, end: dict[str, Any], words: str) -> None:
    site.cluster.plays(end)

    with pytest.raises(JobError) as failure:
        site.follow()

    assert words in str(failure.value).splitlines()[-1]
    assert not failure.value.transient
    assert len(site.cluster.made) == 1
    assert site.cluster.pods == {}


def test_a_stopped_stage_leaves_no_pod(site: Site) -> None:
    def stop() -> None:
        wait_until(lambda: bool(site.cluster.pods))
        site.runner.stop()

    stopping = threading.Thread(target=stop)
    stopping.start()
    with pytest.raises(JobError, match="asked to end"):
        site.follow()
    stopping.join()

    assert site.cluster.pods == {}
    assert site.cluster.removed[0] == (pods.name_of(site.job), pods.GRACE_S)


def test_machines_train_together_as_one_job(site: Site) -> None:
    site.params(nodes=2, processes=4)
    site.cluster.plays(running("step 1/2", "step 2/2"), site.publish, ended(0))
    site.cluster.plays(running("of no interest"))

    site.follow()

    assert [pod["spec"]["nodeName"] for pod in site.cluster.made] == ["node-1", "node-2"]
    assert [line for line in site.said if "step" in line] == ["step 1/2", "step 2/2"]
    assert site.cluster.jobs == site.cluster.pods == {}


def test_a_job_is_started_anew_as_a_whole_when_one_of_its_nodes_is_lost(site: Site) -> None:
    site.params(nodes=2, processes=2)
    site.cluster.plays(running("step 1"))
    site.cluster.plays(running(), lambda: site.cluster.lose("node-2"))
    site.cluster.plays(running("training goes on"), site.publish, ended(0))
    site.cluster.plays(running())

    site.follow()

    lost = site.cluster.made[1]["metadata"]["name"]
    assert len(site.cluster.made) == 4
    assert (lost, 0) in site.cluster.removed
    assert (site.cluster.made[0]["metadata"]["name"], pods.GRACE_S) in site.cluster.removed
    assert f"node node-2 is lost, and pod {lost} with it; Job {pods.name_of(site.job)} starts anew" in site.whys()[1]
    assert site.cluster.jobs == site.cluster.pods == {}


def test_the_machine_that_failed_is_quoted_rather_than_those_it_took_along(site: Site) -> None:
    site.params(nodes=2, processes=2)
    site.cluster.plays(running(), ended(75, "must stay connected with the others"))
    site.cluster.plays(running(), ended(3, "TrainingError: the training of process 1 must be that of the first one"))

    with pytest.raises(JobError) as failure:
        site.follow()

    assert failure.value.exit_code == 3
    assert str(failure.value).endswith("machine 1: TrainingError: the training of process 1 must be that of the first "
                                       "one")
    assert site.cluster.jobs == site.cluster.pods == {}


def test_a_machine_that_lost_another_one_starts_anew_although_the_cluster_says_nothing(site: Site) -> None:
    site.params(nodes=2, processes=2)
    site.cluster.plays(running(), ended(75, "must stay connected with the others"))
    site.cluster.plays(running())
    site.cluster.plays(running("training goes on"), site.publish, ended(0))
    site.cluster.plays(running())

    site.follow()

    [why] = site.whys()
    assert why.startswith("machine 0 on node node-1 lost the connection with another one; Job "
                          f"{pods.name_of(site.job)} starts anew elsewhere")
    assert site.cluster.jobs == site.cluster.pods == {}


def test_what_no_run_follows_any_more_is_removed_but_not_what_others_made(site: Site) -> None:
    works = {"monday": True, "tuesday": False}
    for run_id in works:
        kubernetes._work(replace(site.job, run=Run(site.run.root, run_id), directory=site.run.workspace)).create()
    foreign = copy.deepcopy(site.cluster.made[1])
    foreign["metadata"] |= {"name": "foreign", "labels": {**foreign["metadata"]["labels"],
                                                          "evenvoice.io/installation": "another"}}
    site.cluster.pods["foreign"] = foreign

    removed = remove_pods(Cluster("evenvoice"), site.run.root, lambda run: works[run.run_id])

    assert removed == [site.cluster.made[1]["metadata"]["name"]]
    assert set(site.cluster.pods) == {site.cluster.made[0]["metadata"]["name"], "foreign"}


def test_what_is_left_of_a_run_is_removed_and_nothing_else(site: Site) -> None:
    site.params(nodes=2, processes=2)
    work = kubernetes._work(site.job)
    work.create()
    other = Run(site.run.root, "tuesday")
    site.runner.abandon(other)
    assert len(site.cluster.pods) == 2

    site.runner.abandon(site.run)

    assert site.cluster.jobs == site.cluster.pods == {}


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)
