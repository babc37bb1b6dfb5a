"""A recogniser on disk: weights, architecture, units and feature settings in one self-contained directory.

    model.safetensors   weights and corpus statistics
    config.json         architecture, featurize settings, sample rate, text normalisation, hashes of weights and units,
                        and of a model with a cohort input its cohorts
    tokenizer.json ...  what the tokenizer writes

Nothing is pickled, so loading a foreign model runs no foreign code.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import safetensors
import safetensors.torch
import torch
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from evenvoice.data.text import NORMALISATION_VERSION
from evenvoice.data.tokenizer import Tokenizer
from evenvoice.errors import ArtifactError, ParamsError
from evenvoice.models.cohorts import KnownCohorts
from evenvoice.models.compute import macs_per_audio_s
from evenvoice.models.shapes import Architecture, Gates, SeparatorShape, TransformerShape
from evenvoice.models.transducer import Transducer
from evenvoice.params import UNKNOWN, Featurize, Section
from evenvoice.storage import read_bytes, read_json, write_bytes, write_json

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
ALTERED = "It was altered: run the stage that writes it again."


class Description(Section):
    """All of a recogniser but its weights; ``format`` changes when older weights no longer fit the code."""

    format: Literal[2] = 2
    architecture: Architecture
    featurize: Featurize
    sample_rate: int = Field(ge=8000, le=48000)
    normalisation_version: int
    units_sha256: str
    cohorts: KnownCohorts | None = None
    """What it can be told of a speaker; a model without is written as it always was."""

    @model_validator(mode="after")
    def _hears_its_features(self) -> Self:
        if self.architecture.n_mels != self.featurize.n_mels:
            raise ValueError(f"architecture.n_mels ({self.architecture.n_mels}) must be featurize.n_mels "
                             f"({self.featurize.n_mels})")
        return self

    def content(self) -> dict[str, Any]:
        """As plain values, without what the model has not."""
        return self.model_dump(exclude_none=True)


class Config(Description):
    """config.json."""

    weights_sha256: str


class Recogniser:
    """A transducer with all that a search needs to go from samples to text.

    Attributes:
        transducer: the model.
        tokenizer: its units.
        featurize: settings of its log-mel features.
        sample_rate: of the audio it was trained on, in Hz.
        cohorts: what it can be told of a speaker; None where it takes no heed of cohorts.
    """

    def __init__(self, *, transducer: Transducer, tokenizer: Tokenizer, architecture: Architecture,
                 featurize: Featurize, sample_rate: int, cohorts: KnownCohorts | None = None) -> None:
        self.transducer = transducer
        self.tokenizer = tokenizer
        self.featurize = featurize
        self.sample_rate = sample_rate
        self.cohorts = cohorts
        self._architecture = architecture

    @classmethod
    def build(cls, architecture: Architecture, *, tokenizer: Tokenizer, featurize: Featurize, sample_rate: int,
              mean: NDArray[np.float32], std: NDArray[np.float32], seed: int) -> Self:
        """Make an untrained recogniser; equal seeds give equal weights.

        Args:
            architecture: what it is built from.
            tokenizer: units.
            featurize: settings of the features it will be given.
            sample_rate: of the audio behind them, in Hz.
            mean: (n_mels,) of the training speech.
            std: (n_mels,) of the training speech.
            seed: of the random weights.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            transducer = Transducer(architecture)
        transducer.set_normalisation(torch.as_tensor(mean), torch.as_tensor(std))
        return cls(transducer=transducer, tokenizer=tokenizer, architecture=architecture, featurize=featurize,
                   sample_rate=sample_rate)

    def with_cohorts(self, cohorts: KnownCohorts) -> Self:
        """A copy that can be told these cohorts, and as yet hears what this one hears whichever it is told."""
        transducer = Transducer(self._architecture, len(cohorts.names))
        transducer.load_state_dict({**transducer.state_dict(), **self.transducer.state_dict()})
        return type(self)(transducer=transducer.train(self.transducer.training), tokenizer=self.tokenizer,
                          architecture=self._architecture, featurize=self.featurize, sample_rate=self.sample_rate,
                          cohorts=cohorts)

    def with_gates(self, gates: Gates, *, seed: int) -> Self:
        """A copy whose encoder works on a frame only where ``gates`` are on.

        Arbitrators are new, by ``seed``, and before training leave everything on, so it hears what this one hears.

        Raises:
            ParamsError: an encoder without sub-blocks that can be skipped, or one that has gates already.
        """
        shape = self._architecture.encoder
        if not isinstance(shape, TransformerShape) or shape.gates is not None:
            raise ParamsError(name="the encoder", rule="be a transformer whose sub-blocks all work",
                              value=shape.kind if not isinstance(shape, TransformerShape) else "one with gates",
                              action="Train the base model with train.encoder: transformer.")
        gated = TransformerShape(**{**dict(shape), "gates": gates})
        architecture = self._architecture.model_copy(update={"encoder": gated})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            transducer = Transducer(architecture, 0 if self.cohorts is None else len(self.cohorts.names))
        transducer.load_state_dict({**transducer.state_dict(), **self.transducer.state_dict()})
        return type(self)(transducer=transducer.train(self.transducer.training), tokenizer=self.tokenizer,
                          architecture=architecture, featurize=self.featurize, sample_rate=self.sample_rate,
                          cohorts=self.cohorts)

    def with_separator(self, shape: SeparatorShape, *, further_labels: int, seed: int) -> Self:
        """A copy that tells talkers apart, with further labels behind its units.

        What is new is drawn by ``seed``; before training every channel hears what this one hears.

        Raises:
            ParamsError: it tells talkers apart already, or has a cohort input, which is one speaker's.
        """
        if self._architecture.separator is not None or self.cohorts is not None:
            raise ParamsError(name="the recogniser", rule="hear one talker, and be told no cohort",
                              value="one with a separator" if self.cohorts is None else "one with a cohort input",
                              action="Begin with a base recogniser.")
        architecture = self._architecture.model_copy(update={
            "separator": shape, "vocabulary": self._architecture.vocabulary + further_labels})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            transducer = Transducer(architecture)
        transducer.load_state_dict(_widened(transducer.state_dict(), self.transducer.state_dict()))
        return type(self)(transducer=transducer.train(self.transducer.training), tokenizer=self.tokenizer,
                          architecture=architecture, featurize=self.featurize, sample_rate=self.sample_rate)

    def cohort_number(self, name: str) -> int | None:
        """What a search is given for the cohort of this name; None where the model takes no heed of cohorts.

        Raises:
            ParamsError: a cohort that the model does not know, or any for one that takes no heed of cohorts.
        """
        if self.cohorts is not None:
            return self.cohorts.number(name)
        if name != UNKNOWN:
            raise ParamsError(name="cohort", rule="be left out for this model, which was trained without cohorts",
                              value=name, action="Leave it out, or name a model with a cohort input (--model).")
        return None

    @property
    def description(self) -> Description:
        """All that decides, beside the weights, what is heard."""
        return Description(architecture=self._architecture, featurize=self.featurize, sample_rate=self.sample_rate,
                           normalisation_version=NORMALISATION_VERSION, units_sha256=self.tokenizer.sha256,
                           cohorts=self.cohorts)

    @property
    def separator(self) -> SeparatorShape | None:
        """How it tells talkers apart; None where it hears one."""
        return self._architecture.separator

    @property
    def is_gated(self) -> bool:
        """Whether gates decide which parts of its encoder work."""
        shape = self._architecture.encoder
        return isinstance(shape, TransformerShape) and shape.gates is not None

    @property
    def frame_s(self) -> float:
        """Seconds per encoder frame."""
        return self.transducer.encoder.subsampling * self.featurize.hop_ms / 1000

    @property
    def lookahead_s(self) -> float:
        """Seconds by which every output is later than a causal one's would be."""
        return self.transducer.encoder.lookahead * self.frame_s

    @property
    def cost(self) -> str:
        """Size, work and latency in words."""
        macs = macs_per_audio_s(self.transducer, frames_per_s=1 / self.frame_s, labels_per_s=0.0)
        return (f"{self.transducer.parameter_count:,} parameters, {macs.total / 1e6:.1f} million MACs per second of "
                f"audio and {macs.per_label / 1e6:.2f} per label, {1000 * self.frame_s:.0f} ms frames, "
                f"{1000 * self.lookahead_s:.0f} ms look-ahead")

    def frames_in(self, seconds: float) -> int:
        """Log-mel frames of so much speech."""
        return round(seconds * 1000 / self.featurize.hop_ms)

    def save(self, directory: Path) -> None:
        """Write the recogniser into ``directory``, the config with the weights' hash last."""
        directory.mkdir(parents=True, exist_ok=True)
        weights = safetensors.torch.save({name: tensor.detach().cpu().contiguous()
                                          for name, tensor in self.transducer.state_dict().items()})
        write_bytes(directory / WEIGHTS, weights)
        self.tokenizer.save(directory)
        config = Config(**dict(self.description), weights_sha256=hashlib.sha256(weights).hexdigest())
        write_json(directory / CONFIG, config.content())

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what :meth:`save` wrote, ready to transcribe on the processor.

        Raises:
            ArtifactError: something is missing, altered, or made for other code.
        """
        config = _config(directory / CONFIG)
        tokenizer = Tokenizer.load(directory)
        if tokenizer.sha256 != config.units_sha256:
            raise ArtifactError(name=f"units of {directory}", rule=f"have the hash {config.units_sha256[:12]} that "
                                f"{CONFIG} names", value=tokenizer.sha256[:12], action=ALTERED)
        transducer = Transducer(config.architecture, 0 if config.cohorts is None else len(config.cohorts.names))
        _load_weights(transducer, directory / WEIGHTS, config.weights_sha256)
        return cls(transducer=transducer.eval(), tokenizer=tokenizer, architecture=config.architecture,
                   featurize=config.featurize, sample_rate=config.sample_rate, cohorts=config.cohorts)


def _widened(new: dict[str, torch.Tensor], old: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of ``new`` with those of ``old`` in their place: whole, or as the first rows of a longer table."""
    widened = dict(new)
    for name, tensor in old.items():
        table = new[name].clone()
        table[:len(tensor)] = tensor
        widened[name] = table
    return widened


