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
from typing import Annotated, Any, Final, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from evenvoice.errors import ParamsError
from evenvoice.settings import Layer, read_settings

_RULES: Final = {"missing": "be given", "extra_forbidden": "be a known name", "bool_type": "be true or false",
                 "model_type": "be a section of names and values", "string_type": "be a text",
                 "tuple_type": "be a list", "too_short": "hold one value at least"}
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
Method = Literal["geographic", "geodemographic", "clusters", "watched"]
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


class Plant(Section):
    """A semi-synthetic world: a fixed difference for some speakers, so that the truth about who is worse off is known.

    Speakers are chosen in one way: by a box of coordinates, by an attribute, or at random.
    """

    transform: Literal["none", "formants", "speed", "band", "noise"] = Field(
        description="What is done to every recording of the chosen speakers, loudness apart. formants: a longer vocal "
                    "tract. speed: faster speech. band: a lower upper edge. noise: noise with the voice's spectrum.")
    strength: float = Field(
        ge=-0.5, le=1, description="0 changes nothing. formants: share by which the vocal tract is longer (formants "
                                   "and pitch are divided by 1 + strength). speed: share by which speech is faster. "
                                   "band: share of the band that is cut off at its upper end, up to 0.95. noise: its "
                                   "amplitude over the speech's (0.1 is 20 dB SNR).")
    north: float = Field(ge=-90, le=90, description="Northern edge of the box, in degrees; 90 together with -90, 180 "
                                                    "and -180 is no box.")
    south: float = Field(ge=-90, le=90, description="Southern edge of the box.")
    east: float = Field(ge=-180, le=180, description="Eastern edge of the box.")
    west: float = Field(ge=-180, le=180, description="Western edge of the box; it is west of the eastern one, so no "
                                                     "box crosses the 180th meridian.")
    attribute: Literal["none", "gender", "age_band", "accent", "country"] = Field(
        description="Choose the speakers of whom this is value.")
    value: str = Field(description="See attribute; empty with none. Upper and lower case are alike.")
    share: Share = Field(description="Choose each speaker with this probability, by the seed and their name; 0 does "
                                     "not choose at random.")
    train_share: Share = Field(description="Share of the chosen training speakers that training keeps, which makes "
                                           "their group scarce; 1 keeps all.")

    @property
    def who(self) -> Literal["place", "attribute", "share"] | None:
        """How speakers are chosen; None where nobody is."""
        if (self.south, self.north, self.west, self.east) != (-90, 90, -180, 180):
            return "place"
        return "attribute" if self.attribute != "none" else "share" if self.share > 0 else None

    @property
    def plants(self) -> bool:
        """Whether anything is changed, rather than a difference of strength 0."""
        return self.who is not None and (self.strength != 0 or self.train_share < 1)

    @property
    def chosen_by(self) -> str:
        """Who they are, behind the word "speakers"."""
        if self.who == "place":
            return (f"between {self.south:g} and {self.north:g} degrees north and between {self.west:g} and "
                    f"{self.east:g} degrees east")
        return f"whose {self.attribute} is {self.value}" if self.who == "attribute" else "drawn at random"

    @model_validator(mode="after")
    def _one_group_is_chosen(self) -> Plant:
        if self.south >= self.north:
            raise ValueError(f"south must be below north, got {self.south:g} and {self.north:g}")
        if self.west >= self.east:
            raise ValueError(f"west must be below east, got {self.west:g} and {self.east:g}")
        if (self.attribute == "none") != (self.value.strip() == ""):
            raise ValueError(f"attribute and value must be given together, got {self.attribute} and {self.value!r}")
        ways = [name for name, chosen in (("a box", self.who == "place"), ("an attribute", self.attribute != "none"),
                                          ("a share", self.share > 0)) if chosen]
        if len(ways) > 1:
            raise ValueError(f"speakers must be chosen in one way, got {' and '.join(ways)}")
        changes = self.transform != "none" or self.train_share < 1
        if changes and not ways:
            raise ValueError("speakers must be chosen by a box, an attribute or a share, got none of them")
        if ways and not changes:
            raise ValueError(f"a transform or a train_share below 1 must be given with {ways[0]}, got neither")
        return self

    @model_validator(mode="after")
    def _strength_fits(self) -> Plant:
        if self.transform == "none" and self.strength != 0:
            raise ValueError(f"strength must be 0 without a transform, got {self.strength:g}")
        if self.transform in ("band", "noise") and self.strength < 0:
            raise ValueError(f"strength of {self.transform} must not be negative, got {self.strength:g}")
        if self.transform == "band" and self.strength > 0.95:
            raise ValueError(f"strength of band must be at most 0.95, got {self.strength:g}")
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
    plant: Plant

    @model_validator(mode="after")
    def _ranges_are_ordered(self) -> Ingest:
        if self.min_duration_s >= self.max_duration_s:
            raise ValueError("min_duration_s must be below max_duration_s")
        if self.concatenate_min > self.concatenate_max:
            raise ValueError("concatenate_min must not exceed concatenate_max")
        return self


