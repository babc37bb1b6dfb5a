"""Tiny recognisers, and recordings in which every character has a pattern of mel bands of its own."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from evenvoice.data.feature_store import FeatureStore
from evenvoice.data.schemas import FEATURES
from evenvoice.data.tables import rows_table
from evenvoice.data.tokenizer import Tokenizer
from evenvoice.models.gates import Arbitrator
from evenvoice.models.presets import PRESETS
from evenvoice.models.recogniser import Recogniser
from evenvoice.models.shapes import (
    Arbitrators,
    Architecture,
    Chance,
    ConformerShape,
    ContextNetShape,
    ConvRnntShape,
    EncoderShape,
    Gates,
    LstmShape,
    TransformerShape,
)
from evenvoice.origins import write_contents
from evenvoice.params import Featurize, Train
from evenvoice.storage import write_json
from evenvoice.training.settings import FitSettings, SpecAugment
from tests.builders.ipc import write_rows

MELS = 8
FRAMES_PER_CHARACTER = 12
TEXTS = ("yes no", "no yes no", "one two", "two one no", "no no", "yes one")
TOKENIZER = Tokenizer(kind="characters", units=tuple(sorted(set("".join(TEXTS)))))
FEATURIZE = Featurize(n_mels=MELS, window_ms=25.0, hop_ms=10.0, low_hz=20.0, high_hz=4000.0, shard_mb=1)
NO_MASKS = SpecAugment(time_masks=0, time_mask_s=0.0, frequency_masks=0, frequency_mask_bands=0)
MASKS = SpecAugment(time_masks=1, time_mask_s=0.1, frequency_masks=1, frequency_mask_bands=2)


def tiny_train() -> Train:
    """The train section of a model that takes milliseconds."""
    return Train(encoder="convrnnt", size="tiny", stack=4, lookahead=0, dropout=0.0, steps=4, batch_s=3.0,
                 optimiser="adamw", learning_rate=0.01, warmup_share=0.2, weight_decay=0.0, gradient_clip=5.0,
                 ctc_weight=0.5, listen_first_s=0.0, time_masks=1, time_mask_s=0.1, frequency_masks=1,
                 frequency_mask_bands=2, nonfinite_budget=0, checkpoint_every_s=1e-9, processes=1)


GATED = ("amortized", "amortized-stem", "amortized-chance")
ENCODERS = (*PRESETS["tiny"].encoders, "transformer-conv", *GATED)
"""Those of the registry, and what is built of them otherwise."""


def tiny_shape(encoder: str, width: int) -> EncoderShape:
    """An encoder of milliseconds: two layers, blocks or branches of each kind."""
    shapes: dict[str, EncoderShape] = {
        "lstm": LstmShape(width=width, layers=2),
        "convrnnt": _convrnnt(width),
        "convrnnt-local": _convrnnt(width, global_blocks=0),
        "convrnnt-global": _convrnnt(width, local_layers=0),
        "conformer": ConformerShape(width=width, blocks=2, heads=2, expansion=2, kernel=3, window=6),
        "transformer": TransformerShape(width=width, blocks=2, heads=2, expansion=2, window=6),
        "transformer-conv": TransformerShape(width=width, blocks=2, heads=2, expansion=2, window=6, stem="conv"),
        "amortized": _amortized(width, Arbitrators(hidden=4)),
        "amortized-stem": _amortized(width, Arbitrators(see="stem", hidden=4)),
        "amortized-chance": _amortized(width, Chance(rates=(0.5, 0.7, 0.4, 0.6))),
        "contextnet": ContextNetShape(width=width, blocks=2, layers=2, kernel=3)}
    return shapes[encoder]


def _amortized(width: int, gates: Gates) -> TransformerShape:
    return TransformerShape(width=width, blocks=2, heads=2, expansion=2, window=6, gates=gates)


def _convrnnt(width: int, *, local_layers: int = 2, global_blocks: int = 2) -> ConvRnntShape:
    return ConvRnntShape(channels=width, local_layers=local_layers, local_kernel=3, global_blocks=global_blocks,
                         lstm_width=width, lstm_layers=2)


def tiny_recogniser(*, encoder: str = "convrnnt", dropout: float = 0.0, width: int = 16, lookahead: int = 0,
                    seed: int = 1) -> Recogniser:
    """An untrained recogniser of ``TEXTS``."""
    architecture = Architecture(encoder=tiny_shape(encoder, width), stack=4, lookahead=lookahead, predictor_width=width,
                                joiner_width=width, dropout=dropout, n_mels=MELS, vocabulary=TOKENIZER.size)
    recogniser = Recogniser.build(architecture, tokenizer=TOKENIZER, featurize=FEATURIZE, sample_rate=8000,
                                  mean=np.zeros(MELS, np.float32), std=np.ones(MELS, np.float32), seed=seed)
    undecided(recogniser)
    return recogniser


def undecided(recogniser: Recogniser) -> None:
    """Make arbitrators, which leave everything on before they are trained, switch about half of the frames off."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for module in recogniser.transducer.modules():
            if isinstance(module, Arbitrator):
                module.logit.bias.zero_()
                module.logit.weight.copy_(torch.randn(module.logit.weight.shape, generator=generator))


