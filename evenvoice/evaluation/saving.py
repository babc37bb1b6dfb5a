"""What the amortized model saves, and what that costs whom, beside its dense control."""

from __future__ import annotations

from dataclasses import asdict
from typing import Final

import numpy as np

from evenvoice.evaluation.rows import Group, Row, known, relative
from evenvoice.metrics.bootstrap import ratio_of_models
from evenvoice.metrics.speakers import SplitTable
from evenvoice.params import AMORTIZED, DENSE
from evenvoice.saving.shares import Worked, harder_gets_more

HARDER: Final = 97
"""Keeps the permutations of who gets the computation apart from what is drawn for splits."""


def saving_row(table: SplitTable, group: Group, worked: Worked, confidence: float) -> Row:
    """Of SAVING: a group's share of the work, and its change of WER."""
    change = relative(ratio_of_models(group.log_wers[AMORTIZED], group.log_wers[DENSE]),
                       table.errors[AMORTIZED][group.members].sum(), table.errors[DENSE][group.members].sum(),
                       confidence)
    return {"split": table.split, "method": group.method, "cohort": group.cohort,
            "speakers": int(np.count_nonzero(group.members)), "executed_share": worked.share(group.members),
            "relative": known(change.estimate), "relative_low": known(change.low),
            "relative_high": known(change.high)}


def who_gets_more(test: SplitTable, worked: Worked, rng: np.random.Generator) -> Row | None:
    """Whether harder speech gets more computation; None of too few speakers."""
    found = harder_gets_more(worked, test.errors[DENSE], test.words, rng)
    return None if found is None else asdict(found)
