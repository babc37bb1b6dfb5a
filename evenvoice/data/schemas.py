"""The tables that travel between stages: one declared Arrow schema each, units in the column names."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

SPLITS: Final = ("train", "discover", "validate", "test")
HEARD: Final = ("discover", "validate", "test")
"""Splits that models transcribe. Cohorts are discovered with the base model alone; arms are compared with each other on
discover speakers too."""

UTTERANCES: Final = pa.schema([
    pa.field("utterance", pa.string(), nullable=False),
    pa.field("speaker", pa.string(), nullable=False),  # keyed pseudonym, never the corpus's own name
    pa.field("split", pa.string(), nullable=False),
    pa.field("text", pa.string(), nullable=False),  # normalised, see evenvoice.data.text
    pa.field("duration_s", pa.float32(), nullable=False),
    pa.field("session", pa.string()),  # keyed pseudonym of what was recorded at one time
    pa.field("audio", pa.large_binary(), nullable=False),  # WAV, 16 bits, mono, ingest.sample_rate
    pa.field("lat", pa.float32()),  # coarsened to ingest.coordinate_decimals
    pa.field("lon", pa.float32()),
    pa.field("postal_code", pa.string()),
    pa.field("gender", pa.string()),
    pa.field("age_band", pa.string()),
    pa.field("accent", pa.string()),
    pa.field("country", pa.string()),
])
"""One row per recording that passed ingest."""

FURTHER: Final = "further"
SPEAKERS: Final = pa.schema([
    *(UTTERANCES.field(name) for name in
      ("speaker", "split", "lat", "lon", "postal_code", "gender", "age_band", "accent", "country")),
    pa.field(FURTHER, pa.map_(pa.string(), pa.string()), nullable=False),  # known values of ingest.columns
])
"""One row per speaker and split: the first non-null value of each attribute over the speaker's recordings."""

REJECTED: Final = pa.schema([
    pa.field("recording", pa.string(), nullable=False),
    pa.field("rule", pa.string(), nullable=False),
    pa.field("value", pa.string(), nullable=False),
    pa.field("action", pa.string(), nullable=False),
])
"""One row per recording that ingest refused."""

CENSUS_KEY: Final = pa.field("postal_code", pa.string(), nullable=False)
"""Key of the census table; every other column is a float64 share or median of that postal code."""

FEATURES: Final = pa.schema([
    pa.field("utterance", pa.string(), nullable=False),
    pa.field("speaker", pa.string(), nullable=False),
    pa.field("split", pa.string(), nullable=False),
    pa.field("text", pa.string(), nullable=False),
    pa.field("duration_s", pa.float32(), nullable=False),
    pa.field("frames", pa.int32(), nullable=False),
    pa.field("features", pa.large_binary(), nullable=False),  # frames x n_mels float16, row-major
])
"""One row per recording: log-mel features, read by memory map."""

HYPOTHESES: Final = pa.schema([
    pa.field("utterance", pa.string(), nullable=False),
    pa.field("speaker", pa.string(), nullable=False),
    pa.field("split", pa.string(), nullable=False),
    pa.field("reference", pa.string(), nullable=False),
    pa.field("hypothesis", pa.string(), nullable=False),
    pa.field("words", pa.int32(), nullable=False),  # of the reference
    pa.field("substitutions", pa.int32(), nullable=False),
    pa.field("deletions", pa.int32(), nullable=False),
    pa.field("insertions", pa.int32(), nullable=False),
    pa.field("duration_s", pa.float32(), nullable=False),
])
"""One row per transcribed recording; errors = substitutions + deletions + insertions."""

WORK: Final = pa.schema([
    pa.field("utterance", pa.string(), nullable=False),
    pa.field("speaker", pa.string(), nullable=False),
    pa.field("split", pa.string(), nullable=False),
    pa.field("executed", pa.float64(), nullable=False),
    pa.field("dense", pa.float64(), nullable=False),
    pa.field("executed_in_silence", pa.float64(), nullable=False),
    pa.field("dense_in_silence", pa.float64(), nullable=False),
])
"""One row per transcribed recording: multiply-accumulates of an encoder with gates, and of the same one without."""

EMBEDDINGS: Final = pa.schema([
    pa.field("speaker", pa.string(), nullable=False),
    pa.field("split", pa.string(), nullable=False),
    pa.field("embedding", pa.list_(pa.float32()), nullable=False),  # unit length, mean over recordings
])
"""One row per speaker and split."""

COHORTS: Final = pa.schema([
    pa.field("speaker", pa.string(), nullable=False),
    pa.field("split", pa.string(), nullable=False),
    pa.field("cohort", pa.string()),  # null: the method cannot place this speaker
])
"""One row per speaker and split, for every split: rules are frozen on discovery speakers, then applied."""

