"""The pod of one stage, or the Job of one that trains on several machines: plain descriptions, always the same."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dags.runners.installation import installation_of
from dags.runners.job import Job
from dags.runners.pod_settings import PodSettings, exchange_of
from dags.runs import Run
from evenvoice.params import Resources, Size

CONTAINER: Final = "stage"
SCRATCH: Final = "/scratch"
GRACE_S: Final = 30
"""Between TERM and KILL; the worker needs 8 s to end its stage."""
TRANSFER_S: Final = 3600
"""For bringing inputs and sending results, beside the minutes of the stage itself."""
UID: Final = 10001
"""The one user of the image."""
AWAY_S: Final = 60
"""The cluster itself takes a pod away from a node that is silent for so long; the runner, where it follows, sooner."""
TOGETHER: Final = frozenset({"train", "thin", "train_multitalker"})
"""Stages whose processes (`train.processes`) may be spread over machines; the others that train use one process."""
SEVERAL: Final = {"evenvoice.io/machines": "several"}
"""Label of pods that talk to each other; the network policy of cluster.yaml lets them."""
KEPT_S: Final = 24 * 3600
"""A Job that nobody follows any more is forgotten so long after its end."""
_RUN, _STAGE, _INSTALLATION = "evenvoice.io/run", "evenvoice.io/stage", "evenvoice.io/installation"
_SHARED_MEMORY: Final = "shared-memory"
_PROGRESS: Final = "/dev/stdout"
_THREADS: Final = ("OMP_NUM_THREADS",)


def pod_of(job: Job, resources: Resources, settings: PodSettings, image: str) -> dict[str, Any]:
    """Describe the pod that runs ``job``, which must have a size."""
    assert job.size is not None, "only stages run in pods"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name_of(job), "namespace": settings.namespace, "labels": _labels(job),
                     "annotations": {_RUN: job.run.run_id, _STAGE: job.name,
                                     "cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}},
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": round(job.size.minutes * 60) + TRANSFER_S,
            "terminationGracePeriodSeconds": GRACE_S,
            "serviceAccountName": settings.service_account,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            # one process namespace, so that the pause container reaps what a stage leaves and TERM reaches the worker
            "shareProcessNamespace": True,
            "securityContext": {"runAsNonRoot": True, "runAsUser": UID, "runAsGroup": UID, "fsGroup": UID,
                                "seccompProfile": {"type": "RuntimeDefault"}},
            **_placement(job.size, resources, settings),
            "containers": [_container(job, settings, image)],
            "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": f"{_scratch(job, settings)}G"}},
                        {"name": "tmp", "emptyDir": {"sizeLimit": "2G"}}, *_shared_memory(job.size)],
        },
    }


def machines_for(job: Job, resources: Resources) -> int:
    """On how many machines ``job`` is worked on at once."""
    return resources.training.nodes if job.name.partition("@")[0] in TOGETHER else 1


def job_of(pod: Mapping[str, Any], machines: int, processes: int) -> dict[str, Any]:
    """Describe the Job of ``machines`` pods like ``pod``, on as many nodes, that train with ``processes`` in all.

    An indexed Job is on every cluster; JobSet and Kubeflow's TrainJob have to be installed, and add to it what the
    runner does itself: to start all anew when one is lost.
    """
    template: dict[str, Any] = {part: copy.deepcopy(pod[part]) for part in ("metadata", "spec")}
    name, namespace = (template["metadata"].pop(part) for part in ("name", "namespace"))
    own = dict(template["metadata"]["labels"])
    template["metadata"]["labels"] |= SEVERAL
    [container] = template["spec"]["containers"]
    container["command"] += ["--machine", f"$(JOB_COMPLETION_INDEX)/{machines}"]
    container["env"] += [{"name": "PET_NPROC_PER_NODE", "value": str(processes // machines)},
                         _told_by_the_pod("EVENVOICE_ADDRESS", "status.podIP"),
                         _told_by_the_pod("EVENVOICE_ATTEMPT",
                                          "metadata.labels['batch.kubernetes.io/controller-uid']")]
    apart = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {
        label: own[label] for label in (_RUN, _STAGE)}}}
    template["spec"]["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}}
    return {"apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": name, "namespace": namespace, "labels": own,
                         "annotations": dict(template["metadata"]["annotations"])},
            "spec": {"completionMode": "Indexed", "completions": machines, "parallelism": machines,
                     "backoffLimit": 0, "ttlSecondsAfterFinished": KEPT_S, "template": template}}


def name_of(job: Job) -> str:
    """Always the same for one job of one run of one installation, so that the cluster itself refuses a second one."""
    readable = re.sub(r"[^a-z0-9]+", "-", job.name.lower()).strip("-")[:30]
    return f"evenvoice-{readable}-{_short(f'{installation_of(job.run.root)} {job.run.run_id} {job.name}')}"


def selector_of(run: Run) -> str:
    """Finds all that was made for a run."""
    return f"{_RUN}={_short(run.run_id)},{_INSTALLATION}={installation_of(run.root)}"


def selector_of_all(root: Path) -> str:
    """Finds all that was made by the installation of this checkout."""
    return f"{_INSTALLATION}={installation_of(root)}"


def _labels(job: Job) -> dict[str, str]:
    stage = re.sub(r"[^A-Za-z0-9_.-]", ".", job.name)[:63]
    return {"app.kubernetes.io/name": "evenvoice", "app.kubernetes.io/component": "stage",
            _RUN: _short(job.run.run_id), _STAGE: stage, _INSTALLATION: installation_of(job.run.root)}


def _container(job: Job, settings: PodSettings, image: str) -> dict[str, Any]:
    assert job.size is not None
    return {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", *job.arguments, "--exchange", exchange_of(job.run)],
        "workingDir": SCRATCH,
        "env": [*({"name": name, "value": value} for name, value in sorted(_environment(job, settings).items())),
                _told_by_the_pod("EVENVOICE_POD", "metadata.uid")],  # of two pods of one name, the later one counts
        "envFrom": [{"secretRef": {"name": settings.secret}}],
        "resources": _resources(job.size, settings),
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "scratch", "mountPath": SCRATCH}, {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
                         *({"name": volume["name"], "mountPath": "/dev/shm"}  # noqa: S108
                           for volume in _shared_memory(job.size))],
    }


def _shared_memory(size: Size) -> list[dict[str, Any]]:
    """NCCL's processes on one machine pass tensors through it; what a runtime gives by itself is too small."""
    return [{"name": _SHARED_MEMORY, "emptyDir": {"medium": "Memory", "sizeLimit": "8G"}}] if size.gpus > 1 else []