def talkative_recogniser(*, mean: float = 0.0) -> Recogniser:
    """An untrained recogniser that writes many words."""
    recogniser = tiny_recogniser(seed=2, width=32)
    recogniser.transducer.set_normalisation(torch.full((MELS,), mean), torch.ones(MELS))
    with torch.no_grad():
        recogniser.transducer.joiner.output.weight *= 8
        recogniser.transducer.joiner.frame.weight *= 3
    return recogniser


def tiny_settings(*, steps: int = 4, learning_rate: float = 0.01, augment: SpecAugment = NO_MASKS,
                  batch_s: float = 3.0, nonfinite_budget: int = 0, checkpoint_every_s: float = 1e-9,
                  ctc_weight: float = 0.5, optimiser: Literal["adamw", "muon"] = "adamw") -> FitSettings:
    """A training of a few steps that checkpoints after each."""
    return FitSettings(steps=steps, batch_s=batch_s, optimiser=optimiser, learning_rate=learning_rate,
                       warmup_share=0.2, weight_decay=0.0, gradient_clip=5.0, ctc_weight=ctc_weight,
                       listen_first_s=0.0, augment=augment,
                       nonfinite_budget=nonfinite_budget, checkpoint_every_s=checkpoint_every_s)


def spoken(text: str, seed: int = 0) -> np.ndarray:
    """Features (frames, MELS) float16 of a text: each character is twelve noisy frames of its own pattern."""
    noise = np.random.default_rng([seed, zlib.crc32(text.encode())])
    patterns = [np.random.default_rng(ord(character)).normal(size=MELS) for character in text]
    frames = np.repeat(patterns, FRAMES_PER_CHARACTER, axis=0)
    return (frames + 0.1 * noise.normal(size=frames.shape)).astype(np.float16)


def spoken_store(texts: Sequence[str] = TEXTS, splits: Sequence[str] | None = None) -> FeatureStore:
    """A store of recordings ``r0``, ``r1`` ... each by its own speaker ``s0``, ``s1`` ..."""
    return FeatureStore([rows_table(feature_rows(texts, splits), FEATURES)],
                        mean=np.zeros(MELS, np.float32), std=np.ones(MELS, np.float32))


def feature_rows(texts: Sequence[str] = TEXTS, splits: Sequence[str] | None = None) -> list[dict[str, object]]:
    """Rows of the FEATURES table; all in the train split unless said otherwise."""
    rows: list[dict[str, object]] = []
    for number, text in enumerate(texts):
        features = spoken(text, seed=number)
        rows.append({"utterance": f"r{number}", "speaker": f"s{number}",
                     "split": splits[number] if splits is not None else "train", "text": text,
                     "duration_s": len(features) / 100, "frames": len(features), "features": features.tobytes()})
    return rows


def weights(recogniser: Recogniser) -> torch.Tensor:
    """All weights as one vector, for comparing models bit for bit."""
    return torch.cat([tensor.flatten() for tensor in recogniser.transducer.state_dict().values()])


def write_features(directory: Path, texts: Sequence[str] = TEXTS, splits: Sequence[str] | None = None,
                   files: int = 1) -> None:
    """What the featurize stage would leave in ``directory``; in several files neighbours stay together."""
    directory.mkdir(parents=True)
    rows = feature_rows(texts, splits)
    for number in range(files):
        first, stop = (place * len(rows) // files for place in (number, number + 1))
        write_rows(directory, f"features-{number:05d}", FEATURES, rows[first:stop])
    write_json(directory / "statistics.json", {"mean": [0.0] * MELS, "std": [1.0] * MELS})
    write_contents(directory)
