"""Diagonal Fisher information: which weights the recognition of everyone depends on."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from evenvoice.data.feature_store import FeatureStore
from evenvoice.models.recogniser import Recogniser
from evenvoice.progress import Progress
from evenvoice.training.feed import Feed
from evenvoice.training.objective import Objective

STREAM = 0xF15E  # keeps this draw apart from every other use of the seed


def fisher_information(recogniser: Recogniser, store: FeatureStore, indices: np.ndarray, *, utterances: int,
                       ctc_weight: float, seed: int, progress: Progress) -> dict[str, Tensor]:
    """Mean over utterances of the squared gradient of each one's loss per label, scaled to mean 1 over all weights.

    The gradient is squared per utterance: the square of a batch's mean gradient is another, smaller quantity that
    vanishes where training has converged. Dropout and augmentation are off. Labels are the transcripts, so this is the
    empirical Fisher information.

    Args:
        recogniser: the base model; its weights are not changed.
        store: features and transcripts.
        indices: recordings to draw from; they stand for everyone the model must keep serving.
        utterances: how many are drawn, without replacement; all, where there are fewer.
        ctc_weight: of the loss that training used.

    Returns:
        A tensor of each parameter's shape by its name in ``recogniser.transducer``.
    """
    rng = np.random.default_rng([seed, STREAM])
    drawn = rng.choice(indices, size=min(utterances, len(indices)), replace=False)
    objective = Objective(recogniser.transducer.eval(), ctc_weight)
    feed = Feed(recogniser, store, None, torch.device("cpu"))
    fisher = {name: torch.zeros_like(parameter) for name, parameter in recogniser.transducer.named_parameters()}
    progress.total, progress.unit = len(drawn), "utterance"
    for index in progress.over(drawn):
        batch = feed.batch(np.array([index]), rng)
        _add_squared_gradient(fisher, recogniser, objective(batch).sum() / max(1, batch.labels))
    return _scaled_to_mean_one(fisher)


def _add_squared_gradient(fisher: dict[str, Tensor], recogniser: Recogniser, loss: Tensor) -> None:
    names, parameters = zip(*recogniser.transducer.named_parameters(), strict=True)
    for name, gradient in zip(names, torch.autograd.grad(loss, parameters, allow_unused=True), strict=True):
        if gradient is not None:
            fisher[name] += gradient.square()


def _scaled_to_mean_one(fisher: dict[str, Tensor]) -> dict[str, Tensor]:
    """Makes one EWC weight mean the same for every model and corpus."""
    mean = sum(float(tensor.sum()) for tensor in fisher.values()) / sum(tensor.numel() for tensor in fisher.values())
    return {name: tensor / mean for name, tensor in fisher.items()} if mean > 0 else fisher