Cause = Literal["accent", "noise", "voice", "none"]
Place = Literal["new-york-city", "new-england", "great-lakes", "upper-midwest", "puget-sound", "los-angeles-basin",
                "gulf-coast", "south-florida", "appalachia", "black-belt", "mississippi-delta", "ozarks"]
"""Regions of the synthetic world."""


class Synthetic(Section):
    """The voice-assistant world that espeak-ng speaks; only read when ingest.corpus is 'synthetic'."""

    speakers: int = Field(ge=12, le=100_000, description="Speakers over all splits.")
    train_utterances: Positive = Field(description="Recordings of each training speaker.")
    other_utterances: Positive = Field(description="Recordings of each discover, validate and test speaker.")
    difficulty: float = Field(ge=0, le=2, description="Scales noise, reverberation and band limits; 1 is the default "
                                                      "world, 0 is clean.")
    cause: Cause = Field(description="Why some are served worse. accent: four regions speak another one, which "
                                     "training hardly holds. noise: they are recorded worse. voice: a third of the "
                                     "people everywhere, whom training hardly holds. none: nobody is.")
    disparity: float = Field(ge=0, le=2, description="Scales how much the cause sets them apart; 0 plants no gap at "
                                                     "all.")
    collect: dict[Place, Positive] = Field(description="Further training speakers by region, as if they had been "
                                                       "collected: {appalachia: 30}.")


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


class Watched(Section):
    """Cohorts of an earlier run, judged again as they were."""

    rules: InputPath = Field(description="Folder of one method's cohorts of an earlier run, such as "
                                         "reports/cohorts/geographic; they are judged again. Empty watches none.")


class Discover(Section):
    """Cohort discovery: fitted on discover speakers, pruned on validate speakers, never on test."""

    min_speakers: int = Field(ge=2, description="Discovery speakers in a cohort at least.")
    min_words: Positive = Field(description="Reference words in a cohort at least.")
    geographic: Geographic
    geodemographic: Geodemographic
    clusters: Clusters
    watched: Watched


def _control_of(arm: str) -> Any:
    """The field of an arm that is trained only to be compared with ``arm``, and never chosen."""
    return Field(json_schema_extra={"control_of": arm})


def _made_from(arm: str) -> Any:
    """The field of an arm that takes the model of ``arm`` instead of training one."""
    return Field(json_schema_extra={"made_from": arm})


class NoSettings(Section):
    """An arm that has nothing of its own to set."""


class L2SP(Section):
    """Fine-tuning with every weight pulled back alike."""

    weight: float = Field(ge=0, description="Pull towards the base model, the same for every weight.")


class EWC(Section):
    """Fine-tuning with weights held by how much they matter for everyone."""

    weight: float = Field(ge=0, description="Pull towards the base model, by Fisher information of mean 1.")
    fisher_utterances: Positive = Field(description="Training recordings whose gradients make the Fisher information.")


class Frozen(Section):
    """Fine-tuning of the upper part of the encoder and of all that follows it."""

    below: Positive = Field(description="Layer of the encoder below which nothing changes, counted from the sound; 1 "
                                        "freezes what stands before the first layer.")


class Interpolate(Section):
    """Weights between the base model and a fine-tuned one."""

    shares: Annotated[tuple[Annotated[float, Field(gt=0, le=1)], ...], Field(strict=False, min_length=1)] = Field(
        description="Shares of the fine-tuned model that are tried, as many of the first ones as there are trials.")


class Rehearsal(Section):
    """Fine-tuning with a sample of everyone else in each batch."""

    share: float = Field(gt=0, lt=1, description="Share of each batch that is not of the bottom cohort.")


class Oversample(Section):
    """Training on everyone, one cohort more often."""

    factors: Annotated[tuple[Annotated[float, Field(ge=1)], ...], Field(strict=False, min_length=1)] = Field(
        description="How many times as often the cohort is drawn: the first factor in the first trial and so on, from "
                    "the first again where there are more trials.")


class Augment(Section):
    """Training on everyone, with variants of one cohort's recordings until it has its share of the population."""

    speed: float = Field(ge=0, le=0.5, description="Variants are faster or slower by up to this share.")
    warp: float = Field(ge=0, le=0.5, description="Vocal tracts of variants are shorter or longer by up to this share.")


class Reweight(Section):
    """Training on everyone, while an adversary that knows voices weighs recordings against the recogniser."""

    adversary: Literal["linear", "hidden"] = Field(
        description="hidden: with a layer between the voice and the weight; linear: without.")
    hidden_units: Positive = Field(description="Width of that layer; only read where the adversary is hidden.")
    clusters: Positive = Field(description="Clusters of the training speakers' embeddings. The adversary sees a "
                                           "speaker's embedding and its cluster.")
    learning_rate: float = Field(gt=0, le=1, description="The adversary's.")
    even_share: Share = Field(description="Part of every weight that is 1 whatever the adversary says; with 1 all "
                                          "recordings count alike.")
    warmup_share: Share = Field(description="Share of the steps in which every weight is 1 and the adversary only "
                                            "learns.")


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
    frozen: Frozen
    interpolate: Interpolate = _made_from("finetune")
    rehearsal: Rehearsal
    oversample: Oversample
    augment: Augment
    reweight: Reweight
    cohort_input: CohortInput
    placebo: NoSettings = _control_of("finetune")
    oversample_random: Oversample = _control_of("oversample")
    augment_random: Augment = _control_of("augment")
    reweight_random: Reweight = _control_of("reweight")
    cohort_input_shuffled: CohortInput = _control_of("cohort_input")
    cohort_input_constant: CohortInput = _control_of("cohort_input")

    @model_validator(mode="after")
    def _controls_are_set_alike(self) -> Arms:
        for control, arm in CONTROLS.items():
            if getattr(self, control) != getattr(self, arm):
                raise ValueError(f"{control} must be set as {arm} is, which it is the control of")
        return self


