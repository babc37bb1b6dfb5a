"""The recogniser as a product."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from evenvoice.data.audio import Waveform, encode_flac
from evenvoice.params import UNKNOWN
from evenvoice.tracking import comparison, lineage, manifest, published
from evenvoice.tracking.comparison import Comparison, Rules
from evenvoice.tracking.cost import costs
from evenvoice.tracking.names import RECOGNISER as NAMES
from evenvoice.tracking.product import Interface, ServedSettings
from evenvoice.tracking.run_files import RunFiles
from evenvoice.tracking.served_audio import COLUMNS
from evenvoice.tracking.store import Point

REQUIREMENTS: Final = ("mlflow", "numpy", "pandas", "pydantic", "PyYAML", "safetensors", "scipy", "sentencepiece",
                       "soundfile", "soxr", "torch")
"""What the served model imports; named here because MLflow's own search takes half a minute."""


class Recogniser:
    """A :class:`evenvoice.tracking.product.Product`."""

    names = NAMES

    def files(self, workspace: Path) -> RunFiles:
        """What a finished run left."""
        return RunFiles(workspace)

    def figures(self, files: RunFiles, min_speakers: int) -> dict[str, float]:
        """Error rates, gaps, compute, measured times and costs."""
        figures = published.metrics(files, min_speakers) | published.measured(files)
        return figures | {f"cost/{name}": value for name, value in costs(files, min_speakers).items()}

    def curves(self, files: RunFiles) -> list[Point]:
        """Of base and challenger."""
        return [point for model in files.models for point in published.curve(files, model)]

    def verdict(self, files: RunFiles, min_speakers: int) -> dict[str, Any]:
        """The verdict without what it says about hidden cohorts."""
        return published.verdict(files, min_speakers)

    def tags(self, files: RunFiles, min_speakers: int) -> dict[str, str]:
        """What the model costs."""
        return {f"{lineage.COST}/{name}": f"{value:.6g}" for name, value in costs(files, min_speakers).items()}

    def collect(self, files: RunFiles, into: Path) -> str:
        """The challenger's files."""
        return manifest.collect(files.model(files.challenger), files.verdict_file, into)

    def interface(self, settings: ServedSettings) -> Interface:
        """Recordings in, text out."""
        return Interface(
            code=Path(__file__).with_name("served_model.py"), requirements=REQUIREMENTS,
            inputs=COLUMNS, outputs={"text": "string"},
            params={"sample_rate": ("integer", settings.sample_rate), "cohort": ("string", UNKNOWN)},
            example={"audio": example_audio()}, config={"max_duration_s": settings.max_duration_s})

    def keep_evidence(self, files: RunFiles, into: Path) -> str:
        """Errors per test speaker."""
        return comparison.keep_speakers(files.evaluation, files.challenger, into)

    def compare(self, *, champion: Path, champion_digest: str | None, challenger: Path, rules: Rules) -> Comparison:
        """By WER."""
        return comparison.compare(champion=champion, champion_digest=champion_digest, challenger=challenger,
                                  rules=rules)


RECOGNISER: Final = Recogniser()


def example_audio(rate: int = 16_000) -> bytes:
    """Half a second of a 440 Hz tone as FLAC: shows the form of the input and holds nobody's voice."""
    samples = 0.1 * np.sin(2 * np.pi * 440 * np.arange(rate // 2) / rate)
    return encode_flac(Waveform(samples=samples.astype(np.float32), rate=rate))
