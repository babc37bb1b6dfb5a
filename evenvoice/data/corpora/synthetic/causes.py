"""Why some are served worse: one cause per world, so that a remedy can be tried on each.

accent  the people of the disadvantaged regions speak another accent, with words of their own, and training hardly
        holds any of them: data would mend it
noise   they are recorded worse, and training holds their due: data does not mend it
voice   a third of the people everywhere have high, short and fast voices that training hardly holds: no map shows it
none    nobody is set apart: whatever is found is chance
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from evenvoice.data.corpora.synthetic import world
from evenvoice.data.corpora.synthetic.world import COMMON, Conditions, Region
from evenvoice.params import Cause


@dataclass(frozen=True, kw_only=True)
class Group:
    """People of one region who sound alike on average, and how many of all people they are."""

    region: int
    """Number in ``world.REGIONS``."""
    left_out: bool
    share: float


def groups(cause: Cause, split: str, disparity: float) -> list[Group]:
    """Everybody, in the order of the regions; shares add up to 1."""
    due = 1 / len(world.REGIONS)
    everyone = [Group(region=number, left_out=left_out, share=due * share)
                for number, region in enumerate(world.REGIONS)
                for left_out, share in _parts(cause, region).items() if share > 0]
    if split == "train" and cause in _SCARCE:
        thinned = [replace(group, share=group.share * (world.SCARCITY ** disparity if group.left_out else 1))
                   for group in everyone]
        total = sum(group.share for group in thinned)
        return [replace(group, share=group.share / total) for group in thinned]
    return everyone


def conditions(cause: Cause, disparity: float, *, left_out: bool) -> Conditions:
    """How people of a group sound: COMMON, or for the left out at disparity 0 as well."""
    return _APART[cause](disparity) if left_out else COMMON


def _parts(cause: Cause, region: Region) -> Mapping[bool, float]:
    """Share of a region's people who are not, and who are, left out."""
    if cause == "none":
        return {False: 1.0}
    left_out = world.VOICE_SHARE if cause == "voice" else float(region.disadvantaged)
    return {False: 1 - left_out, True: left_out}


def _blend(common: float, own: float, disparity: float) -> float:
    return common + disparity * (own - common)


def _accent(disparity: float) -> Conditions:
    return replace(COMMON, scarce_accent=min(1.0, disparity * world.AT_HOME))


def _noise(disparity: float) -> Conditions:
    return replace(
        COMMON,
        snr_db=_blend(COMMON.snr_db, world.NOISY_SNR_DB, disparity),
        rt60_s=_blend(COMMON.rt60_s, world.NOISY_RT60_S, disparity),
        direct_to_reverberant_db=_blend(COMMON.direct_to_reverberant_db, world.NOISY_DIRECT_DB, disparity),
        narrowband_share=min(1.0, _blend(COMMON.narrowband_share, world.NOISY_NARROWBAND, disparity)))


def _voice(disparity: float) -> Conditions:
    return replace(
        COMMON,
        pitch=_blend(COMMON.pitch, world.VOICE_PITCH, disparity),
        vocal_tract=_blend(COMMON.vocal_tract, world.VOICE_VOCAL_TRACT, disparity),
        rate_wpm=_blend(COMMON.rate_wpm, world.VOICE_RATE_WPM, disparity))


_APART: Final[Mapping[Cause, Callable[[float], Conditions]]] = {"accent": _accent, "noise": _noise, "voice": _voice}
_SCARCE: Final = ("accent", "voice")
"""Causes that training hardly holds."""
