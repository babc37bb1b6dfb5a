"""Stages as pods that share no disk, only an object store.

The cluster itself refuses a second pod of one name, so a task that was killed finds its pod again, whatever became of
it meanwhile. KubernetesPodOperator is not used: it needs Airflow's context, does not tell exit codes, and may call a
pod done that was asked to end. Here a stage is done when its fragment is published, and for no other reason.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Final

from dags.dvc_graph import load_graph
from dags.runners import pods
from dags.runners.cluster import Cluster, Exists, State, seconds_since
from dags.runners.job import OUT_OF_TIME, RETRY_LATER, Job, JobError
from dags.runners.pod_settings import exchange_of, pod_settings, stage_image
from dags.runs import Run
from evenvoice import dvc_lock
from evenvoice.code_digest import tree_digest
from evenvoice.errors import EvenvoiceError, ParamsError, PreflightError, TransientError, WorkspaceError
from evenvoice.locks import exclusive
from evenvoice.object_store import is_object_url
from evenvoice.params import load_params
from evenvoice.storage import read_json, write_json, write_text
from worker import dvc_door
from worker.bringing_up import FOLDER
from worker.exchange import Exchange, Settings

POLL_S: Final = 1.0
IMAGE_PATIENCE_S: Final = 300.0
"""A registry may be away for a moment; an image that does not come for so long is not there."""
_ASKED_TO_END: Final = 143


class KubernetesRunner:
    """Pods in the namespace that docker/kubernetes/pods.yaml names."""

    shares_disk = False

    def __init__(self) -> None:
        self._following: tuple[Cluster, str] | None = None
        self._stopping = False

    def prepare(self, run: Run) -> dict[str, Any]:
        settings, image, url = pod_settings(), stage_image(), exchange_of(run)
        params = load_params(run.workspace / "params.yaml")
        _demand_reachable("ingest.corpus", params.ingest.corpus)
        _demand_reachable("ingest.census", params.ingest.census)
        Cluster(settings.namespace).demand_access()
        exchange = Exchange.at(url)
        write_text(run.workspace / ".dvc" / "config.local", _dvc_config(run, exchange))
        lock = run.workspace / "dvc.lock"
        if lock.exists():  # whatever only this machine has of it
            _dvc(run, "push", action="Look at the store, and at AWS_ENDPOINT_URL and its credentials.")
        exchange.open(Settings(
            params=(run.workspace / "params.yaml").read_text(encoding="utf-8"),
            graph=(run.workspace / "dvc.yaml").read_text(encoding="utf-8"),
            corpus=(run.workspace / "corpus.json").read_text(encoding="utf-8"),
            lock=lock.read_text(encoding="utf-8") if lock.exists() else "", code=tree_digest(run.workspace),
            upstream={node.name: node.upstream for node in load_graph(run.workspace)}))
        return {"runner": "kubernetes", "image": image, "image_digest": image.partition("@")[2], "exchange": url}

    def run(self, job: Job, show: Callable[[str], None]) -> None:
        exchange = Exchange.at(exchange_of(job.run))
        if exchange.fragment(job.name) is None:
            self._in_pod(job, show)
        _take_result(exchange, job)

    def stop(self) -> None:
        self._stopping = True
        if self._following is not None:
            cluster, name = self._following
            cluster.remove(name, pods.GRACE_S)

    def abandon(self, run: Run) -> None:
        try:
            cluster = Cluster(pod_settings().namespace)
        except PreflightError:
            return  # without access nothing was made
        cluster.remove_all(pods.selector_of(run), pods.GRACE_S)

    def collect(self, run: Run) -> None:
        """The speech itself stays in the store: nothing after the graph reads it."""
        stages = [node.name for node in load_graph(run.workspace) if node.size != "data"]
        _dvc(run, "pull", *stages, action="Run the stage again whose results are missing or damaged: force_stage.")

    def _in_pod(self, job: Job, show: Callable[[str], None]) -> None:
        settings = pod_settings()
        cluster, name = Cluster(settings.namespace), pods.name_of(job)
        resources = load_params(job.run.workspace / "params.yaml").resources
        image = str(read_json(job.run.description)["image"])
        self._following = cluster, name
        output = _Output(job, show)
        try:
            _obtain(cluster, pods.pod_of(job, resources, settings, image), output)
            state = self._follow(cluster, name, output)
        except TransientError:
            raise  # the pod stays, for the retry to take it over
        except BaseException:
            cluster.remove(name, pods.GRACE_S)
            raise
        cluster.remove(name, pods.GRACE_S)
        if self._stopping:
            raise JobError(job, _ASKED_TO_END, [*output.lines, "asked to end"])
        _judge(job, state, output.lines)

    def _follow(self, cluster: Cluster, name: str, output: _Output) -> State:
        without_image: float | None = None
        while True:
            state = cluster.state(name)
            if state.started:
                output.read(cluster, name)
                state = cluster.state(name)
            if state.over or state.hopeless or self._stopping:
                return state
            output.waits(state)
            without_image = (without_image or time.monotonic()) if state.without_image else None
            if without_image is not None and time.monotonic() - without_image > IMAGE_PATIENCE_S:
                return state
            time.sleep(POLL_S)


class _Output:
    """What a pod says: into the log and to whoever follows; events of progress to whoever watches the run."""

    def __init__(self, job: Job, show: Callable[[str], None]) -> None:
        self.lines: list[str] = []
        self._job = job
        self._show = show
        self._last_stamp = ""
        self._last_at: float | None = None
        self._last_remark = ""
        job.log.parent.mkdir(parents=True, exist_ok=True)

    def read(self, cluster: Cluster, name: str) -> None:
        """Follow the log until the connection ends, from where the last one ended."""
        since = seconds_since(self._last_at) if self._last_at is not None else None
        try:
            for stamp, line in cluster.follow(name, pods.CONTAINER, since):
                if stamp > self._last_stamp:
                    self._last_stamp, self._last_at = stamp, time.monotonic()
                    self.add(line)
        except TransientError as error:  # the stage itself goes on, and its fragment says how it ended
            self._once(str(error))

    def waits(self, state: State) -> None:
        """Say once what a pod waits for."""
        reason = ": ".join(filter(None, (state.reason, state.message)))
        if state.phase == "Pending" and reason:
            self._once(f"the pod waits: {reason}")

    def _once(self, remark: str) -> None:
        if remark != self._last_remark:
            self._last_remark = remark
            self.add(remark)

    def add(self, line: str) -> None:
        if line.startswith('{"at": ') and self._emitted(line):
            return
        self.lines.append(line)
        with self._job.log.open("a", encoding="utf-8") as log:
            log.write(line + "\n")
        self._show(line)

    def _emitted(self, line: str) -> bool:
        try:
            json.loads(line)
        except ValueError:
            return False
        with self._job.run.progress.open("a", encoding="utf-8") as sink:
            sink.write(line + "\n")
        return True


def _obtain(cluster: Cluster, pod: dict[str, Any], output: _Output) -> None:
    """Make the pod, or find the one that an earlier try left; one on its way out is waited for."""
    name = pod["metadata"]["name"]
    while True:
        try:
            cluster.create(pod)
            return
        except Exists:
            if not cluster.state(name).leaving:
                output.add(f"taking over pod {name}")
                return
        time.sleep(POLL_S)


def _judge(job: Job, state: State, lines: list[str]) -> None:
    """Turn how the pod ended into how the job ended."""
    if state.phase == "Succeeded":
        return
    if state.reason == "DeadlineExceeded":
        raise JobError(job, OUT_OF_TIME, [*lines, f"{job.name} did not end within its minutes and {pods.TRANSFER_S} s "
                                                  "for transfers"])
    reason = _reason(job, state)
    if reason is not None:
        raise JobError(job, reason.exit_code, [*lines, f"{type(reason).__name__}: {reason}"])
    raise JobError(job, RETRY_LATER if state.exit_code is None else state.exit_code, lines)


def _reason(job: Job, state: State) -> EvenvoiceError | None:
    """What only the cluster knows about the end."""
    said = ": ".join(filter(None, (state.reason, state.message)))
    if state.reason == "OOMKilled":
        return ParamsError(name=f"resources.{job.size_name}.memory_gb", rule=f"be enough for {job.name}",
                           value=f"{job.size.memory_gb if job.size else 0:g}, at which the kernel ended it",
                           action="Raise it in params.yaml, or give the stage less to hold at once.")
    if state.reason == "Evicted" and "storage" in state.message:
        return WorkspaceError(name=f"scratch_gb.{job.size_name} in docker/kubernetes/pods.yaml",
                              rule=f"be enough for {job.name}", value=said, action="Raise it.")
    if state.phase == "Pending":
        return PreflightError(name=f"the pod of {job.name}", rule="start", value=said,
                              action="Check EVENVOICE_STAGE_IMAGE, pull secrets of the service account, and the secret "
                                     "that docker/kubernetes/pods.yaml names.")
    if state.exit_code is None:
        return TransientError(name=f"the pod of {job.name}", rule="run to its end", value=said or "no pod any more",
                              action="The stage is tried again.")
    return None


def _dvc_config(run: Run, exchange: Exchange) -> str:
    return dvc_door.config(cache=str(run.state / "cache"), remote=exchange.remote)


def _take_result(exchange: Exchange, job: Job) -> None:
    """Write the published entry into the run's dvc.lock; without one the stage is not done, however the pod ended."""
    entry = exchange.fragment(job.name)
    if entry is None:
        raise TransientError(name=job.name, rule="publish its result", value="a pod that ended well without",
                             action=f"Read {job.log}; the stage is tried again.")
    if "outs" not in entry:  # a shard: its stage reads the pieces
        return
    if told := exchange.told_made_with(job.name):
        write_json(job.run.workspace / FOLDER / f"{job.name}.json", told)
    path = job.run.workspace / "dvc.lock"
    with exclusive(job.run.directory / "dvc.lock.guard", wait=True):
        dvc_lock.write(path, {**dvc_lock.entries(path), job.name: entry})


def _demand_reachable(name: str, path: str) -> None:
    if path and path != "synthetic" and not is_object_url(path):
        raise PreflightError(name=name, rule="lie in an object store when stages are pods", value=path,
                             action="Upload it and name it as s3://bucket/path.")


def _dvc(run: Run, command: str, *targets: str, action: str) -> None:
    done = dvc_door.run(command, "--quiet", *targets, directory=run.workspace)
    if done.returncode:
        words = " ".join((done.stderr or done.stdout).split())[-400:]
        raise TransientError(name=f"dvc {command}", rule="reach the results in the store", value=words, action=action)