COARSER: Final = pa.schema([
    pa.field("speaker", pa.string(), nullable=False),
    pa.field("split", pa.string(), nullable=False),
    pa.field("cohorts", pa.int32(), nullable=False),  # into how many the rule was cut down
    pa.field("cohort", pa.int32()),  # a number without a rank; null: cannot be placed
])
"""One row per speaker, split and number of cohorts: what a method finds with fewer cohorts, frozen like its own."""

EQUAL_COUNTS: Final = pa.schema([
    pa.field("method", pa.string(), nullable=False),
    pa.field("cohorts", pa.int32(), nullable=False),
    pa.field("smallest", pa.int32(), nullable=False),  # speakers of the smallest cohort
    pa.field("unplaced", pa.int32(), nullable=False),  # speakers in no cohort
    pa.field("spread", pa.float64(), nullable=False),  # (max W - min W) / min W
    pa.field("null_spread", pa.float64(), nullable=False),  # mean spread of random partitions of the same sizes
    pa.field("null_spread_high", pa.float64(), nullable=False),  # their 95th percentile
])
"""Base model, test speakers: how far the cohorts of each method lie apart when all methods make equally many."""

CURVE: Final = pa.schema([
    pa.field("step", pa.int32(), nullable=False),
    pa.field("loss", pa.float64(), nullable=False),
    pa.field("learning_rate", pa.float64(), nullable=False),
    pa.field("effective_share", pa.float64()),  # effective sample size / batch; null: recordings are not weighted
    pa.field("executed_share", pa.float64()),  # of the dense encoder's work; null: no gates decide what works
])
"""One row per optimiser step of a training."""

WEIGHING: Final = pa.schema([
    pa.field("epoch", pa.int32(), nullable=False),
    pa.field("cluster", pa.int32(), nullable=False),
    pa.field("speakers", pa.int32(), nullable=False),  # draws of speakers whose last recording lay in it
    pa.field("weight", pa.float64(), nullable=False),  # mean; 1 is as much as anybody
    pa.field("loss", pa.float64(), nullable=False),  # mean, unweighted
])
"""Whom an adversary made to count in the training of a speaker encoder, by epoch and cluster of voices."""

TRIALS: Final = pa.schema([
    pa.field("split", pa.string(), nullable=False),
    pa.field("first_speaker", pa.string(), nullable=False),
    pa.field("second_speaker", pa.string(), nullable=False),
    pa.field("condition", pa.string(), nullable=False),
    pa.field("score", pa.float32(), nullable=False),  # cosine of two embeddings
])
"""One row per pair of recordings that a verifier compared; of one speaker where both names are the same."""

VERIFICATION: Final = pa.schema([
    pa.field("model", pa.string(), nullable=False),
    pa.field("split", pa.string(), nullable=False),
    pa.field("partition", pa.string(), nullable=False),  # a column, voices, condition, or "whole"
    pa.field("group", pa.string(), nullable=False),
    pa.field("speakers", pa.int32(), nullable=False),
    pa.field("same_trials", pa.int64(), nullable=False),
    pa.field("different_trials", pa.int64(), nullable=False),
    pa.field("eer", pa.float64()),  # null without trials of both kinds
    pa.field("eer_low", pa.float64()),  # bounds on test speakers alone
    pa.field("eer_high", pa.float64()),
    pa.field("miss", pa.float64()),  # at the model's one threshold
    pa.field("miss_low", pa.float64()),
    pa.field("miss_high", pa.float64()),
    pa.field("false_alarm", pa.float64()),
    pa.field("false_alarm_low", pa.float64()),
    pa.field("false_alarm_high", pa.float64()),
    pa.field("relative", pa.float64()),  # of the EER against the unweighted verifier's; negative is better
    pa.field("relative_low", pa.float64()),  # speakers resampled in pairs, both verifiers on the same
    pa.field("relative_high", pa.float64()),
])
"""Error rates of every verifier for every group; different-speaker trials are those within the group."""

GROUPED: Final = pa.schema([
    pa.field("partition", pa.string(), nullable=False),
    pa.field("speaker", pa.string(), nullable=False),
    pa.field("split", pa.string(), nullable=False),
    pa.field("group", pa.string(), nullable=False),
])
"""Who is in which group of verification; never handed to MLflow."""

VERIFICATION_GAPS: Final = pa.schema([
    pa.field("model", pa.string(), nullable=False),
    pa.field("partition", pa.string(), nullable=False),
    pa.field("groups", pa.int32(), nullable=False),
    pa.field("bottom", pa.string(), nullable=False),  # ranked on discover speakers
    pa.field("top", pa.string(), nullable=False),
    pa.field("figure", pa.string(), nullable=False),  # gap: EER of bottom less that of top; spread: deviation of EERs
    pa.field("value", pa.float64(), nullable=False),
    pa.field("low", pa.float64(), nullable=False),
    pa.field("high", pa.float64(), nullable=False),
    pa.field("change", pa.float64(), nullable=False),  # less that of the unweighted verifier, on the same speakers
    pa.field("change_low", pa.float64(), nullable=False),
    pa.field("change_high", pa.float64(), nullable=False),
])
"""How far the equal error rates of groups lie apart on test speakers."""

