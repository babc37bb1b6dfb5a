"""How a pod ended, and what that says about its job: the job's own words, and what only the cluster knows."""

from __future__ import annotations

from dags.runners.job import OUT_OF_TIME, RETRY_LATER, Job, JobError
from dags.runners.pod_state import OUT_OF_MEMORY, OUT_OF_MINUTES, State
from dags.runners.pods import TRANSFER_S
from evenvoice.errors import EvenvoiceError, ParamsError, PreflightError, TransientError, WorkspaceError


def judge(job: Job, state: State, lines: list[str]) -> None:
    """Turn how the pod ended into how the job ended.

    Raises:
        JobError: not well.
    """
    if state.phase == "Succeeded":
        return
    if state.reason == OUT_OF_MINUTES:
        raise JobError(job, OUT_OF_TIME, [*lines, f"{job.name} did not end within its minutes and {TRANSFER_S} s "
                                                  "for transfers"])
    reason = _reason(job, state)
    if reason is not None:
        raise JobError(job, reason.exit_code, [*lines, f"{type(reason).__name__}: {reason}"])
    raise JobError(job, RETRY_LATER if state.exit_code is None else state.exit_code, lines)


def _reason(job: Job, state: State) -> EvenvoiceError | None:
    """What only the cluster knows about the end."""
    if state.reason == OUT_OF_MEMORY:
        return ParamsError(name=f"resources.{job.size_name}.memory_gb", rule=f"be enough for {job.name}",
                           value=f"{job.size.memory_gb if job.size else 0:g}, at which the kernel ended it",
                           action="Raise it in params.yaml, or give the stage less to hold at once.")
    if state.wrote_too_much:
        return WorkspaceError(name=f"scratch_gb.{job.size_name} in docker/kubernetes/pods.yaml",
                              rule=f"be enough for {job.name}", value=state.said, action="Raise it.")
    if state.without_image:
        return PreflightError(name=f"the image of {job.name}", rule=f"be pulled by node {state.node}", value=state.said,
                              action="Push it; check EVENVOICE_STAGE_IMAGE, and pull secrets of the service account.")
    if state.phase == "Pending":
        return PreflightError(name=f"the pod of {job.name}", rule="start", value=state.said,
                              action="Check EVENVOICE_STAGE_IMAGE, and the secret that docker/kubernetes/pods.yaml "
                                     "names.")
    if state.taken:
        return TransientError(name=f"the pod of {job.name}", rule="run to its end",
                              value=state.said or "no pod any more", action="The stage is tried again.")
    return None
