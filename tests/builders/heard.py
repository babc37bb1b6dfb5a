"""What recognisers wrote of speakers in groups, as rows of a table: they leave words out, at rates that are planted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

Rates = Mapping[str, float | Mapping[str, float]]
"""Group -> share of words that are left out, or that share by recogniser."""


def heard(rates: Rates, *, speakers: int = 40, systems: Sequence[str] = ("pred_text",), words: int = 80,
          unit: str = "word", seed: int = 1) -> list[dict[str, str]]:
    """One recording of each speaker, in columns as NeMo names them.

    Args:
        speakers: of each group, which is their gender.
        systems: columns of what recognisers wrote.
        unit: character for a script without spaces.
    """
    rng = np.random.default_rng(seed)
    said = [f"w{number}" for number in range(words)] if unit == "word" else [chr(0x4E00 + n) for n in range(words)]
    between = " " if unit == "word" else ""
    rows = []
    for group, rate in rates.items():
        for number in range(speakers):
            own = {system: rate if isinstance(rate, float) else rate[system] for system in systems}
            rows.append({"id": f"{group}{number}", "speaker": f"{group}-{number}", "gender": group,
                         "text": between.join(said),
                         **{system: between.join(word for word in said if rng.random() > left_out)
                            for system, left_out in own.items()}})
    return rows


def table(rates: Rates, **settings: object) -> pa.Table:
    """:func:`heard` as an Arrow table."""
    return pa.Table.from_pylist(heard(rates, **settings))  # type: ignore[arg-type]


def voices(speakers: Sequence[str], *, width: int = 8, seed: int = 2) -> pa.Table:
    """Two embeddings of each speaker, near one of two places by the first letter of the name."""
    rng = np.random.default_rng(seed)
    return pa.table({
        "speaker": [speaker for speaker in speakers for _ in range(2)],
        "embedding": [(np.eye(width)[int(speaker.startswith("f"))] + 0.1 * rng.normal(size=width)).tolist()
                      for speaker in speakers for _ in range(2)]})