def _marked(mark: str) -> dict[str, str]:
    extras = {name: entry.json_schema_extra for name, entry in Arms.model_fields.items()}
    return {name: str(extra[mark]) for name, extra in extras.items() if isinstance(extra, dict) and mark in extra}


BASE: Final = "base"
"""The recogniser that the arms start from, and which the cohorts were found with."""
ARMS: Final = tuple(Arms.model_fields)
CONTROLS: Final = _marked("control_of")
"""Control -> the arm that it is like but for the speakers."""
MADE_FROM: Final = _marked("made_from")
"""Arm that takes another's model and has a stage of its own -> that other arm."""
MODELS: Final = (BASE, *ARMS)
"""Every model that can be transcribed and judged."""
UNKNOWN: Final = "unknown"
"""The cohort that a model with a cohort input may be told of anybody."""


def models_of(arms: Collection[str]) -> tuple[str, ...]:
    """The base model and these arms, in the order of every table."""
    return (BASE, *(arm for arm in ARMS if arm in arms))


_ONE_OF: Final = "Input should be one of "
"""Begins the words about a name of a list that is not known, so that its refusal can suggest another."""


def _known_arm(name: str) -> str:
    if name not in ARMS:
        raise ValueError(f"{_ONE_OF}{', '.join(ARMS)}")
    return name


def _judged_arms(arms: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(arms)) < len(arms):
        raise ValueError("Input should be a list that names each arm once")
    if arms and not set(arms) & set(CONTROLS):
        raise ValueError(f"Input should be a list with a control in it ({', '.join(CONTROLS)}): without one nobody can "
                         "tell what an arm does from what more training does")
    for arm, needed in MADE_FROM.items():
        if arm in arms and needed not in arms:
            raise ValueError(f"Input should be a list with {needed} in it, since {arm} is made from its model")
    return arms


class Trial(Section):
    """One way to train an arm."""

    steps: Positive = Field(description="Optimiser steps.")
    learning_rate: float = Field(gt=0, le=1, description="Peak learning rate.")


class Mitigate(Section):
    """Fine-tuning for the worst cohort, and its controls."""

    cohorts: Method = Field(description="Which discovery says who is worst off.")
    arms: Annotated[tuple[Annotated[str, AfterValidator(_known_arm)], ...],
                    Field(strict=False), AfterValidator(_judged_arms)] = Field(
        description="Arms that run: names of the section arms, in any order. The others are left out; an empty list "
                    "leaves out all.")
    bottom_share: float = Field(gt=0, le=1, description="Cohorts are taken from the worst upwards until they hold this "
                                                        "share of the training speakers.")
    trials: Annotated[tuple[Trial, ...], Field(strict=False, min_length=1)] = Field(
        description="Every arm is trained once as each of these says, and the training that serves validate speakers "
                    "best is kept. One trial leaves nothing to choose.")


class Wanted(Section):
    """How much more speech of the bottom cohort would heal it."""

    learn: bool = Field(description="Train the base model again with a quarter and with half of the bottom cohort's "
                                    "training speakers, and forecast how many more are wanted. Costs two trainings.")


PARTS: Final[Mapping[str, float]] = {"quarter": 0.25, "half": 0.5}
"""Parts of the bottom cohort's training speakers that the learning curve is measured with; the base has all."""


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
    wanted: Wanted
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


def is_input_path(section: Section, name: str) -> bool:
    """Whether a field is an :data:`InputPath`."""
    extra = type(section).model_fields[name].json_schema_extra
    return isinstance(extra, dict) and "is_input_path" in extra


def mappings(section: type[BaseModel]) -> frozenset[str]:
    """Dotted names of the values that are mappings themselves, such as ``synthetic.collect``."""
    kinds = section.model_json_schema(by_alias=True)

    def is_mapping(name: str) -> bool:
        rules: Any = kinds
        for part in name.split("."):
            rules = rules["properties"][part]
            if reference := rules.get("$ref"):
                rules = kinds["$defs"][reference.rpartition("/")[2]]
        return bool(rules.get("type") == "object")

    return frozenset(filter(is_mapping, names(section)))


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
    suggestion = ""
    if first["type"] == "extra_forbidden":
        suggestion = _nearest(field, list(names(section, sections=True)))
    elif _ONE_OF in str(first["msg"]):
        suggestion = _nearest(first["input"], str(first["msg"]).partition(_ONE_OF)[2].split(", "))
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
