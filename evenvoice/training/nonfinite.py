"""Batches whose loss or gradient is NaN or infinite: a few are skipped, then training stops and names them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import safetensors.torch
import torch
from torch import Tensor

from evenvoice.errors import NonFiniteLoss
from evenvoice.storage import write_bytes, write_json
from evenvoice.training.objective import Batch

NAMED: Final = 10
"""Utterances that the message names; the file holds all."""


def stop(batch: Batch, losses_B: Tensor, *, step: int, skipped: int, budget: int, dump: Path | None) -> NonFiniteLoss:
    """Write the batch under ``dump`` and return the error that names it.

    Args:
        batch: this process's part of the step.
        losses_B: its losses; where all are finite, the gradient was not, or another process's loss.
        step: the step that cannot be taken.
        skipped: batches skipped before and with this one.
        budget: how many may be.
        dump: a folder for it; None keeps nothing.
    """
    guilty = [name for name, finite in zip(batch.ids, torch.isfinite(losses_B).tolist(), strict=True) if not finite]
    where = ""
    if dump is not None:
        write_bytes(dump / "batch.safetensors", safetensors.torch.save(_tensors(batch, losses_B)))
        write_json(dump / "batch.json", {"step": step, "utterances": list(batch.ids), "nonfinite": guilty})
        where = f" The batch is in {dump}."
    named = _few(guilty or batch.ids)
    kind = "loss" if guilty else "gradient"
    return NonFiniteLoss(name=f"{kind} of step {step} (utterances {named})",
                         rule=f"be finite in all but {budget} batches", value=f"NaN or infinity in {skipped}",
                         action=f"Look at these recordings, or lower the learning rate.{where}")


def _few(names: Sequence[str]) -> str:
    rest = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _tensors(batch: Batch, losses_B: Tensor) -> dict[str, Tensor]:
    tensors = {"features_BTM": batch.features_BTM, "frame_lengths_B": batch.frame_lengths_B,
               "labels_BU": batch.labels_BU, "label_lengths_B": batch.label_lengths_B, "losses_B": losses_B}
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
