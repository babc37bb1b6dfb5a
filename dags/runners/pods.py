"""The pod of one stage: a plain description, the same whenever it is asked for."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

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
_PROGRESS: Final = "/dev/stdout"
_THREADS: Final = ("OMP_NUM_THREADS",)


def pod_of(job: Job, resources: Resources, settings: PodSettings, image: str) -> dict[str, Any]:
    """Describe the pod that runs ``job``, which must have a size."""
    assert job.size is not None, "only stages run in pods"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name_of(job), "namespace": settings.namespace, "labels": _labels(job),
                     "annotations": {"evenvoice.io/run": job.run.run_id, "evenvoice.io/stage": job.name,
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
                        {"name": "tmp", "emptyDir": {"sizeLimit": "2G"}}],
        },
    }


def name_of(job: Job) -> str:
    """Always the same for one job of one run, so that the cluster itself refuses a second one."""
    readable = re.sub(r"[^a-z0-9]+", "-", job.name.lower()).strip("-")[:30]
    return f"evenvoice-{readable}-{_short(f'{job.run.run_id} {job.name}')}"


def selector_of(run: Run) -> str:
    """Finds every pod of a run."""
    return f"evenvoice.io/run={_short(run.run_id)}"


def _labels(job: Job) -> dict[str, str]:
    stage = re.sub(r"[^A-Za-z0-9_.-]", ".", job.name)[:63]
    return {"app.kubernetes.io/name": "evenvoice", "app.kubernetes.io/component": "stage",
            "evenvoice.io/run": _short(job.run.run_id), "evenvoice.io/stage": stage}


def _container(job: Job, settings: PodSettings, image: str) -> dict[str, Any]:
    assert job.size is not None
    return {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", *job.arguments, "--exchange", exchange_of(job.run)],
        "workingDir": SCRATCH,
        "env": [{"name": name, "value": value} for name, value in sorted(_environment(job, settings).items())],
        "envFrom": [{"secretRef": {"name": settings.secret}}],
        "resources": _resources(job.size, settings),
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "scratch", "mountPath": SCRATCH}, {"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108
    }


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


def _placement(size: Size, resources: Resources, settings: PodSettings) -> Mapping[str, Any]:
    wanted = dict(settings.node_selector)
    if size.gpus and resources.gpu_kind:
        wanted[settings.gpu_kind_label] = resources.gpu_kind
    tolerations = [toleration.model_dump(exclude_defaults=True) for toleration in settings.tolerations]
    return {**({"nodeSelector": wanted} if wanted else {}),
            **({"tolerations": tolerations} if tolerations and size.gpus else {})}


def _scratch(job: Job, settings: PodSettings) -> int:
    return int(settings.scratch_gb.model_dump()[job.size_name])


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
