"""The one schema of the configuration: types, ranges and help of every number a person may change.

It validates params.yaml and the profiles laid over it, fills the trigger form of the Airflow DAG, and names the
allowed range when a value is refused. It imports neither torch nor pyarrow, since DAG files read it.

Every field stands in params.yaml: there are no hidden defaults, so DVC sees each value that a result depends on.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, WithJsonSchema, model_validator

from evenvoice.errors import ParamsError
from evenvoice.settings import Layer, read_settings

_RULES: Final = {"missing": "be given", "extra_forbidden": "be a known name", "bool_type": "be true or false",
                 "model_type": "be a section of names and values", "string_type": "be a text"}
"""Where pydantic's own words would not help."""
_SPELLING: Final = {"string_type": " Put quotes around a text that looks like something else."}
_SHORT: Final = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
AnySection = TypeVar("AnySection", bound=BaseModel)
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
InputPath = Annotated[str, Field(json_schema_extra={"is_input_path": True})]
"""What lies there is an input by its content: whoever starts a run describes every field of this type to DVC."""
AUTO: Final = "auto"


def _positive_or_auto(value: Any) -> float | str:
    """One rule for both kinds of value: pydantic would report a union once for each."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value != AUTO and not (number and 0 < value < math.inf):
        raise ValueError("Input should be a number above 0, or 'auto'")
    return AUTO if value == AUTO else float(value)


PositiveOrAuto = Annotated[
    float | Literal["auto"], PlainValidator(_positive_or_auto),
    WithJsonSchema({"type": ["number", "string"], "exclusiveMinimum": 0, "pattern": f"^{AUTO}$"})]
Method = Literal["geographic", "geodemographic", "clusters"]
METHODS: Final[tuple[str, ...]] = get_args(Method)
"""Ways to find cohorts, in the order of every table; each is a file of evenvoice/cohorts. A new one goes last: the
place of a method is part of the seed of its random numbers."""


class Section(BaseModel):
    """A frozen section of params.yaml; unknown names are refused, and values of another kind than the field's.

    Strict, since DVC takes what is written at its word: to it "5" is no number, and true is not 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


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

    corpus: InputPath = Field(description="'synthetic', or the path of a corpus on this machine.")
    layout: Literal["auto", "synthetic", "kaldi", "manifest", "librispeech", "commonvoice"] = Field(
        description="How the corpus is laid out; auto looks at its files.")
    select: str = Field(description="Only rows whose path begins with this; empty takes all. "
                                    "One part of a manifest that lists several.")
    text_column: str = Field(description="Column of a manifest that holds the transcript.")
    census: InputPath = Field(description="Path of a table with a postal_code column and one column per statistic; "
                                    "empty when there is none. The synthetic corpus brings its own.")
    sample_rate: int = Field(ge=8000, le=48000, description="Everything is resampled to this rate, in Hz.")
    min_duration_s: float = Field(ge=0, description="Shorter recordings are refused.")
    max_duration_s: float = Field(gt=0, le=600, description="Longer recordings are refused.")
    max_transcript_chars: Positive = Field(description="Longer transcripts are refused.")
    markup: Literal["refuse", "drop", "keep"] = Field(
        description="Tags and HTML entities in transcripts ('<unk>', '[noise]', '&amp;'). refuse: such recordings are "
                    "refused. drop: tags are taken away with what they enclose, entities become characters. keep: "
                    "both are trained on and scored as words.")
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
    batch_s: PositiveOrAuto = Field(description="Seconds of speech per batch and process, padding included. auto: as "
                                                "many as the memory of the GPU holds; 25 on a processor.")
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
    box_edges: int = Field(ge=0, le=40, description="Places along each axis where boxes can end. 0: no boxes.")
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

    cohorts: Method = Field(description="Which discovery says who is worst off.")
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


class CohortInput(Section):
    """Training on everyone, with each speaker's cohort told to the model."""

    dropout: float = Field(ge=0, lt=1, description="Share of the training recordings, drawn anew for each batch, whose "
                                                   "cohort is left out, so that the model learns to do without.")
    vector_rate: float = Field(gt=0, le=1000, description="How many times the arms' learning rate the cohorts' vectors "
                                                          "take, which begin as zeros: with 1 they get nowhere.")


class Arms(Section):
    """What each mitigation arm has of its own; changing one runs that arm and what lies behind it.

    The one list of arms, in the order of every table; each is a file of evenvoice/mitigation.
    """

    finetune: NoSettings
    l2sp: L2SP
    ewc: EWC
    oversample: Oversample
    placebo: NoSettings
    cohort_input: CohortInput
    cohort_input_shuffled: CohortInput
    cohort_input_constant: CohortInput

    @model_validator(mode="after")
    def _controls_differ_in_nothing_else(self) -> Self:
        for control in (self.cohort_input_shuffled, self.cohort_input_constant):
            if control != self.cohort_input:
                raise ValueError("cohort_input_shuffled and cohort_input_constant must be set as cohort_input is "
                                 f"({self.cohort_input}), whose controls they are")
        return self


