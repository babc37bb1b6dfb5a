"""Mixtures as the mix stage leaves them, whether they were made or recorded: a table of each split, and a summary."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from evenvoice.data.features import LogMel
from evenvoice.data.schemas import MIXTURES
from evenvoice.data.tables import rows_table, write_ipc_shards
from evenvoice.multitalker.turns import Turn, channels_of
from evenvoice.origins import write_contents
from evenvoice.progress import Progress
from evenvoice.storage import write_json

SPLITS: Final = ("train", "validate", "test")
"""Those that have mixtures: nothing is discovered in them."""
Row = dict[str, Any]


def mixture_row(name: str, split: str, samples_T: NDArray[np.float32], turns: Sequence[Turn], log_mel: LogMel) -> Row:
    """One row of the MIXTURES table; ``log_mel`` says at which rate the samples are.

    Raises:
        CorpusError: three turns at once.
    """
    channels_of(turns, name)
    features_FM = log_mel(samples_T)
    return {"mixture": name, "split": split, "duration_s": len(samples_T) / log_mel.sample_rate,
            "frames": len(features_FM), "turns": [_turn(turn) for turn in turns],
            "features": features_FM.astype(np.float16).tobytes()}


def write_split(draft: Path, split: str, rows: Iterable[Row], shard_mb: int, progress: Progress) -> dict[str, Any]:
    """Write the mixtures of a split into ``draft`` one by one, and return what they hold."""
    held = _Held()
    batches = _batches(held.counted(rows), progress)
    write_ipc_shards(draft, f"mixtures-{split}", MIXTURES, batches, shard_mb, "features")
    return held.to_json()


def finish(draft: Path, splits: dict[str, Any], **facts: object) -> None:
    """Write what stands beside the mixtures, once all else is written.

    Args:
        splits: what :func:`write_split` returned for each split.
        facts: further entries of the summary.
    """
    write_json(draft / "summary.json", {"splits": splits, **facts})
    write_contents(draft)


def _turn(turn: Turn) -> Row:
    return {"speaker": turn.speaker, "start_s": turn.start_s, "end_s": turn.end_s, "text": turn.text,
            "pauses": [{"start_s": start_s, "end_s": end_s} for start_s, end_s in turn.pauses]}


def _batches(rows: Iterable[Row], progress: Progress) -> Iterator[pa.RecordBatch]:
    for row in rows:
        yield from rows_table([row], MIXTURES).to_batches()
        progress.advance()


@dataclass
class _Held:
    """What the mixtures of a split hold."""

    mixtures: int = 0
    turns: int = 0
    speakers: set[str] = field(default_factory=set)
    seconds: float = 0.0
    spoken_s: float = 0.0
    together_s: float = 0.0

    def counted(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Pass rows on."""
        for row in rows:
            self.mixtures += 1
            self.turns += len(row["turns"])
            self.speakers |= {turn["speaker"] for turn in row["turns"]}
            self.seconds += row["duration_s"]
            one_s, two_s = _spoken([(turn["start_s"], turn["end_s"]) for turn in row["turns"]])
            self.spoken_s += one_s
            self.together_s += two_s
            yield row

    def to_json(self) -> dict[str, Any]:
        """As plain values; the overlap is a share of the time in which somebody speaks."""
        return {"mixtures": self.mixtures, "turns": self.turns, "speakers": len(self.speakers),
                "hours": self.seconds / 3600,
                "overlap_share": self.together_s / self.spoken_s if self.spoken_s else 0.0}


def _spoken(spans: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Seconds in which somebody speaks, and in which two do."""
    changes = sorted((time_s, step) for span in spans for time_s, step in zip(span, (1, -1), strict=True))
    spoken_s = together_s = 0.0
    talkers = 0
    for (time_s, step), (next_s, _) in itertools.pairwise(changes):
        talkers += step
        spoken_s += (next_s - time_s) * (talkers > 0)
        together_s += (next_s - time_s) * (talkers > 1)
    return spoken_s, together_s
