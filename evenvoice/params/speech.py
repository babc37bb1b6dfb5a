"""Speech and what is made of it before anything learns: recordings, splits, features and units."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field, model_validator

from evenvoice.params.plant import Plant
from evenvoice.params.section import Section
from evenvoice.params.values import ColumnNames, InputPath, Positive, Share

OWN_COLUMNS: Final = ("gender", "age_band", "accent", "country")
"""What every layout may tell of speakers beside where they are."""
_TAKEN: Final = (*OWN_COLUMNS, "speaker", "split", "lat", "lon", "postal_code")


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
    columns: ColumnNames = Field(
        description="Further columns of the corpus that tell of its speakers, such as [native_language, device]: of a "
                    "manifest, or the files spk2<name> of a Kaldi directory. Each speaker has one value of each.")
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

    @model_validator(mode="after")
    def _columns_are_further_ones(self) -> Ingest:
        if taken := [name for name in self.columns if name in _TAKEN]:
            raise ValueError(f"columns must name further ones, and {taken[0]} is read anyway")
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
