"""The recogniser and the speaker encoder: how they are trained, and what is read off them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from evenvoice.params.section import Section
from evenvoice.params.values import Positive, PositiveOrAuto, Share


class Train(Section):
    """The base recogniser and how it is trained."""

    encoder: Literal["lstm", "convrnnt", "convrnnt-local", "convrnnt-global", "conformer", "transformer",
                     "contextnet"] = Field(
        description="Streaming encoder; convrnnt-local and convrnnt-global have one branch only.")
    size: Literal["tiny", "1.5M", "10M", "30M", "85M"] = Field(
        description="Parameters of the whole recogniser; shapes are in evenvoice/models/presets.py.")
    stack: int = Field(ge=1, le=8, description="Log-mel frames per encoder frame; 4 is one frame per 40 ms.")
    lookahead: int = Field(ge=0, le=100, description="Encoder frames that each output waits for; 0 adds no latency.")
    dropout: float = Field(ge=0, lt=1, description="Dropout in the encoder and predictor.")
    steps: Positive = Field(description="Optimiser steps.")
    batch_s: PositiveOrAuto = Field(description="Seconds of speech per batch and process, padding included. auto: as "
                                                "many as the memory of the GPU holds; 25 on a processor.")
    optimiser: Literal["adamw", "muon"] = Field(
        description="What updates the weights. muon moves the matrices inside the blocks of a transformer or conformer "
                    "by orthogonalised momentum and all else by AdamW.")
    learning_rate: float = Field(gt=0, le=1, description="Peak of the one-cycle schedule.")
    warmup_share: Share = Field(description="Share of the steps in which the learning rate rises.")
    weight_decay: float = Field(ge=0, description="AdamW's decoupled weight decay.")
    gradient_clip: float = Field(gt=0, description="Largest gradient norm.")
    ctc_weight: Share = Field(description="Weight of the auxiliary CTC loss.")
    listen_first_s: float = Field(
        ge=0, le=2, description="Seconds at the beginning of every recording that may write nothing during the first "
                                "half of the training. Keeps it from settling on the most frequent first word; 0 "
                                "leaves it to luck.")
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
    """The speaker encoder, by which voices are verified and automatic cohorts are found."""

    encoder: Literal["conv", "ecapa"] = Field(
        description="conv: three convolutions, then mean and deviation over time. ecapa: ECAPA-TDNN, which is better "
                    "and takes several times as long.")
    loss: Literal["prototypical", "margin"] = Field(
        description="prototypical: angular prototypical, within the batch. margin: additive angular margin softmax, "
                    "against every training speaker.")
    embedding: int = Field(ge=8, le=1024, description="Width of an embedding.")
    width: int = Field(ge=16, le=2048, multiple_of=4, description="Channels of the convolution blocks.")
    steps: Positive = Field(description="Optimiser steps.")
    speakers_per_batch: int = Field(ge=2, description="Speakers in a batch.")
    recordings_per_speaker: int = Field(ge=2, description="Recordings of each speaker in a batch.")
    crop_s: float = Field(gt=0, description="Length of the random crop of each recording.")
    speed: float = Field(ge=0, le=0.5, description="Crops are faster and higher, or slower and lower, by up to this "
                                                   "share.")
    noise_share: Share = Field(description="Share of the crops beside which another training voice is heard, 0 to 15 "
                                           "dB weaker.")
    learning_rate: float = Field(gt=0, le=1, description="Peak learning rate.")
    weight_decay: float = Field(ge=0, description="AdamW's decoupled weight decay.")
    checkpoint_every_s: float = Field(gt=0, description="Seconds between checkpoints.")


class Embed(Section):
    """Speaker embeddings."""

    batch_s: float = Field(gt=0, description="Seconds of speech embedded together.")
