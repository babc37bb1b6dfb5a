"""What a corpus declares of its speakers, column by column: one value for each, or the recording is refused.

Memory grows with speakers, not with recordings.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from evenvoice.data.checks import rejected
from evenvoice.data.corpora.attributes import VALUES_VERSION, in_table
from evenvoice.data.corpora.recording import Recording
from evenvoice.errors import CorpusError
from evenvoice.params import OWN_COLUMNS

CHANGES: Final = "age_band"
"""People grow older between recordings, so the first value counts and no other is refused."""


@dataclass
class Declared:
    """The first value of each column of each speaker.

    Attributes:
        further: columns that ``ingest.columns`` names.
    """

    further: tuple[str, ...]
    _values: defaultdict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    """Column -> speaker -> value."""

    def one_value(self, recording: Recording) -> Recording:
        """Pass a recording on whose speaker has no other value of any column.

        Raises:
            RecordingRejected: it says something else of its speaker than an earlier one.
        """
        for column, value in _columns(recording):
            first = self._values[column].setdefault(recording.speaker, value)
            if first != value and column != CHANGES:
                raise rejected(recording, f"give its speaker one value of {column}", f"{value!r}, and {first!r} before",
                               "Correct one of the two, or leave the column empty where it is not known.")
        return recording

    def check(self) -> None:
        """Refuse further columns that make no groups.

        Raises:
            CorpusError: nobody has a value, or everybody another one.
        """
        for column in self.further:
            values = self._values[column]
            if not values:
                raise CorpusError(name=f"ingest.columns: {column}", rule="be a column with a value for somebody",
                                  value="none for any speaker", action="Correct the name, or leave it out.")
            if 1 < len(values) == len(set(values.values())):
                raise CorpusError(name=f"ingest.columns: {column}", rule="have fewer values than speakers",
                                  value=f"{len(values)} values of {len(values)} speakers",
                                  action="Leave it out: it names people rather than groups.")

    def summary(self) -> dict[str, object]:
        """What summary.json says of it: values that the table does not know, and how many speakers have them."""
        unknown = {column: Counter(value for value in of.values() if not in_table(column, value))
                   for column, of in sorted(self._values.items())}
        return {"values_version": VALUES_VERSION, "columns": [*OWN_COLUMNS, *self.further],
                "kept_as_written": {column: dict(sorted(counts.items()))
                                    for column, counts in unknown.items() if counts}}


def _columns(recording: Recording) -> Iterator[tuple[str, str]]:
    for column in OWN_COLUMNS:
        value: str | None = getattr(recording, column)
        if value is not None:
            yield column, value
    yield from recording.further
