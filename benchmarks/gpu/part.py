"""One part in a process of its own: `python -m benchmarks.gpu.part SCALE PART FINDINGS ITEM...`.

FINDINGS gets a line when an item begins and one when it ends, so that what was found outlives the process.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.gpu import loss, streams, training
from benchmarks.gpu.device import unless_out_of_memory
from benchmarks.gpu.scale import SCALES, Scale
from benchmarks.gpu.together import processes, together

MEASURES: Final[dict[str, Callable[[str, Scale], dict[str, Any]]]] = {
    "correctness": loss.correctness, "loss": loss.speed, "launches": loss.launches, "learning": training.learning,
    "together": together, "streams": streams.batched, "training": training.speed, "automatic": training.automatic}
"""In this order: what comes last is left out where time runs short."""


def items(part: str, scale: Scale) -> tuple[str, ...]:
    """What a part measures one after the other."""
    return {"correctness": scale.exact, "loss": scale.loss, "launches": scale.loss[:2], "learning": (scale.learner,),
            "together": (processes(),), "streams": scale.models, "training": scale.models,
            "automatic": scale.automatic}[part]


def main() -> None:
    """Measure the items; one that fails is told, and ends no other."""
    scale, part, findings, *wanted = sys.argv[1:]
    for item in wanted:
        _tell(Path(findings), item=item)
        row = _row(part, item, SCALES[scale])
        _tell(Path(findings), item=item, row=row)
        print(f"{part}  {item}  {_short(row)}", flush=True)


def _row(part: str, item: str, scale: Scale) -> dict[str, Any]:
    try:
        return unless_out_of_memory(lambda: MEASURES[part](item, scale))
    except Exception as error:  # whatever it was, the next item is measured
        traceback.print_exc()
        return {"failed": f"{type(error).__name__}: {error}"[:500]}


def _tell(findings: Path, **content: Any) -> None:
    with findings.open("a", encoding="utf-8") as file:
        file.write(json.dumps(content) + "\n")


def _short(found: Any) -> str:
    if isinstance(found, dict):
        return "  ".join(f"{name}: {_short(value)}" if isinstance(value, dict) else f"{name} {_short(value)}"
                         for name, value in found.items() if not isinstance(value, list))
    return f"{found:.4g}" if isinstance(found, float) else str(found)


if __name__ == "__main__":
    main()
