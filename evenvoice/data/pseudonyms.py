"""Keyed pseudonyms: the same person gets the same name under one key, and no way back without it.

Standard library only, since the fingerprint of a corpus notes which key is in use.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass
from typing import Final, Literal

KEY_VARIABLE: Final = "EVENVOICE_PSEUDONYM_KEY"


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """HMAC-SHA256 of a corpus's own names, shortened to 64 bits for speakers and sessions and 96 for utterances."""

    key: bytes
    source: Literal["environment", "seed"]
    """A key from the seed can be repeated by whoever knows the seed: fit for demonstrations, not for secrecy."""

    def speaker(self, name: str) -> str:
        """Pseudonym of a speaker."""
        return f"s{self._digest('speaker', name)[:16]}"

    def utterance(self, key: str) -> str:
        """Id of an utterance; the corpus's own id often holds the speaker's name."""
        return f"u{self._digest('utterance', key)[:24]}"

    def session(self, speaker: str, name: str) -> str:
        """Id of what a speaker recorded at one time; the corpus's own often holds a date or a place."""
        return f"t{self._digest('session', f'{speaker}{chr(0)}{name}')[:16]}"

    def commitment(self) -> str:
        """What may be written down to notice a changed key, without telling the key."""
        return self._digest("commitment", "")[:16]

    def _digest(self, purpose: str, name: str) -> str:
        return hmac.new(self.key, f"{purpose}\0{name}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def from_environment(seed: int, *, people: bool) -> Pseudonyms:
    """Take the key from ``EVENVOICE_PSEUDONYM_KEY``, else from the seed.

    Args:
        seed: the run's seed.
        people: False for generated voices, which need no secret and stay equal on every machine.
    """
    secret = os.environ.get(KEY_VARIABLE, "") if people else ""
    if secret:
        return Pseudonyms(key=secret.encode(), source="environment")
    return Pseudonyms(key=f"evenvoice seed {seed}".encode(), source="seed")
