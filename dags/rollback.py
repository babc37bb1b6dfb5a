"""The Airflow DAG `rollback`: the previous champion returns."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from dags.operators import RegistryOperator

DOC = """
Moves the alias *champion* back to the version that held it before, and writes who did it and why to the audit record.

Give the version that you expect to be champion now, and nothing happens when somebody else was faster.
"""
PARAMS = {
    "by": Param(None, "Who decides; it stands in the audit record.", type="string", minLength=1, maxLength=100),
    "reason": Param(None, "Why; it stands in the audit record.", type="string", minLength=3, maxLength=1000),
    "expected_champion": Param("", "Version that is champion now; empty skips the comparison.", type="string",
                               pattern="^[0-9]*$"),
}

with DAG("rollback", doc_md=DOC, description="The previous champion returns", schedule=None, catchup=False,
         max_active_runs=1, tags=["evenvoice"], params=PARAMS):
    RegistryOperator(task_id="rollback", command="rollback", arguments=[
        "--by", "{{ params.by }}", "--reason", "{{ params.reason }}",
        "{{ '--expected-champion=' ~ params.expected_champion if params.expected_champion else '' }}"])
