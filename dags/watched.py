"""What a run watches of an earlier one, read before anything starts: what watched.json holds."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from dags.inputs import WATCHED
from evenvoice.errors import ParamsError

METHOD: Final = "watched"


def read(params: Mapping[str, Any]) -> dict[str, Any]:
    """The rules and the description of the cohorts that ``params`` watch; nothing where they watch none.

    Args:
        params: with absolute paths.

    Raises:
        ParamsError: the parameter names no folder of this machine that holds both, or the arms aim at watched cohorts
            and none are watched.
        ArtifactError, CohortError: as evenvoice.cohorts.watched says of what the folder holds.
    """
    folder = params["discover"]["watched"]["rules"]
    if not folder:
        _demand_other_aim(params["mitigate"]["cohorts"])
        return {}
    earlier: Any = import_module("evenvoice.cohorts.watched")  # by name: DAG files parse where pyarrow is not installed
    if missing := [name for name in earlier.PARTS.values() if not (Path(folder) / name).is_file()]:
        raise ParamsError(name=WATCHED, rule=f"name a folder on this machine that holds {missing[0]}", value=folder,
                          action="Name the folder of one method below reports/cohorts, where `make run` leaves them, "
                                "or leave it empty.")
    found: dict[str, Any] = earlier.read_folder(Path(folder), params["ingest"]["coordinate_decimals"])
    return found


def _demand_other_aim(cohorts: str) -> None:
    if cohorts == METHOD:
        raise ParamsError(name="mitigate.cohorts", rule=f"name a method that finds cohorts, while {WATCHED} is empty",
                          value=cohorts, action=f"Name the cohorts of an earlier run in {WATCHED}, or another method.")
