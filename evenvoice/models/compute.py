"""Multiply-accumulates per second of audio, as the modules themselves count them.

Only matrix products and convolutions are counted, as profilers do; one multiply-accumulate is two of their FLOPs.
What decoding runs is counted: the CTC head is not, and greedy search scores each frame once, and once more for each
label it emits.
"""

from __future__ import annotations

from dataclasses import dataclass

from evenvoice.models.transducer import Transducer


@dataclass(frozen=True, kw_only=True)
class Macs:
    """Multiply-accumulates, per second of audio unless it says otherwise."""

    encoder: float
    predictor: float
    joiner: float
    per_label: float
    """Of one more label, whatever a second holds."""

    @property
    def total(self) -> float:
        """Of the whole recogniser."""
        return self.encoder + self.predictor + self.joiner


def macs_per_audio_s(transducer: Transducer, *, frames_per_s: float, labels_per_s: float,
                     executed_share: float | None = None) -> Macs:
    """Count greedy decoding.

    Args:
        transducer: the model.
        frames_per_s: encoder frames per second.
        labels_per_s: labels emitted per second of audio, as measured while decoding.
        executed_share: share of the dense encoder's work that one with gates did, as measured while decoding
            (``evenvoice.models.gates.Work.share``); None counts every part as working.
    """
    encoder, joiner = transducer.encoder, transducer.joiner
    rows_per_s = frames_per_s * transducer.channels
    per_label = transducer.predictor.macs_per_label + joiner.label_macs + joiner.score_macs
    return Macs(
        per_label=per_label,
        encoder=frames_per_s * (encoder.macs_per_frame if executed_share is None
                                else executed_share * encoder.dense_macs_per_frame),
        predictor=labels_per_s * transducer.predictor.macs_per_label,
        joiner=rows_per_s * (joiner.frame_macs + joiner.score_macs)
        + labels_per_s * (joiner.label_macs + joiner.score_macs))
