"""What models heard in mixtures, read from the table of turns and held against the mixtures themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from evenvoice.data.schemas import HEARD_TURNS
from evenvoice.data.tables import read_table
from evenvoice.errors import ArtifactError
from evenvoice.multitalker.evidence import CHALLENGER
from evenvoice.multitalker.store import MixtureStore
from evenvoice.multitalker.turns import CHANNELS, HeardTurn, Turn
from evenvoice.params import BASE

MODELS: Final = (CHALLENGER, BASE)
"""The base recogniser, which hears one talker, is the control."""
SPLITS: Final = ("validate", "test")
"""Those that are listened to."""
TURNS_FILE: Final = "turns.parquet"
HeardBy = Mapping[str, Mapping[str, Sequence[HeardTurn]]]
"""Model -> mixture -> what it heard there, the turns of a channel in the order in which they were written."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What was said in one mixture.

    Attributes:
        place: of the mixture in its store.
        turns: by start.
    """

    name: str
    place: int
    split: str
    duration_s: float
    turns: tuple[Turn, ...]

    @property
    def speakers(self) -> tuple[str, ...]:
        """In the order in which they begin to speak."""
        return tuple(dict.fromkeys(turn.speaker for turn in self.turns))


def said_in(store: MixtureStore, split: str) -> list[Said]:
    """The mixtures of a split, in order.

    Raises:
        ArtifactError: nobody speaks in any of them.
    """
    found = [Said(name=str(store.ids[place]), place=place, split=split, duration_s=float(store.durations_s[place]),
                  turns=store.turns[place]) for place in store.indices(split).tolist()]
    if not any(one.turns for one in found):
        raise ArtifactError(name=f"mixtures of the {split} split", rule="hold turns", value="none",
                            action="Mix recordings for it (the section mix), and run the stages from mix on again.")
    return found


def read_heard(path: Path, mixtures: Sequence[Said]) -> HeardBy:
    """Read what every one of :data:`MODELS` heard in these mixtures.

    Args:
        path: a HEARD_TURNS table.
        mixtures: all that the models listened to; one of which the table holds no turn was silent to them.

    Raises:
        ArtifactError: the table is missing or broken, speaks of other models or mixtures, or a channel is none.
    """
    splits = {one.name: one.split for one in mixtures}
    found: dict[str, dict[str, list[HeardTurn]]] = {model: {name: [] for name in splits} for model in MODELS}
    for row in read_table(path, HEARD_TURNS).to_pylist():
        where = f"{path}, turn of {row['model']!r} in {row['mixture']!r}"
        if row["model"] not in found:
            raise _wrong(where, f"be of {' or '.join(MODELS)}", row["model"])
        if splits.get(row["mixture"]) != row["split"]:
            raise _wrong(where, f"be in a mixture of {' or '.join(SPLITS)}", f"none of that name in {row['split']}")
        if not 0 <= row["channel"] < CHANNELS:
            raise _wrong(where, f"be on a channel below {CHANNELS}", row["channel"])
        found[row["model"]][row["mixture"]].append(HeardTurn(channel=row["channel"], start_s=row["start_s"],
                                                             end_s=row["end_s"], text=row["text"]))
    return found


def _wrong(name: str, rule: str, value: object) -> ArtifactError:
    return ArtifactError(name=name, rule=rule, value=value, action="Run the stage that writes it (`dvc dag` shows "
                                                                   "which).")
