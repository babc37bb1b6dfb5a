"""What the tables beside the utterances need to know of them: counts, and the attributes of each speaker.

Those of neighbouring parts of a corpus add up to those of the whole, which come out the same however it was parted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from evenvoice.data.arrivals import bounding_box
from evenvoice.data.schemas import FURTHER, SPEAKERS, SPLITS
from evenvoice.data.tables import read_table, rows_table, write_table
from evenvoice.storage import read_json, write_json

COUNTS: Final = "counts.json"
ATTRIBUTES: Final = "speakers.parquet"
Pairs = list[tuple[str, str]]


@dataclass
class Totals:
    """Counts over rows of UTTERANCES, taken in their order."""

    attributes: dict[tuple[str, str], dict[str, object]] = field(default_factory=dict)
    """Of each speaker in each split: rows of SPEAKERS."""
    recordings: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    scaled: int = 0
    """Recordings that went beyond full scale."""

    def add(self, row: Mapping[str, object], *, seconds: float, scaled: bool,
            further: tuple[tuple[str, str], ...]) -> None:
        """Count one row of UTTERANCES.

        Args:
            further: what the columns of ``ingest.columns`` say of the speaker; no table of utterances has it.
        """
        split = str(row["split"])
        self.recordings[split] += 1
        self.seconds[split] += seconds
        self.scaled += scaled
        self._tell({**row, FURTHER: list(further)})

    def include(self, later: Totals) -> None:
        """Add what was counted over the rows that follow."""
        self.recordings.update(later.recordings)
        for split, seconds in later.seconds.items():
            self.seconds[split] += seconds
        self.scaled += later.scaled
        for row in later.attributes.values():
            self._tell(row)

    def write(self, directory: Path) -> None:
        """Keep them in a folder, with every bit of every number."""
        write_json(directory / COUNTS, {"recordings": self.recordings, "seconds": self.seconds, "scaled": self.scaled})
        write_table(directory / ATTRIBUTES, rows_table(list(self.attributes.values()), SPEAKERS))

    @classmethod
    def read(cls, directory: Path) -> Totals:
        """What :meth:`write` kept."""
        counts = read_json(directory / COUNTS)
        rows = read_table(directory / ATTRIBUTES, SPEAKERS).to_pylist()
        return cls({(row["speaker"], row["split"]): row for row in rows}, Counter(counts["recordings"]),
                   defaultdict(float, counts["seconds"]), counts["scaled"])

    def speaker_rows(self) -> list[dict[str, object]]:
        """Rows of the SPEAKERS table."""
        return [self.attributes[key] for key in sorted(self.attributes)]

    def postal_codes(self) -> list[str | None]:
        """Of each speaker, who may be in several splits."""
        codes: dict[str, str | None] = {}
        for (speaker, _), attributes in self.attributes.items():
            codes[speaker] = codes.get(speaker) or cast("str | None", attributes["postal_code"])
        return list(codes.values())

    def summary(self) -> dict[str, object]:
        """Counts, of the whole and by split."""
        speakers = Counter(split for _, split in self.attributes)
        return {
            "recordings": self.recordings.total(),
            "scaled_recordings": self.scaled,
            "hours": _hours(sum(self.seconds.values())),
            "splits": {split: {"speakers": speakers[split], "recordings": self.recordings[split],
                               "hours": _hours(self.seconds[split])} for split in SPLITS},
            "speakers_overlap": len({speaker for speaker, _ in self.attributes}) < len(self.attributes),
            "coordinates": bounding_box(self.attributes.values()),
        }

    def _tell(self, row: Mapping[str, object]) -> None:
        """The first value of each attribute that is not null stands for the speaker."""
        speaker = self.attributes.setdefault((str(row["speaker"]), str(row["split"])), {})
        for name in SPEAKERS.names:
            if name != FURTHER and speaker.get(name) is None:
                speaker[name] = row[name]
        known = cast("Pairs", speaker.get(FURTHER, []))
        speaker[FURTHER] = list({**dict(cast("Pairs", row[FURTHER])), **dict(known)}.items())


def _hours(seconds: float) -> float:
    return round(seconds / 3600, 4)
