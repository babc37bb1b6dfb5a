"""Whether an amortized model may go before the gate: it saves time, and nobody pays for it.

Judged on validate speakers, against the dense control that was trained as long: the whole by its estimate, and each
cohort by whether it is established to be worse, since of a few speakers an estimate alone says little. Whether the
saving really does no harm is decided by the gate, on test speakers, with bounds on the other side.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from evenvoice.metrics.selection import Saver
from evenvoice.params import AMORTIZED
from evenvoice.saving.timed import WAYS, Row

SPLIT: Final = "validate"


def saver(rows: Iterable[Row], timing: Mapping[str, Row], margin: float) -> Saver:
    """What the choice of the challenger has to know of the amortized model.

    Args:
        rows: of the SAVING table.
        timing: as :func:`~evenvoice.saving.timed.read_timing` returns it.
        margin: relative rise of WER against the dense control that is tolerated.
    """
    heard = [row for row in rows if row["split"] == SPLIT]
    return Saver(model=AMORTIZED, refusal=_slow(timing) or _harm(heard, margin), saves=_saves(heard, timing))


def _slow(timing: Mapping[str, Row]) -> str:
    return next((f"it is not shown to save time in {said}: it takes {timing[way]['ratio']:.2f} of the time of its "
                 f"dense control, and may take up to {timing[way]['ratio_high']:.2f}"
                 for way, said in WAYS.items() if timing[way]["ratio_high"] >= 1), "")


def _harm(rows: Iterable[Row], margin: float) -> str:
    """Whom the saving costs more than is tolerated; empty for nobody."""
    for row in rows:
        everyone = row["method"] == row["cohort"]
        worse = row["relative"] if everyone else row["relative_low"]
        if worse is not None and worse > margin:
            of = "the whole" if everyone else f"{row['cohort']} of the {row['method']} method"
            bound = "" if everyone else f" (at least {worse:+.1%})"
            return (f"WER of {of} is {row['relative']:+.1%} against its dense control{bound}, on {SPLIT} speakers, and "
                    f"{margin:+.1%} is tolerated")
    return ""


def _saves(rows: Iterable[Row], timing: Mapping[str, Row]) -> str:
    everyone = next(row for row in rows if row["method"] == row["cohort"])
    share, change = everyone["executed_share"], everyone["relative"]
    work = "" if share is None else f"it does {share:.0%} of the encoder's work"
    cost = "" if change is None else f", with {change:+.1%} WER of the whole on {SPLIT} speakers"
    times = " and ".join(f"{timing[way]['ratio']:.0%} in {said}" for way, said in WAYS.items())
    return f"{work}, takes {times} of the time of its dense control{cost}"