BASE: Final = "base"
"""The recogniser that the arms start from, and which the cohorts were found with."""
ARMS: Final = tuple(Arms.model_fields)
MODELS: Final = (BASE, *ARMS)
"""Every model that is transcribed and judged."""
UNKNOWN: Final = "unknown"
"""The cohort that a model with a cohort input may be told of anybody."""


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
        ParamsError: not YAML, a missing or unknown name, or a value out of its range; with the line.
    """
    layer = read_settings(path)
    return check(Params, layer.content, layer)


def parse_params(content: Any, source: str) -> Params:
    """Validate a mapping; every broken rule becomes one :class:`ParamsError` naming the dotted field."""
    return check(Params, content, Layer(source, content))


def settle(layers: Iterable[Layer]) -> dict[str, Any]:
    """Lay each layer over those before it.

    Raises:
        ParamsError: a layer leaves parameters that break a rule; it names that layer, and where the value stands in it.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = overlay(merged, layer.content)
        check(Params, merged, layer)
    return merged


def check(section: type[AnySection], content: Any, layer: Layer) -> AnySection:
    """Validate ``content``, to which ``layer`` gave the last values.

    Raises:
        ParamsError: a rule is broken; unknown names come first, because a misspelt name is also a missing one.
    """
    try:
        return section.model_validate(content)
    except ValidationError as error:
        problems = sorted(error.errors(include_url=False), key=lambda problem: problem["type"] != "extra_forbidden")
        raise _refusal(section, problems, layer) from error


def refuse_unknown(given: Mapping[Any, Any], *, known: Collection[str], source: str) -> None:
    """Refuse single values whose dotted names are none of ``known``.

    Raises:
        ParamsError: it suggests the nearest name, or the dotted spelling of one that is written as a mapping.
    """
    for name, value in given.items():
        if name in known:
            continue
        dotted, single = str(name), value
        while isinstance(single, Mapping) and single and dotted not in known:
            below, single = next(iter(single.items()))
            dotted = f"{dotted}.{below}"
        if dotted in known and dotted != name:
            raise ParamsError(name=f"{source}: {name}", rule=f"be given by its dotted name {dotted}",
                              value=_short(value), action=f"Write {dotted} and its value, one name for each value.")
        first = next((other for other in known if other.startswith(f"{dotted}.")), None)
        rule = f"be the name of one value, such as {first}" if first else "be a known name"
        raise ParamsError(name=f"{source}: {dotted}", rule=rule, value=_short(single),
                          action=f"Correct {dotted} in {source}.{_nearest(dotted, known)}")


def names(section: type[BaseModel], *, sections: bool = False, prefix: str = "") -> Iterator[str]:
    """The dotted name of every value below ``section``; of the sections too, where asked for."""
    for name, entry in section.model_fields.items():
        dotted = prefix + (entry.alias or name)
        if isinstance(entry.annotation, type) and issubclass(entry.annotation, BaseModel):
            yield from [dotted] if sections else []
            yield from names(entry.annotation, sections=sections, prefix=f"{dotted}.")
        else:
            yield dotted


def overlay(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Lay the values of a profile over params.yaml, section by section."""
    merged = dict(base)
    for name, value in changes.items():
        below = merged.get(name)
        merged[name] = overlay(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def _refusal(section: type[BaseModel], problems: list[Any], layer: Layer) -> ParamsError:
    first = problems[0]
    field = ".".join(str(part) for part in first["loc"]) or "the whole file"
    suggestion = _nearest(field, list(names(section, sections=True))) if first["type"] == "extra_forbidden" else ""
    spelling = _SPELLING.get(first["type"], "")
    others = f" ({len(problems) - 1} more problems follow.)" if len(problems) > 1 else ""
    return ParamsError(name=f"{layer.place(first['loc'])}: {field}", rule=_rule(first), value=_shown(first, layer),
                       action=f"Correct {field} in {layer.source}.{spelling}{suggestion}{others}")


def _nearest(name: str, known: Collection[str]) -> str:
    """``Did you mean train.steps?`` for train.stepz, or for stepz in a section of another name."""
    by_last = {other.rpartition(".")[2]: other for other in known}
    close = get_close_matches(name, known, n=1)
    close = close or [by_last[last] for last in get_close_matches(name.rpartition(".")[2], by_last, n=1)]
    return f" Did you mean {close[0]}?" if close else ""


def _rule(error: Any) -> str:
    if error["type"] in _RULES:
        return _RULES[error["type"]]
    message = str(error["msg"]).removeprefix("Value error, ")
    what_it_should_be = message.removeprefix("Input should be ")
    return f"satisfy: {message}" if what_it_should_be == message else f"be {what_it_should_be}"


def _shown(error: Any, layer: Layer) -> str:
    if error["type"] == "missing":
        return "nothing"
    return layer.written(error["loc"]) or _short(error["input"])


def _short(value: Any) -> str:
    return _SHORT.repr(value)
