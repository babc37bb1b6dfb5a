"""Features of speech that nobody said: of noise, where only lengths and counts matter, and such that can be learned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evenvoice.data.feature_store import FeatureStore
from evenvoice.data.schemas import FEATURES
from evenvoice.data.tables import rows_table
from evenvoice.data.tokenizer import WITHOUT_TEXT, Tokenizer

N_MELS = 64
FRAMES_PER_S = 100
FIRST_UNIT = 0x4E00
"""Units are single characters from here on: as many as a vocabulary wants."""


def drawn_tokenizer(vocabulary: int) -> Tokenizer:
    """So many units that text can be written in."""
    return Tokenizer(kind="characters", units=tuple(chr(FIRST_UNIT + i) for i in range(vocabulary - WITHOUT_TEXT)))


def drawn_store(tokenizer: Tokenizer, *, seconds: float, units_per_s: float, seed: int = 0) -> FeatureStore:
    """Recordings of 1 to 16 s, lengths log-normal around 4 s, as read and spoken sentences have them."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    while seconds > 0:
        duration_s = float(np.clip(rng.lognormal(np.log(4), 0.5), 1, 16))
        frames = round(duration_s * FRAMES_PER_S)
        text = "".join(rng.choice(tokenizer.units, max(1, round(duration_s * units_per_s))))
        rows.append({"utterance": f"r{len(rows)}", "speaker": "nobody", "split": "train", "text": text,
                     "duration_s": duration_s, "frames": frames,
                     "features": rng.normal(size=(frames, N_MELS)).astype(np.float16).tobytes()})
        seconds -= duration_s
    return FeatureStore([rows_table(rows, FEATURES)], mean=np.zeros(N_MELS, np.float32),
                        std=np.ones(N_MELS, np.float32))


LETTERS = "abcdefghijklmnoprstu"
FRAMES_PER_LETTER = (9, 15)
"""Fewest and most: 90 to 150 ms."""
WORDS = 60


def speaking_tokenizer() -> Tokenizer:
    """Letters and the space between words."""
    return Tokenizer(kind="characters", units=tuple(sorted(f" {LETTERS}")))


def speaking_store(*, seconds: float, test_seconds: float, seed: int = 0) -> FeatureStore:
    """Speech that can be learned: each letter is a pattern of mel bands under noise, words come from one lexicon.

    Splits are ``train`` and ``test``, of so many seconds each.
    """
    rng = np.random.default_rng(seed)
    sounds_LM = dict(zip(f" {LETTERS}", 1.5 * rng.normal(size=(1 + len(LETTERS), N_MELS)), strict=True))
    lexicon = ["".join(rng.choice(list(LETTERS), rng.integers(2, 6))) for _ in range(WORDS)]
    rows: list[dict[str, object]] = []
    for split, wanted_s in (("train", seconds), ("test", test_seconds)):
        while wanted_s > 0:
            text = " ".join(rng.choice(lexicon, rng.integers(2, 9)))
            features_TM = _spoken(text, sounds_LM, rng)
            duration_s = len(features_TM) / FRAMES_PER_S
            rows.append({"utterance": f"r{len(rows)}", "speaker": "nobody", "split": split, "text": text,
                         "duration_s": duration_s, "frames": len(features_TM), "features": features_TM.tobytes()})
            wanted_s -= duration_s
    return FeatureStore([rows_table(rows, FEATURES)], mean=np.zeros(N_MELS, np.float32),
                        std=np.full(N_MELS, 1.8, np.float32))


def _spoken(text: str, sounds_LM: dict[str, NDArray[np.float64]], rng: np.random.Generator) -> NDArray[np.float16]:
    low, high = FRAMES_PER_LETTER
    clean_TM = np.repeat([sounds_LM[letter] for letter in text], rng.integers(low, high + 1, len(text)), axis=0)
    return (clean_TM + rng.normal(size=clean_TM.shape)).astype(np.float16)
