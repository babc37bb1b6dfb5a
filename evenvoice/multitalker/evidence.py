"""What the gate of several talkers is given, as the stages before it wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from evenvoice.data.schemas import MIXTURE_ERRORS, SPOKEN_TURNS
from evenvoice.data.tables import read_table
from evenvoice.errors import GateError
from evenvoice.multitalker.served import Row, Served, summed
from evenvoice.origins import ORIGINS
from evenvoice.params import BASE
from evenvoice.storage import read_json
from evenvoice.verification.groups import LABELLED, Grouping, Labels

CHALLENGER: Final = "multitalker"
SPLIT: Final = "test"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the gate judges.

    Attributes:
        served: test speakers, as the challenger heard them.
        labels: who is in which group.
        labelled: what the speech is called.
        speakers_overlap: test speakers were also trained on.
        origins: what the figures come from.
    """

    served: Served
    groupings: tuple[Grouping, ...]
    labels: Labels
    labelled: str
    speakers_overlap: bool
    origins: dict[str, Any]
    challenger: str = CHALLENGER
    base: str = BASE

    @property
    def comparable(self) -> tuple[Grouping, ...]:
        """Those with two groups or more."""
        return tuple(one for one in self.groupings if one.comparable)


def read_evidence(*, evaluation: Path, mixtures: Path) -> Evidence:
    """Read what the stages evaluate_multitalker and mix wrote.

    Raises:
        ArtifactError: a file is missing or broken.
        GateError: a file lacks what the gate has to know, or the tables contradict each other.
    """
    summary = mixtures / "summary.json"
    said = read_json(summary)
    spoken = read_table(evaluation / "spoken.parquet", SPOKEN_TURNS).to_pylist()
    errors = read_table(evaluation / "mixtures.parquet", MIXTURE_ERRORS).to_pylist()
    return Evidence(
        served=summed(_judged(spoken), _judged(errors)),
        groupings=tuple(Grouping.read(one, f"groups by {name}")
                        for name, one in read_json(evaluation / "groupings.json").items()),
        labels=Labels.read(evaluation / LABELLED), labelled=str(_needed(said, "labelled", summary)),
        speakers_overlap=bool(_needed(said, "speakers_overlap", summary)), origins=read_json(evaluation / ORIGINS))


def _judged(rows: list[Row]) -> list[Row]:
    return [row for row in rows if (row["model"], row["split"]) == (CHALLENGER, SPLIT)]


def _needed(content: Any, name: str, path: Path) -> Any:
    if not isinstance(content, dict) or name not in content:
        raise GateError(name=str(path), rule=f"say {name}", value="nothing", action="Run the stage that writes it.")
    return content[name]