def _told_by_the_pod(name: str, field: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": field}}}


def _environment(job: Job, settings: PodSettings) -> dict[str, str]:
    """Paths of this machine mean nothing there; progress goes to the log, and from there to whoever watches."""
    threads = {name: value for name, value in job.environment.items() if name in _THREADS}
    return {"HOME": "/tmp", "DVC_SITE_CACHE_DIR": f"{SCRATCH}/.dvc/site", "DVC_NO_ANALYTICS": "1",  # noqa: S108
            "EVENVOICE_PROGRESS": _PROGRESS, "OMP_WAIT_POLICY": "PASSIVE", "PYTHONUNBUFFERED": "1",
            **settings.environment, **threads}


def _resources(size: Size, settings: PodSettings) -> dict[str, dict[str, str]]:
    """Memory and GPUs are the same as request and limit; cores are requested, and more may be used while they idle."""
    memory = {"memory": f"{round(size.memory_gb * 1000)}M"} if size.memory_gb else {}
    gpus = {settings.gpu_resource: str(size.gpus)} if size.gpus else {}
    cpus = {"cpu": str(size.cpus or 1)}
    return {"requests": {**cpus, **memory, **gpus}, "limits": {**(cpus if size.cpus else {}), **memory, **gpus}}


def wanted_labels(size: Size, resources: Resources, settings: PodSettings) -> dict[str, str]:
    """Labels that a node has to have for a stage of ``size``."""
    kind = {settings.gpu_kind_label: resources.gpu_kind} if size.gpus and resources.gpu_kind else {}
    return {**settings.node_selector, **kind}


def _placement(size: Size, resources: Resources, settings: PodSettings) -> Mapping[str, Any]:
    wanted = wanted_labels(size, resources, settings)
    own = [toleration.model_dump(exclude_defaults=True) for toleration in settings.tolerations] if size.gpus else []
    silent = [{"key": f"node.kubernetes.io/{taint}", "operator": "Exists", "effect": "NoExecute",
               "tolerationSeconds": AWAY_S} for taint in ("not-ready", "unreachable")]
    return {**({"nodeSelector": wanted} if wanted else {}), "tolerations": [*own, *silent]}


def _scratch(job: Job, settings: PodSettings) -> int:
    return int(settings.scratch_gb.model_dump()[job.size_name])


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
