"""What is compared: each arm adds one thing to the one before it, then the price of a late end is swept."""

from __future__ import annotations

from typing import Any, Final

_BARE: Final = {"fastemit": 0.0, "activity_weight": 0.0, "late_eot": 0.0, "early_eot": 0.0}
_FASTEMIT: Final = {**_BARE, "tokens": "turns", "fastemit": 0.005}
_ACTIVITY: Final = {**_FASTEMIT, "activity_weight": 0.5}
PRICES: Final = ((0.2, 0.2), (1.0, 1.0), (5.0, 1.0), (5.0, 5.0))
"""Nats for each second that <eot> is late, and early."""
ARMS: Final[dict[str, dict[str, Any]]] = {
    "no tokens": {**_BARE, "tokens": "none"},
    "one separator": {**_BARE, "tokens": "separator"},
    "sot and eot": {**_BARE, "tokens": "turns"},
    "+ FastEmit": _FASTEMIT,
    "+ activity": _ACTIVITY,
    **{f"+ price {late:g} late, {early:g} early": {**_ACTIVITY, "late_eot": late, "early_eot": early}
       for late, early in PRICES}}
"""Changes of train_multitalker."""
REFERENCE: Final = "no tokens"
"""What word errors are compared with."""
ENDING: Final = tuple(name for name, changes in ARMS.items() if changes["tokens"] == "turns")
"""Arms that tell when turns end."""
