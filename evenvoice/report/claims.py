"""The figures that two papers claim, beside this run's: on other data, so neither confirms the other.

EWC for the worst of 126 regions: arXiv 2207.07850. Census groups against clusters of voices: arXiv 2207.11345. The
papers' figures are their own claims [paper].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from evenvoice.metrics.publication import Row
from evenvoice.params import BASE
from evenvoice.report.contents import Contents

REGIONS: Final = "arXiv 2207.07850"
GROUPS: Final = "arXiv 2207.11345"
CLAIMED_ARM: Final = "ewc"
DASH: Final = "–"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One figure: what it is, what the paper says, and what this run found."""

    figure: str
    claimed: str
    source: str
    here: str


def claims(contents: Contents) -> tuple[Claim, ...]:
    """Six rows; a dash where this run has no such figure, or may not show it."""
    arm = CLAIMED_ARM if CLAIMED_ARM in contents.titles else contents.challenger
    of_arm = contents.changes(arm)
    title = contents.titles[arm]
    return (
        Claim(figure=f"WER of the worst cohort, {title}", claimed="-3.2 %", source=REGIONS, here=_change(of_arm[0])),
        Claim(figure=f"WER of everyone, {title}", claimed="-1.3 %", source=REGIONS, here=_change(of_arm[1])),
        Claim(figure=f"variance of WER over cohorts, {title}", claimed="-7.9 %", source=REGIONS,
              here=_change(of_arm[2])),
        Claim(figure="gap, census groups / clusters of voices", claimed="41.7 % / 65.0 %", source=GROUPS,
              here=_of_each(contents, "gap_over_top")),
        Claim(figure="share of the worst cohort, census groups / clusters of voices", claimed="0.8 % / 10.0 %",
              source=GROUPS, here=_of_each(contents, "bottom_share")),
        Claim(figure="gap before and after mitigation", claimed="56 % to 40 %", source=GROUPS,
              here=f"{_gap(contents, BASE)} to {_gap(contents, contents.challenger)}"))


def _change(row: Row | None) -> str:
    if row is None or row["relative"] is None:
        return DASH
    low, estimate, high = (f"{100 * row[name]:+.1f}" for name in ("relative_low", "relative", "relative_high"))
    return f"{estimate} % ({low} to {high} %)"


def _of_each(contents: Contents, figure: str) -> str:
    """The base model's, under every method that found cohorts; declared ones were not found."""
    rows = {method.name: contents.gap(BASE, method.name) for method in contents.methods if not method.columns}
    return ", ".join(f"{_share(row[figure])} {name}" for name, row in rows.items() if row is not None) or DASH


def _gap(contents: Contents, model: str) -> str:
    row = contents.gap(model, contents.mitigated)
    return DASH if row is None else _share(row["gap_over_top"])


def _share(value: float | None) -> str:
    return DASH if value is None else f"{100 * value:.1f} %"
