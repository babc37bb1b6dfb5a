"""Stages as pods that share no disk, only an object store.

The cluster itself refuses a second pod of one name, so a task that was killed finds its pod again, whatever became of
it meanwhile. KubernetesPodOperator is not used: it needs Airflow's context, does not tell exit codes, and may call a
pod done that was asked to end. Here a stage is done when its fragment is published, and for no other reason.

A pod that the cluster takes away, or whose node is lost, is made anew at once by whoever follows it; no try of
Airflow's is spent on that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, TypeVar

from dags.dvc_graph import Node, load_graph
from dags.runners import pods
from dags.runners.capacity import demand_even_share
from dags.runners.cluster import Cluster, Exists, QuotaUsedUp
from dags.runners.endings import judge
from dags.runners.following import LEAVING_S, POLL_S, Output, Patience, PodLog, insist
from dags.runners.job import TAIL_LINES, Job, JobError
from dags.runners.pod_settings import PodSettings, exchange_of, pod_settings, stage_image
from dags.runners.pod_state import CUT_OFF, State
from dags.runners.reachable import demand_cluster, demand_in_store, demand_store
from dags.runners.work import Work, work_of
from dags.runs import Run
from evenvoice import dvc_lock
from evenvoice.code_digest import tree_digest
from evenvoice.errors import PreflightError, TransientError
from evenvoice.locks import exclusive
from evenvoice.params import Params, load_params
from evenvoice.progress import Progress
from evenvoice.storage import read_json, write_json, write_text
from worker import dvc_door
from worker.bringing_up import FOLDER
from worker.exchange import Entry, Exchange, Settings

T = TypeVar("T")
MOST_LOST: Final = 5
"""How often a pod that was taken away is made anew, before the task leaves the rest to Airflow."""
QUOTA_S: Final = 1800.0
"""How long a task waits for a quota that others use up."""
_ASKED_TO_END: Final = 143


class KubernetesRunner:
    """Pods in the namespace that docker/kubernetes/pods.yaml names."""

    shares_disk = False

    def __init__(self) -> None:
        self._following: Work | None = None
        self._stopping = False

    def prepare(self, run: Run) -> dict[str, Any]:
        settings, image, url = pod_settings(), stage_image(), exchange_of(run)
        params = load_params(run.workspace / "params.yaml")
        demand_in_store("ingest.corpus", params.ingest.corpus)
        demand_in_store("ingest.census", params.ingest.census)
        demand_even_share(params)
        exchange = Exchange.at(url)
        demand_store(exchange.store)
        demand_cluster(_cluster(settings), settings, params.resources, _samples(run, params, settings, image),
                       Progress("snapshot", sink=run.progress))
        write_text(run.workspace / ".dvc" / "config.local", _dvc_config(run, exchange))
        lock = run.workspace / "dvc.lock"
        if lock.exists():  # whatever only this machine has of it
            _dvc(run, "push", action="Look at the store, and at AWS_ENDPOINT_URL and its credentials.")
        exchange.open(Settings(
            params=(run.workspace / "params.yaml").read_text(encoding="utf-8"),
            graph=(run.workspace / "dvc.yaml").read_text(encoding="utf-8"),
            corpus=(run.workspace / "corpus.json").read_text(encoding="utf-8"),
            watched=(run.workspace / "watched.json").read_text(encoding="utf-8"),
            lock=lock.read_text(encoding="utf-8") if lock.exists() else "", code=tree_digest(run.workspace),
            upstream={node.name: node.upstream for node in load_graph(run.workspace)}))
        return {"runner": "kubernetes", "image": image, "image_digest": image.partition("@")[2], "exchange": url}

    def run(self, job: Job, show: Callable[[str], None]) -> None:
        exchange, output = Exchange.at(exchange_of(job.run)), Output(job, show)
        entry = self._published(exchange, job, output)
        if entry is not None:  # by a pod that an earlier try made and could not remove
            insist(lambda: _work(job).remove(pods.GRACE_S), output.remark, self._is_stopping)
        else:
            state = self._on_cluster(exchange, job, output)
            entry = self._published(exchange, job, output)
            if entry is None:
                judge(job, state, output.lines)
                raise TransientError(name=job.name, rule="publish its result", value="a pod that ended well without",
                                     action=f"Read {job.log}; the stage is tried again.")
        insist(lambda: _take_result(exchange, job, entry), output.remark, self._is_stopping)

    def stop(self) -> None:
        self._stopping = True
        if self._following is not None:
            self._following.remove(pods.GRACE_S)

    def abandon(self, run: Run) -> None:
        # without access nothing was made; what a cluster that is away keeps, the DAG reap_containers removes
        with suppress(PreflightError, TransientError):
            _cluster(pod_settings()).remove_all(pods.selector_of(run), pods.GRACE_S)

    def collect(self, run: Run) -> None:
        """The speech itself stays in the store: nothing after the graph reads it."""
        locked = dvc_lock.entries(run.workspace / "dvc.lock")
        outs = [out for node in load_graph(run.workspace) if node.size != "data" for out in locked[node.name]["outs"]]
        Exchange.at(exchange_of(run)).results(run.state / "cache").bring_whole(outs, run.workspace)

    def _published(self, exchange: Exchange, job: Job, output: Output) -> Entry | None:
        return insist(lambda: exchange.fragment(job.name), output.remark, self._is_stopping)

    def _on_cluster(self, exchange: Exchange, job: Job, output: Output) -> State:
        """Bring the job to its end there, and remove what was made for it."""
        work = self._following = _work(job)
        try:
            state = self._until_not_taken(work, exchange, job, output)
        except TransientError:
            raise  # what was made stays, for the retry to take it over
        except BaseException:
            work.remove(pods.GRACE_S)
            raise
        insist(lambda: work.remove(pods.GRACE_S), output.remark, self._is_stopping)
        if self._stopping:
            raise JobError(job, _ASKED_TO_END, [*output.lines, "asked to end"])
        return state

    def _until_not_taken(self, work: Work, exchange: Exchange, job: Job, output: Output) -> State:
        lost = 0
        while True:
            self._obtain(work, output)
            state = self._follow(work, output)
            ends_here = self._stopping or not state.taken or lost == MOST_LOST or job.run.finished.exists()
            if ends_here or self._published(exchange, job, output):
                return state
            lost += 1
            output.remark(f"{_told(state)}; {work} starts anew elsewhere, from the latest checkpoint where there is "
                          f"one ({lost} of at most {MOST_LOST} times)")
            self._vacate(work, output)

    def _obtain(self, work: Work, output: Output) -> None:
        """Make the work, or find what an earlier try left; what is on its way out is waited for."""
        began = time.monotonic()
        while not self._stopping:
            try:
                insist(work.create, output.remark, self._is_stopping)
                return
            except QuotaUsedUp as used:
                if time.monotonic() - began > QUOTA_S:
                    raise TransientError(name=str(work), rule=f"be made within {QUOTA_S / 60:g} minutes",
                                         value=str(used), action="Raise the quota, or wait for what uses it.") from None
                output.remark(f"{work} waits: {used}")
            except Exists:
                state = insist(work.look, output.remark, self._is_stopping)
                if state.leaving:
                    self._vacate(work, output)
                elif state.phase != "Gone":
                    output.add(f"taking over {work}")
                    return
            time.sleep(POLL_S)

    def _vacate(self, work: Work, output: Output) -> None:
        """Remove all of the work and wait until it is gone; by force when it takes too long."""
        insist(lambda: work.remove(pods.GRACE_S), output.remark, self._is_stopping)
        began = time.monotonic()
        while not self._stopping and not insist(work.is_gone, output.remark, self._is_stopping):
            if time.monotonic() - began > LEAVING_S:
                insist(lambda: work.remove(0), output.remark, self._is_stopping)
            time.sleep(POLL_S)

    def _follow(self, work: Work, output: Output) -> State:
        """Pass on what it says until it has ended, or is given up."""
        log: PodLog | None = None
        patience, before = Patience(output), State("Pending")
        while True:
            state = before = _remembering(before, insist(work.look, output.remark, self._is_stopping))
            if state.started and work.speaker and (log is None or log.pod != work.speaker):
                log = PodLog(work.cluster, work.speaker)
            if log is not None:
                log.pass_on(output)
            given_up = patience.given_up(state)
            if given_up is not None or state.over or state.hopeless or self._stopping:
                break
            (log.wait if log is not None else time.sleep)(POLL_S)
        if log is not None and not state.away:
            log.finish(output)
        if state.failed_by_itself and state.pod != work.speaker:
            for line in work.cluster.last_words(state.pod, pods.CONTAINER, TAIL_LINES):
                output.add(f"machine {state.machine}: {line}")
        return given_up or state

    def _is_stopping(self) -> bool:
        return self._stopping


def _cluster(settings: PodSettings) -> Cluster:
    return Cluster(settings.namespace, settings.context)


def _work(job: Job) -> Work:
    """What runs ``job`` on the cluster, with the settings of now and the image of its run."""
    settings, params = pod_settings(), load_params(job.run.workspace / "params.yaml")
    image = str(read_json(job.run.description)["image"])
    return work_of(_cluster(settings), _described(job, params, settings, image))


def _described(job: Job, params: Params, settings: PodSettings, image: str) -> dict[str, Any]:
    pod = pods.pod_of(job, params.resources, settings, image)
    machines = pods.machines_for(job, params.resources)
    return pods.job_of(pod, machines, params.train.processes) if machines > 1 else pod


def _samples(run: Run, params: Params, settings: PodSettings, image: str) -> list[dict[str, Any]]:
    """A pod of each size and, where a stage of the run is spread over machines, its Job."""
    graph = load_graph(run.workspace)
    chosen = {**{node.size: node for node in graph}, **{
        node.group: node for node in graph if node.group in pods.TOGETHER and params.resources.training.nodes > 1}}
    return [_described(_sample(run, node, params), params, settings, image) for node in chosen.values()]


def _sample(run: Run, node: Node, params: Params) -> Job:
    return Job(name=node.name, arguments=("-m", "worker", node.name), run=run, directory=run.workspace,
               size=params.resources.size(node.size), size_name=node.size)


def _remembering(before: State, now: State) -> State:
    """What is gone cannot say any more where it was, and why it had to go."""
    return replace(before, phase="Gone", reason="", message=now.message) if now.phase == "Gone" and before.pod else now


def _told(state: State) -> str:
    """Why a pod is not there any more."""
    where = f" on node {state.node}" if state.node else ""
    if state.reason == CUT_OFF:
        return f"machine {state.machine}{where} lost the connection with another one"
    if state.reason == "NodeLost" or state.away:
        return f"node {state.node} is lost, and pod {state.pod} with it"
    if why := state.disruption or state.said:
        return f"pod {state.pod}{where} was taken away by the cluster ({why})"
    return f"pod {state.pod}{where} was removed by somebody"


def _dvc_config(run: Run, exchange: Exchange) -> str:
    return dvc_door.config(cache=str(run.state / "cache"), remote=exchange.remote)


def _take_result(exchange: Exchange, job: Job, entry: Entry) -> None:
    """Write the published entry into the run's dvc.lock."""
    if "outs" not in entry:  # a shard: its stage reads the pieces
        return
    if told := exchange.told_made_with(job.name):
        write_json(job.run.workspace / FOLDER / f"{job.name}.json", told)
    path = job.run.workspace / "dvc.lock"
    with exclusive(job.run.directory / "dvc.lock.guard", wait=True):
        dvc_lock.write(path, {**dvc_lock.entries(path), job.name: entry})


def _dvc(run: Run, command: str, *targets: str, action: str) -> None:
    done = dvc_door.run(command, "--quiet", *targets, directory=run.workspace)
    if done.returncode:
        words = " ".join((done.stderr or done.stdout).split())[-400:]
        raise TransientError(name=f"dvc {command}", rule="reach the results in the store", value=words, action=action)
