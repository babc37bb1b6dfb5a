"""The Airflow DAG `rollback`: the previous champion returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import DAG, Param

from dags.operators import RegistryOperator
from dags.pipelines import PIPELINES, RECOGNISER
from dags.runs import Run
from dags.trigger_form import CONF
from evenvoice.params import refuse_unknown

if TYPE_CHECKING:
    from airflow.sdk import Context

DOC = """
Moves the alias *champion* back to the version that held it before, and writes who did it and why to the audit record.

Give the version that you expect to be champion now, and nothing happens when somebody else was faster.
"""
PARAMS = {
    "product": Param(RECOGNISER.product, "Which product's champion.", type="string",
                     enum=[pipeline.product for pipeline in PIPELINES.values()]),
    "by": Param(None, "Who decides; it stands in the audit record.", type="string", minLength=1, maxLength=100),
    "reason": Param(None, "Why; it stands in the audit record.", type="string", minLength=3, maxLength=1000),
    "expected_champion": Param("", "Version that is champion now; empty skips the comparison.", type="string",
                               pattern="^[0-9]*$"),
}


class RollbackOperator(RegistryOperator):
    """Airflow hands on names that the form does not have: a misspelt expected_champion would compare nothing."""

    def before(self, run: Run, context: Context) -> None:
        """Refuse them while nothing has happened."""
        refuse_unknown(context["dag_run"].conf or {}, known=tuple(PARAMS), source=CONF)


with DAG("rollback", doc_md=DOC, description="The previous champion returns", schedule=None, catchup=False,
         max_active_runs=1, tags=["evenvoice"], params=PARAMS):
    RollbackOperator(task_id="rollback", command="rollback", product="{{ params.product }}", arguments=[
        "--by", "{{ params.by }}", "--reason", "{{ params.reason }}",
        "{{ '--expected-champion=' ~ params.expected_champion if params.expected_champion else '' }}"])
