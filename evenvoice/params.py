"""The one schema of the configuration: types, ranges and help of every number a person may change.

It validates params.yaml and the profiles laid over it, fills the trigger form of the Airflow DAG, and names the
allowed range when a value is refused. It imports neither torch nor pyarrow, since DAG files read it.

Every field stands in params.yaml: there are no hidden defaults, so DVC sees each value that a result depends on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from evenvoice.errors import ParamsError

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A frozen section of params.yaml; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Split(Section):
    """Shares of speakers per split; a speaker is in exactly one."""

    train: Share
    discover: Share
    validate_: Share = Field(alias="validate")
    test: Share

    @model_validator(mode="after")
    def _shares_add_up(self) -> Split:
        total = self.train + self.discover + self.validate_ + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"shares must add up to 1, got {total:g}")
        return self


class Ingest(Section):
    """Speech in: where from, what is refused, who goes into which split."""

    corpus: str = Field(description="'synthetic', or the path of a corpus on this machine.")
    layout: Literal["auto", "synthetic", "kaldi", "manifest", "librispeech", "commonvoice"] = Field(
        description="How the corpus is laid out; auto looks at its files.")
    select: str = Field(description="Only rows whose path begins with this; empty takes all. "
                                    "One part of a manifest that lists several.")
    text_column: str = Field(description="Column of a manifest that holds the transcript.")
    census: str = Field(description="Path of a table with a postal_code column and one column per statistic; "
                                    "empty when there is none. The synthetic corpus brings its own.")
    sample_rate: int = Field(ge=8000, le=48000, description="Everything is resampled to this rate, in Hz.")
    min_duration_s: float = Field(ge=0, description="Shorter recordings are refused.")
    max_duration_s: float = Field(gt=0, le=600, description="Longer recordings are refused.")
    max_transcript_chars: Positive = Field(description="Longer transcripts are refused.")
    max_chars_per_s: float = Field(gt=0, description="More text per second than anyone can say is refused.")
    max_rejected: Share = Field(description="Share of refused recordings that is still tolerated.")
    coordinate_decimals: int = Field(ge=0, le=2, description="Latitude and longitude are rounded to this many "
                                                             "decimals at ingest; 1 is about 10 km.")
    splits: Literal["speakers", "corpus"] = Field(
        description="speakers: drawn here, disjoint. corpus: the split the corpus brings.")
    allow_speaker_overlap: bool = Field(
        description="Accept a corpus split whose speakers overlap; the fairness gate then cannot PASS.")
    split: Split = Field(description="Shares of speakers, when splits are drawn here; also how a corpus's train "
                                     "part is divided when it brings only train and test.")
    concatenate_min: Positive = Field(description="Join at least this many recordings of one speaker into one "
                                                  "utterance; 1 with concatenate_max 1 leaves them as they are.")
    concatenate_max: Positive = Field(description="Join at most this many.")
    concatenate_repeats: Positive = Field(description="How often each recording is used when joining.")
    shard_mb: int = Field(ge=1, le=1024, description="Size of a Parquet shard, in MiB.")

    @model_validator(mode="after")
    def _ranges_are_ordered(self) -> Ingest:
        if self.min_duration_s >= self.max_duration_s:
            raise ValueError("min_duration_s must be below max_duration_s")
        if self.concatenate_min > self.concatenate_max:
            raise ValueError("concatenate_min must not exceed concatenate_max")
        return self


class Synthetic(Section):
    """The voice-assistant world that espeak-ng speaks; only read when ingest.corpus is 'synthetic'."""

    speakers: int = Field(ge=12, le=100_000, description="Speakers over all splits.")
    train_utterances: Positive = Field(description="Recordings of each training speaker.")
    other_utterances: Positive = Field(description="Recordings of each discover, validate and test speaker.")
    difficulty: float = Field(ge=0, le=2, description="Scales noise, reverberation and band limits; 1 is the default "
                                                      "world, 0 is clean.")
    disparity: float = Field(ge=0, le=2, description="Scales how much harder the disadvantaged regions are; 0 plants "
                                                     "no gap at all.")


class Featurize(Section):
    """Log-mel features."""

    n_mels: int = Field(ge=8, le=128, description="Mel bands.")
    window_ms: float = Field(gt=0, le=100, description="Analysis window.")
    hop_ms: float = Field(gt=0, le=50, description="Step from frame to frame.")
    low_hz: float = Field(ge=0, description="Lower edge of the lowest band.")
    high_hz: float = Field(gt=0, description="Upper edge of the highest band; 4000 makes corpora recorded at 8 kHz "
                                             "comparable with wider ones.")
    shard_mb: int = Field(ge=1, le=1024, description="Size of an Arrow shard, in MiB.")


class Tokenizer(Section):
    """Units of the recogniser."""

    kind: Literal["auto", "characters", "sentencepiece"] = Field(
        description="auto: characters below characters_below_hours of training speech, sentencepiece above.")
    characters_below_hours: float = Field(ge=0, description="Where auto changes over.")
    vocabulary: int = Field(ge=16, le=32_000, description="Size of a sentencepiece vocabulary.")


class Train(Section):
    """The base recogniser and how it is trained."""

    encoder: Literal["lstm", "convrnnt", "convrnnt-local", "convrnnt-global", "conformer", "contextnet"] = Field(
        description="Streaming encoder; convrnnt-local and convrnnt-global have one branch only.")
    size: Literal["tiny", "1.5M", "10M", "30M", "85M"] = Field(
        description="Parameters of the whole recogniser; shapes are in evenvoice/models/presets.py.")
    stack: int = Field(ge=1, le=8, description="Log-mel frames per encoder frame; 4 is one frame per 40 ms.")
    lookahead: int = Field(ge=0, le=100, description="Encoder frames that each output waits for; 0 adds no latency.")
    dropout: float = Field(ge=0, lt=1, description="Dropout in the encoder and predictor.")
    steps: Positive = Field(description="Optimiser steps.")
    batch_s: float = Field(gt=0, description="Seconds of speech per batch and process, padding included.")
    learning_rate: float = Field(gt=0, le=1, description="Peak of the one-cycle schedule.")
    warmup_share: Share = Field(description="Share of the steps in which the learning rate rises.")
    weight_decay: float = Field(ge=0, description="AdamW's decoupled weight decay.")
    gradient_clip: float = Field(gt=0, description="Largest gradient norm.")
    ctc_weight: Share = Field(description="Weight of the auxiliary CTC loss.")
    time_masks: int = Field(ge=0, description="SpecAugment: masks along time.")
    time_mask_s: float = Field(ge=0, description="SpecAugment: longest time mask.")
    frequency_masks: int = Field(ge=0, description="SpecAugment: masks along frequency.")
    frequency_mask_bands: int = Field(ge=0, description="SpecAugment: widest frequency mask, in mel bands.")
    nonfinite_budget: int = Field(ge=0, description="Batches with a NaN or infinite loss that are skipped before "
                                                    "training stops and names them.")
    checkpoint_every_s: float = Field(gt=0, description="Seconds between checkpoints.")
    processes: int = Field(ge=1, le=4096, description="Processes that train together, on GPUs one each; each brings "
                                                      "batch_s seconds of speech to every step.")


class Transcribe(Section):
    """Greedy decoding."""

    batch_s: float = Field(gt=0, description="Seconds of speech decoded together.")


class TrainSpeaker(Section):
    """The speaker encoder whose embeddings automatic cohorts are found in."""

    embedding: int = Field(ge=8, le=1024, description="Width of an embedding.")
    width: int = Field(ge=16, le=2048, description="Channels of the convolution blocks.")
    steps: Positive = Field(description="Optimiser steps.")
    speakers_per_batch: int = Field(ge=2, description="Speakers in a batch.")
    recordings_per_speaker: int = Field(ge=2, description="Recordings of each speaker in a batch.")
    crop_s: float = Field(gt=0, description="Length of the random crop of each recording.")
    learning_rate: float = Field(gt=0, le=1, description="Peak learning rate.")


class Embed(Section):
    """Speaker embeddings."""

    batch_s: float = Field(gt=0, description="Seconds of speech embedded together.")


class Geographic(Section):
    """Best-first tree over longitude and latitude."""

    max_cohorts: int = Field(ge=2, description="Leaves of the tree at most.")
    split_gain: Literal["poisson", "difference"] = Field(
        description="poisson: likelihood ratio of error counts. difference: |WER left - WER right| as in the paper.")
    permutations: int = Field(ge=20, description="Shufflings of locations across speakers behind the stopping test.")
    significance: float = Field(gt=0, lt=1, description="A split that chance matches this often is not made.")


class Geodemographic(Section):
    """Binary partitions of postal codes by majority attribute."""

    max_cohorts: int = Field(ge=2, description="Cohorts at most.")
    permutations: int = Field(ge=20, description="Shufflings behind the stopping test.")
    significance: float = Field(gt=0, lt=1, description="A split that chance matches this often is not made.")


class Clusters(Section):
    """K-means in speaker embeddings."""

    cohorts: int = Field(ge=2, description="Clusters.")
    restarts: int = Field(ge=10, description="Restarts of k-means.")
    stability_runs: int = Field(ge=2, description="Refits on resampled speakers behind the adjusted Rand index.")


class Discover(Section):
    """Cohort discovery: fitted on discover speakers, pruned on validate speakers, never on test."""

    min_speakers: int = Field(ge=2, description="Discovery speakers in a cohort at least.")
    min_words: Positive = Field(description="Reference words in a cohort at least.")
    geographic: Geographic
    geodemographic: Geodemographic
    clusters: Clusters


class Mitigate(Section):
    """Fine-tuning for the worst cohort, and its controls."""

    cohorts: Literal["geographic", "geodemographic", "clusters"] = Field(
        description="Which discovery says who is worst off.")
    bottom_share: float = Field(gt=0, le=1, description="Cohorts are taken from the worst upwards until they hold this "
                                                        "share of the training speakers.")
    steps: Positive = Field(description="Optimiser steps of every arm.")
    learning_rate: float = Field(gt=0, le=1, description="Peak learning rate of every arm.")


class NoSettings(Section):
    """An arm that has nothing of its own to set."""


class L2SP(Section):
    """Fine-tuning with every weight pulled back alike."""

    weight: float = Field(ge=0, description="Pull towards the base model, the same for every weight.")


class EWC(Section):
    """Fine-tuning with weights held by how much they matter for everyone."""

    weight: float = Field(ge=0, description="Pull towards the base model, by Fisher information of mean 1.")
    fisher_utterances: Positive = Field(description="Training recordings whose gradients make the Fisher information.")


class Oversample(Section):
    """Training on everyone, the bottom cohort more often."""

    factor: float = Field(ge=1, description="How many times as often the bottom cohort is drawn.")


class Arms(Section):
    """What each mitigation arm has of its own; changing one runs that arm and what lies behind it."""

    finetune: NoSettings
    l2sp: L2SP
    ewc: EWC
    oversample: Oversample
    placebo: NoSettings


class Evaluate(Section):
    """Bootstrap over speakers."""

    replicates: int = Field(ge=200, le=100_000, description="Bootstrap replicates.")
    confidence: float = Field(gt=0.5, lt=1, description="Coverage of every interval.")
    null_partitions: int = Field(ge=20, description="Random partitions of the same sizes behind the null gap.")


class Gate(Section):
    """Limits of the fairness gate."""

    max_gap: float = Field(gt=0, description="Largest tolerated (W_cohort - W_top) / W_top of any cohort.")
    max_wer: float = Field(gt=0, le=1, description="Largest tolerated WER of the whole.")
    regression_margin: float = Field(ge=0, description="Relative rise of WER, of the whole or of the top cohort "
                                                       "against the base model, that still counts as not worse.")
    confidence: float = Field(gt=0.5, lt=1, description="Confidence of each decision, simultaneous over cohorts.")
    min_speakers: int = Field(ge=2, description="A cohort with fewer test speakers cannot be judged.")


class Report(Section):
    """What may be published."""

    min_speakers: int = Field(ge=1, description="Cohorts with fewer speakers are not shown.")


class Size(Section):
    """What a stage may use of a machine; dvc.yaml says which size a stage has (`meta: {size: training}`)."""

    cpus: int = Field(ge=0, description="Cores, and threads of numerical work; 0 takes all that the machine has.")
    memory_gb: float = Field(ge=0, description="Beyond this a container is killed; 0 sets no limit.")
    gpus: int = Field(ge=0, description="GPUs of the kind resources.gpu_kind.")
    minutes: float = Field(gt=0, description="A stage that takes longer is stopped.")


class Resources(Section):
    """Sizes of stages. No result depends on them, so changing one runs nothing again."""

    gpu_kind: str = Field(pattern=r"^[a-z0-9-]*$", description="Kind of GPU that stages wait for, as in the name of "
                          "Airflow's pool gpu-<kind> and in Kubernetes' node selector; empty for any.")
    shard_gb: float = Field(ge=0, description="Features are extracted and speech is transcribed in mapped tasks of "
                            "about so many 10^9 bytes of input each, where there is more; 0 never splits.")
    light: Size
    data: Size
    training: Size

    def size(self, name: str) -> Size:
        """The size that dvc.yaml names."""
        sizes: dict[str, Size] = {"light": self.light, "data": self.data, "training": self.training}
        return sizes[name]


class Params(Section):
    """All of params.yaml."""

    seed: int = Field(ge=0, lt=2**31, description="All randomness follows from it.")
    ingest: Ingest
    synthetic: Synthetic
    featurize: Featurize
    tokenizer: Tokenizer
    train: Train
    transcribe: Transcribe
    train_speaker: TrainSpeaker
    embed: Embed
    discover: Discover
    mitigate: Mitigate
    arms: Arms
    evaluate: Evaluate
    gate: Gate
    report: Report
    resources: Resources


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and validate params.yaml.

    Raises:
        ParamsError: not YAML, a missing or unknown name, or a value out of its range.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(name=str(path), rule="exist", value="no such file",
                          action="Run from the root of a checkout.") from None
    except yaml.YAMLError as error:
        raise ParamsError(name=str(path), rule="be YAML", value=" ".join(str(error).split()),
                          action="Correct the line it names.") from error
    return parse_params(content, source=str(path))


def parse_params(content: Any, source: str) -> Params:
    """Validate a mapping; every broken rule becomes one :class:`ParamsError` naming the dotted field."""
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the whole file"
        others = f" ({error.error_count() - 1} more problems follow.)" if error.error_count() > 1 else ""
        raise ParamsError(name=f"{source}: {field}", rule=_rule(first), value=_shown(first),
                          action=f"Correct {field} in {source}.{others}") from error


def overlay(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Lay the values of a profile over params.yaml, section by section."""
    merged = dict(base)
    for name, value in changes.items():
        below = merged.get(name)
        merged[name] = overlay(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def _rule(error: Any) -> str:
    if error["type"] == "missing":
        return "be given"
    if error["type"] == "extra_forbidden":
        return "be a known name"
    message = str(error["msg"])
    for prefix in ("Input should be ", "Value error, "):
        message = message.removeprefix(prefix)
    return f"be {message}" if str(error["msg"]).startswith("Input should be") else f"satisfy: {message}"


def _shown(error: Any) -> str:
    if error["type"] == "missing":
        return "nothing"
    text = repr(error["input"])
    return text if len(text) <= 80 else text[:77] + "..."
