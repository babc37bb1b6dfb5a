"""What stands in for every stage of a sweep: it writes the hash of what it reads. Standard library and YAML only.

Copied into the stages of a checkout (tests/builders/sweep.py), where dvc.yaml's own commands run it.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

WORKING = "the stand-in works"
FAILS = 666
"""A value of evaluate.null_partitions at which evaluate fails."""
FILLS = 667
"""A value of it at which evaluate writes :data:`FILLS_BYTES`, and waits for what comes of that."""
FILLS_BYTES = 1_500_000_000
WAITS = 0.123
"""A value of train.learning_rate at which train waits, once, until somebody kills it."""


def values_of(params: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Dotted name -> value, or the whole section."""
    found = {}
    for name in names:
        value: Any = params
        for part in name.split("."):
            value = value[part]
        found[name] = value
    return found


def digest(name: str, values: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """What a stage of this name writes when it reads this."""
    return hashlib.sha256(json.dumps([name, values, inputs], sort_keys=True).encode()).hexdigest()


def read(path: Path) -> str:
    """What a stage wrote."""
    return (path if path.is_file() else path / "result").read_text(encoding="utf-8")


def work(stage: str) -> None:
    """Be the stage."""
    name = "@".join([stage, *[argument for argument in sys.argv[1:] if not argument.startswith("-")]])
    own = json.loads((Path("stages") / "stand_in.json").read_text(encoding="utf-8"))[name]
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    print(WORKING, flush=True)
    if name == "evaluate" and params["evaluate"]["null_partitions"] == FAILS:
        sys.exit(3)
    if name == "evaluate" and params["evaluate"]["null_partitions"] == FILLS:
        _fill()
    if name == "train" and params["train"]["learning_rate"] == WAITS:
        _wait_once()
    content = digest(name, values_of(params, own["params"]), {dep: read(Path(dep)) for dep in own["deps"]})
    for out in map(Path, own["outs"]):
        out.parent.mkdir(parents=True, exist_ok=True)
        if not out.suffix:
            out.mkdir()
        (out if out.suffix else out / "result").write_text(content, encoding="utf-8")
    _report()


def _fill() -> None:
    with Path("filled").open("wb") as file:
        for _ in range(FILLS_BYTES // 10**6):
            file.write(bytes(10**6))
    time.sleep(600)


def _wait_once() -> None:
    mark = Path(os.environ["STAND_IN_WAITS"])
    if not mark.exists():
        mark.write_text(str(os.getpid()), encoding="utf-8")
        time.sleep(600)


def _report() -> None:
    """As real stages do, see stages/entry.py."""
    from evenvoice.made_with import report_used

    report_used()