DETECTION: Final = pa.schema([
    pa.field("model", pa.string(), nullable=False),
    pa.field("miss", pa.float64(), nullable=False),
    pa.field("false_alarm", pa.float64(), nullable=False),
])
"""Points of the curve of misses against false alarms on test speakers."""

COHORT_WER: Final = pa.schema([
    pa.field("model", pa.string(), nullable=False),
    pa.field("method", pa.string(), nullable=False),  # a discovery method, or "whole"
    pa.field("cohort", pa.string(), nullable=False),  # a cohort, or "whole"
    pa.field("split", pa.string(), nullable=False),
    pa.field("speakers", pa.int32(), nullable=False),
    pa.field("words", pa.int64(), nullable=False),
    pa.field("errors", pa.int64(), nullable=False),
    pa.field("wer", pa.float64()),  # null when suppressed or without words
    pa.field("wer_low", pa.float64()),
    pa.field("wer_high", pa.float64()),
    pa.field("share", pa.float64(), nullable=False),  # of the split's speakers
])
"""WER of every model on every cohort, pooled over words, with speaker-bootstrap intervals."""

GAPS: Final = pa.schema([
    pa.field("model", pa.string(), nullable=False),
    pa.field("method", pa.string(), nullable=False),
    pa.field("split", pa.string(), nullable=False),
    pa.field("cohorts", pa.int32(), nullable=False),
    pa.field("bottom", pa.string(), nullable=False),  # worst cohort, ranked on discovery speakers
    pa.field("top", pa.string(), nullable=False),  # best cohort, ranked on discovery speakers
    pa.field("bottom_share", pa.float64(), nullable=False),
    pa.field("gap_over_top", pa.float64()),  # (W_bottom - W_top) / W_top
    pa.field("gap_over_top_low", pa.float64()),
    pa.field("gap_over_top_high", pa.float64()),
    pa.field("gap_over_bottom", pa.float64()),  # (W_bottom - W_top) / W_bottom
    pa.field("spread", pa.float64()),  # (max W - min W) / min W over cohorts on this split
    pa.field("null_spread", pa.float64()),  # mean spread of random partitions of the same sizes
    pa.field("null_spread_high", pa.float64()),  # their 95th percentile
])
"""One row per model, method and split: how far the cohorts lie apart, beside what chance alone gives."""

COMPARISONS: Final = pa.schema([
    pa.field("arm", pa.string(), nullable=False),
    pa.field("split", pa.string(), nullable=False),
    pa.field("method", pa.string(), nullable=False),  # a discovery method, or "whole"
    pa.field("cohort", pa.string(), nullable=False),  # a cohort, or "whole"
    pa.field("speakers", pa.int32(), nullable=False),
    pa.field("base_wer", pa.float64()),
    pa.field("arm_wer", pa.float64()),
    pa.field("relative", pa.float64()),  # (arm - base) / base; negative is better
    pa.field("relative_low", pa.float64()),  # paired speaker bootstrap
    pa.field("relative_high", pa.float64()),
])
"""Every mitigation arm against the untouched base on the same resampled speakers."""

SAVING: Final = pa.schema([
    pa.field("split", pa.string(), nullable=False),
    pa.field("method", pa.string(), nullable=False),  # a discovery method, or "whole"
    pa.field("cohort", pa.string(), nullable=False),  # a cohort, or "whole"
    pa.field("speakers", pa.int32(), nullable=False),
    pa.field("executed_share", pa.float64()),  # of the encoder's work without gates
    pa.field("relative", pa.float64()),  # (amortized - dense) / dense of WER; negative is better
    pa.field("relative_low", pa.float64()),  # paired speaker bootstrap
    pa.field("relative_high", pa.float64()),
])
"""The amortized model against its dense control on the same resampled speakers, and who gets its computation."""

VARIANCES: Final = pa.schema([
    pa.field("arm", pa.string(), nullable=False),
    pa.field("split", pa.string(), nullable=False),
    pa.field("method", pa.string(), nullable=False),
    pa.field("base_variance", pa.float64()),  # of WER over cohorts, each counted by its speakers, less what chance adds
    pa.field("arm_variance", pa.float64()),
    pa.field("relative", pa.float64()),  # (arm - base) / base; null where the base has no variance beyond chance
    pa.field("relative_low", pa.float64()),  # paired speaker bootstrap
    pa.field("relative_high", pa.float64()),
])
"""How every arm changes the variance of WER over the cohorts of a method (evenvoice.metrics.variance)."""

