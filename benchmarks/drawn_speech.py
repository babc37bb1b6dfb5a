"""Features of speech that nobody said: what training speed depends on is lengths and counts, not what is in them."""

from __future__ import annotations

import numpy as np

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
    return FeatureStore(rows_table(rows, FEATURES), mean=np.zeros(N_MELS, np.float32),
                        std=np.ones(N_MELS, np.float32))