def _config(path: Path) -> Config:
    try:
        config = Config.model_validate(read_json(path))
    except ValidationError as error:
        raise ArtifactError(name=str(path), rule="be a recogniser's configuration", value=_first_problem(error),
                            action="It was written by other code: train the model again.") from error
    if config.normalisation_version != NORMALISATION_VERSION:
        raise ArtifactError(name=str(path), rule=f"follow text normalisation {NORMALISATION_VERSION}",
                            value=config.normalisation_version,
                            action="Train the model again: error rates of different normalisations do not compare.")
    return config


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _load_weights(transducer: Transducer, path: Path, expected_sha256: str) -> None:
    content = read_bytes(path)
    found = hashlib.sha256(content).hexdigest()
    if found != expected_sha256:
        raise ArtifactError(name=str(path), rule=f"have the hash {expected_sha256[:12]} that its {CONFIG} names",
                            value=found[:12], action=ALTERED)
    try:
        weights = safetensors.torch.load(content)
        transducer.load_state_dict(weights)
    except (RuntimeError, safetensors.SafetensorError) as error:
        raise ArtifactError(name=str(path), rule="fit the architecture that its configuration names",
                            value=" ".join(str(error).split())[:200], action="Train the model again.") from error
    broken = [name for name, tensor in weights.items() if not tensor.isfinite().all()]
    if broken:
        raise ArtifactError(name=str(path), rule="hold finite numbers", value=f"NaN or infinity in {broken[0]}",
                            action="Train the model again.")
