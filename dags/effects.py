"""What happens to the world after the pure graph: the run is recorded, the model registered, and perhaps promoted."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import BaseOperator, chain, task

from dags.mapping import shards_of_source
from dags.operators import RETRIES, EffectOperator, RecordOperator, reported, run_of, runner_of
from dags.pipelines import Pipeline
from dags.plan import make_plan
from dags.remote import has_remote, push
from dags.trigger_form import request_of
from dags.workspace import create, describe
from evenvoice.storage import read_json
from evenvoice.tracking.location import Location
from evenvoice.tracking.relocate import demand_in_place

if TYPE_CHECKING:
    from airflow.sdk import Context

APPROVAL_WAITS = timedelta(days=14)


@task(task_id="snapshot", **RETRIES, doc_md="Copies the checkout into the run's own workspace, with its parameters.")
def snapshot(**context: Any) -> None:
    """Make the run's workspace."""
    run, dag_run = run_of(context), context["dag_run"]
    with reported(run, "snapshot"):
        create(run, request_of(context["params"], dag_run.conf or {}, dag=dag_run.dag_id))


@task(task_id="plan", **RETRIES, doc_md="Checks the runner, restores cached results, asks DVC what has to run.")
def plan(**context: Any) -> list[str]:
    """Decide which stages are stale; returns the shards in which the source is worked on."""
    run = run_of(context)
    with reported(run, "plan"):
        demand_in_place(Location.from_environment())  # before hours of training, not at their end
        describe(run, runner_of(context).prepare(run))
        make_plan(run)
        return shards_of_source(run)


@task(task_id="share", **RETRIES, doc_md="Copies results to the DVC remote that EVENVOICE_REMOTE names, if it does.")
def share(**context: Any) -> None:
    """Keep the run's results beside this machine; nothing waits for it."""
    run = run_of(context)
    if has_remote() and runner_of(context).shares_disk:  # pods have pushed theirs
        with reported(run, "share"):
            push(run)


def after_the_graph(last_stages: list[BaseOperator], pipeline: Pipeline) -> None:
    """Append the effects on a pipeline's product to the stages that nothing reads from.

    `promote` alone knows when the champion may be replaced: on PASS and not worse than today's. What it answers decides
    whether a person is asked.
    """
    product = pipeline.product
    record = RecordOperator(task_id="record", command="record", product=product,
                            doc_md="One MLflow run per DAG run: parameters, metrics, report and lineage.")
    register = EffectOperator(task_id="register", command="register", product=product,
                              doc_md="A model version, unless these inputs have one; alias `challenger`.")
    promote = EffectOperator(task_id="promote", command="promote", product=product,
                             doc_md="Moves the alias `champion`, when the verdict and today's champion allow it.")
    approve = ApprovalOperator(
        task_id="approve", subject="Promote a model that the figures cannot decide about?", body=APPROVAL_BODY,
        fail_on_reject=True, response_timeout=APPROVAL_WAITS,
        doc_md="Waits for a person. A rejection fails the run, so that it cannot look green.")
    promote_approved = EffectOperator(
        task_id="promote_approved", doc_md="Moves the alias `champion` on the word of the person who approved.",
        command="promote", product=product,
        arguments=["--approved-by", APPROVED_BY, "--reason", "approved in Airflow, run {{ run_id }}"])
    decision = decide()
    chain(last_stages, share())
    chain(last_stages, record, register, promote, decision)
    chain(decision, approve, promote_approved)
    chain(decision, leave_at_challenger())


APPROVED_BY = "{{ ti.xcom_pull(task_ids='approve')['responded_by_user']['name'] }}"
APPROVAL_BODY = "Run {{ run_id }}: the verdict, its reasons and every figure are in the report of this run in MLflow."


@task.branch(task_id="decide", doc_md="Undecided: asks a person, if one attends.")
def decide(**context: Any) -> str | None:
    """Choose by what `promote` answered."""
    outcome = read_json(run_of(context).answer("promote"))["outcome"]
    if outcome in ("promoted", "already champion"):
        return None
    waits = outcome == "waiting for a person" and context["params"]["attended"]
    return "approve" if waits else "leave_at_challenger"


@task(task_id="leave_at_challenger", doc_md="The model stays a challenger; the log says why.")
def leave_at_challenger(**context: Any) -> None:
    """Say why nothing was promoted."""
    run = run_of(context)
    with reported(run, "leave_at_challenger"):
        print("The model stays at challenger:", read_json(run.answer("promote"))["reason"])


def mark_finished(context: Context) -> None:
    """Callback of the whole DAG run: its workspace may be pruned when newer runs have finished."""
    dag_run = context["dag_run"]
    run_of({"run_id": dag_run.run_id}).finish(str(dag_run.state))
