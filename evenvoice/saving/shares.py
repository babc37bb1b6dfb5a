"""Who gets the computation: the share of its work that an encoder with gates does on the speech of each speaker.

Shapes: S speakers of one split, P permutations.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.stats import rankdata

from evenvoice.data.schemas import WORK
from evenvoice.data.tables import read_table
from evenvoice.errors import ArtifactError
from evenvoice.metrics.bootstrap import Floats, Mask
from evenvoice.metrics.speakers import SplitTable

PERMUTATIONS: Final = 2000
FEWEST: Final = 10
"""Speakers of whom a correlation says anything."""


@dataclass(frozen=True, eq=False)
class Worked:
    """Multiply-accumulates on each speaker's recordings, both (S,): those done, and those without gates."""

    executed: Floats
    dense: Floats

    @property
    def shares(self) -> Floats:
        """(S,) executed of dense; NaN without speech."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.executed / self.dense

    def share(self, members_S: Mask) -> float | None:
        """Of all recordings of some speakers together; None without speech."""
        dense = self.dense[members_S].sum()
        return float(self.executed[members_S].sum() / dense) if dense else None


@dataclass(frozen=True, kw_only=True)
class HarderGetsMore:
    """The claim that speech on which the model without gates errs more is given more computation.

    Attributes:
        correlation: Spearman's, over speakers, of WER and executed share.
        p: of a correlation as large by chance; one-sided, by permuting shares among speakers.
    """

    correlation: float
    p: float
    speakers: int


def read_worked(path: Path, table: SplitTable) -> Worked:
    """Sum work.parquet over the speakers of a split, in the order of ``table``.

    Raises:
        ArtifactError: missing, unreadable, or about other speakers.
    """
    rows = read_table(path, WORK)
    sums = rows.filter(pc.equal(rows["split"], table.split)).group_by("speaker").aggregate(
        [("executed", "sum"), ("dense", "sum")]).sort_by("speaker")
    if sums["speaker"].to_pylist() != list(table.speakers):
        raise ArtifactError(name=str(path), rule=f"be about the speakers of {table.split} who were transcribed",
                            value="others", action="Run the transcribe stage again.")
    return Worked(sums["executed_sum"].to_numpy(), sums["dense_sum"].to_numpy())


def harder_gets_more(worked: Worked, errors_S: NDArray[np.int64], words_S: NDArray[np.int64],
                     rng: np.random.Generator) -> HarderGetsMore | None:
    """Test the claim with the errors of the model without gates; None with too few speakers to tell.

    Speakers whose shares or WERs are all alike have no correlation, so no evidence: 0 with a p of 1.
    """
    told_S = (words_S > 0) & (worked.dense > 0)
    speakers = int(np.count_nonzero(told_S))
    if speakers < FEWEST:
        return None
    share_S = _standardised(rankdata(worked.shares[told_S]))
    wer_S = _standardised(rankdata(errors_S[told_S] / words_S[told_S]))
    if not share_S.any() or not wer_S.any():
        return HarderGetsMore(correlation=0.0, p=1.0, speakers=speakers)
    correlation = float(share_S @ wer_S / speakers)
    chance_P = np.array([rng.permutation(share_S) @ wer_S / speakers for _ in range(PERMUTATIONS)])
    # rounding must not keep an equal order from counting as one
    as_large = int(np.count_nonzero(chance_P >= correlation - 1e-12))
    return HarderGetsMore(correlation=correlation, p=(1 + as_large) / (1 + PERMUTATIONS), speakers=speakers)


def _standardised(ranks_S: Floats) -> Floats:
    centred_S: Floats = ranks_S - ranks_S.mean()
    spread = centred_S.std()
    return centred_S / spread if spread else centred_S
