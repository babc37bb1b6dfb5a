"""Forecasts of whose speech is wanted, as the wanted stage writes them."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from evenvoice.origins import Origin
from evenvoice.storage import write_json
from evenvoice.wanted.wording import Forecast, Trained, in_words

POINTS = tuple(Trained(speakers=speakers, bottom_wer=wer, bottom_wer_low=0.8 * wer, bottom_wer_high=1.25 * wer,
                       top_wer=0.08) for speakers, wer in ((10, 0.4), (20, 0.28), (40, 0.2)))


def made_forecast(cohort: str = "region-1", top: str = "region-3") -> Forecast:
    """40 training speakers, 71 more wanted."""
    return Forecast(
        refused="", method="geographic", cohort=cohort, top=top, limit=0.5, speakers=40, hours=2.0, points=POINTS,
        others={"estimate": 20.0, "low": 5.0, "high": 60.0}, gap_along=((10.0, 4.0), (40.0, 1.5), (120.0, 0.5)),
        gap={"estimate": 1.5, "low": 1.2, "high": 1.9},
        more_speakers={"estimate": 71, "low": 40, "high": 160}, more_hours=3.6,
        lacking=120, gap_with_due={"estimate": 0.2, "low": 0.0, "high": 0.4})


def written(found: Forecast) -> dict[str, Any]:
    """What wanted.json holds, but for its origin."""
    return {**asdict(found), "points": [asdict(point) for point in found.points], "sentence": in_words(found)}


def write_wanted(path: Path, origin: Origin, found: Forecast | None = None) -> None:
    """Write wanted.json."""
    write_json(path, {**written(found or made_forecast()), "origin": origin.to_json()})
