"""Airflow reads the files that define a DAG and no other: whatever it parses, it imports again and again."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from airflow.utils.file import list_py_file_paths

DAGS = Path(__file__).resolve().parents[2] / "dags"


def defines_a_dag(path: Path) -> bool:
    """A block ``with DAG(...):`` at the top of the file."""
    blocks = [item.context_expr for node in ast.parse(path.read_text(encoding="utf-8")).body
              if isinstance(node, ast.With) for item in node.items]
    return any(isinstance(block, ast.Call) and ast.unparse(block.func) == "DAG" for block in blocks)


@pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")  # the way Airflow reads the file
@pytest.mark.parametrize("safe_mode", [True, False])
def test_airflow_finds_the_files_that_define_a_dag_and_no_other(safe_mode: bool) -> None:
    """``safe_mode`` looks for the words dag and airflow in a file before it is parsed, which finds many others."""
    found = {Path(path).relative_to(DAGS).as_posix() for path in list_py_file_paths(str(DAGS), safe_mode=safe_mode)}

    assert found == {path.relative_to(DAGS).as_posix() for path in DAGS.rglob("*.py") if defines_a_dag(path)}
    assert {"train_asr.py", "rollback.py"} <= found