_SPAN: Final = pa.struct([pa.field("start_s", pa.float64(), nullable=False),
                          pa.field("end_s", pa.float64(), nullable=False)])
TURN: Final = pa.struct([
    pa.field("speaker", pa.string(), nullable=False),
    pa.field("start_s", pa.float64(), nullable=False),
    pa.field("end_s", pa.float64(), nullable=False),
    pa.field("text", pa.string(), nullable=False),
    pa.field("pauses", pa.list_(_SPAN), nullable=False),  # silences within it, where they are known
])
MIXTURES: Final = pa.schema([
    pa.field("mixture", pa.string(), nullable=False),
    pa.field("split", pa.string(), nullable=False),
    pa.field("duration_s", pa.float32(), nullable=False),
    pa.field("frames", pa.int32(), nullable=False),
    pa.field("turns", pa.list_(TURN), nullable=False),  # by start; none in a silent recording
    pa.field("features", pa.large_binary(), nullable=False),  # frames x n_mels float16, row-major
])
"""One row per recording of several talkers, read by memory map."""

HEARD_TURNS: Final = pa.schema([
    pa.field("model", pa.string(), nullable=False),
    pa.field("mixture", pa.string(), nullable=False),
    pa.field("split", pa.string(), nullable=False),
    pa.field("channel", pa.int32(), nullable=False),
    pa.field("start_s", pa.float64()),  # when it was told; null: never
    pa.field("end_s", pa.float64()),
    pa.field("text", pa.string(), nullable=False),
])
"""One row per turn that a model heard; a channel without turns has none."""

SPOKEN_TURNS: Final = pa.schema([
    pa.field("model", pa.string(), nullable=False),
    pa.field("mixture", pa.string(), nullable=False),
    pa.field("split", pa.string(), nullable=False),
    pa.field("speaker", pa.string(), nullable=False),
    pa.field("start_s", pa.float64(), nullable=False),
    pa.field("end_s", pa.float64(), nullable=False),
    pa.field("words", pa.int32(), nullable=False),
    pa.field("errors", pa.int32(), nullable=False),  # in the assignment of channels that ORC-WER chose
    pa.field("into_silence", pa.bool_(), nullable=False),  # nobody else speaks when it ends
    pa.field("sot_latency_s", pa.float64()),  # null: no turn was heard for it
    pa.field("eot_latency_s", pa.float64()),  # negative: before its end; null: never told
    pa.field("cut", pa.bool_(), nullable=False),  # its end was told while it went on
])
"""One row per turn that was said, and what became of it."""

MIXTURE_ERRORS: Final = pa.schema([
    pa.field("model", pa.string(), nullable=False),
    pa.field("mixture", pa.string(), nullable=False),
    pa.field("split", pa.string(), nullable=False),
    pa.field("speakers", pa.list_(pa.string()), nullable=False),
    pa.field("turns", pa.int32(), nullable=False),
    pa.field("heard_turns", pa.int32(), nullable=False),
    pa.field("words", pa.int32(), nullable=False),
    pa.field("orc_errors", pa.int32(), nullable=False),  # MeetEval's ORC-WER times words
    pa.field("cp_errors", pa.int32(), nullable=False),  # of cpWER
    pa.field("duration_s", pa.float64(), nullable=False),
])
"""One row per mixture and model."""

TURN_RATES: Final = pa.schema([
    pa.field("model", pa.string(), nullable=False),
    pa.field("partition", pa.string(), nullable=False),  # a method of discovery, a column, pace, or "whole"
    pa.field("group", pa.string(), nullable=False),
    pa.field("speakers", pa.int32(), nullable=False),
    pa.field("turns", pa.int64(), nullable=False),
    pa.field("words", pa.int64(), nullable=False),
    *(pa.field(f"{figure}{bound}", pa.float64())
      for figure in ("wer", "cut", "missed", "sot_p50_s", "sot_p90_s", "eot_p50_s", "eot_p90_s")
      for bound in ("", "_low", "_high")),
])
"""Test speakers: word errors, turns cut off, ends never told, and latencies, with intervals that resample speakers."""

ENDPOINTING: Final = pa.schema([
    pa.field("kind", pa.string(), nullable=False),  # model, or vad
    pa.field("hangover_s", pa.float64()),  # of the energy detector
    pa.field("turns", pa.int64(), nullable=False),  # that end in silence
    pa.field("cut", pa.float64(), nullable=False),
    pa.field("missed", pa.float64(), nullable=False),
    pa.field("eot_p50_s", pa.float64()),
    pa.field("eot_p90_s", pa.float64()),
])
"""Ends of turns on test mixtures: the model beside an energy detector that waits for so much silence."""
