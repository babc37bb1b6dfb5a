"""Columns of strings of which few are distinct, as numbers: a million are compared at once, and each string kept once.

Shapes: S rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Strings = NDArray[np.object_]
NOTHING: Final = -1
"""Code of a row without a string."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Coded:
    """A column of strings as numbers.

    Attributes:
        numbers: of each distinct string, counted as they come first.
        codes: (S,) number of each row's string, :data:`NOTHING` where it is None.
    """

    numbers: Mapping[str, int]
    codes: NDArray[np.int32]

    @classmethod
    def of(cls, strings: Strings) -> Coded:
        """The codes of an array of strings and None (S,)."""
        listed = strings.tolist()
        numbers = {string: number for number, string in enumerate(
            string for string in dict.fromkeys(listed) if string is not None)}
        code_of: dict[str | None, int] = {**numbers, None: NOTHING}
        # a map of a method of a dictionary does not run Python's own code for each row
        codes = np.fromiter(map(code_of.__getitem__, listed), dtype=np.int32, count=len(listed))
        return cls(numbers=numbers, codes=codes)

    def holding(self, string: str) -> NDArray[np.bool_]:
        """(S,) whether a row holds the string."""
        if string not in self.numbers:
            return np.zeros(len(self.codes), dtype=bool)
        return np.asarray(self.codes == self.numbers[string], dtype=bool)


def strings_of(column: pa.ChunkedArray) -> Strings:
    """A column of strings as an array (S,), null as None; those that are equal are one object."""
    encoded = column.combine_chunks().dictionary_encode()
    values = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)
    strings: Strings = values[encoded.indices.fill_null(len(values) - 1).to_numpy()]
    return strings


def picked(values: Sequence[str], places: NDArray[np.integer]) -> pa.Array:
    """A column with the string at each of ``places`` (S,), null where a place is :data:`NOTHING`."""
    return pa.array(values, pa.string()).take(pa.array(places, mask=places == NOTHING))
