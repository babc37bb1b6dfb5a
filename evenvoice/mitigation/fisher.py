"""Diagonal Fisher information: which weights the recognition of everyone depends on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evenvoice.data.feature_store import FeatureStore
from evenvoice.models.recogniser import Recogniser
from evenvoice.progress import Progress
from evenvoice.training.feed import Feed
from evenvoice.training.objective import Batch, Objective

STREAM = 0xF15E  # keeps this draw apart from every other use of the seed
AT_ONCE = 16
"""Recordings that are summed up before their sum goes to the others, so that the result has the same bits whatever the
number of threads is."""
MOST_THREADS = 8
"""Each holds a number for every weight."""


def fisher_information(recogniser: Recogniser, store: FeatureStore, indices: np.ndarray, *, utterances: int,
                       ctc_weight: float, seed: int, progress: Progress) -> dict[str, Tensor]:
    """Mean over utterances of the squared gradient of each one's loss per label, scaled to mean 1 over all weights.

    The gradient is squared per utterance: the square of a batch's mean gradient is another, smaller quantity that
    vanishes where training has converged. Dropout and augmentation are off. Labels are the transcripts, so this is the
    empirical Fisher information.

    An utterance alone keeps a single core busy, so each thread that PyTorch may use takes utterances of its own.

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
    squares = _Squares(recogniser, store, ctc_weight)
    names, fisher = squares.names, squares.nothing()
    progress.total, progress.unit = len(drawn), "utterance"
    for number, found in squares.of_parts([drawn[start:start + AT_ONCE] for start in range(0, len(drawn), AT_ONCE)]):
        torch._foreach_add_(fisher, found)
        progress.advance(number)
    return _scaled_to_mean_one(dict(zip(names, fisher, strict=True)))


class _Squares:
    """Squared gradients, summed over recordings."""

    def __init__(self, recogniser: Recogniser, store: FeatureStore, ctc_weight: float) -> None:
        self._objective: nn.Module = Objective(recogniser.transducer.eval(), ctc_weight)
        self._feed = Feed(recogniser, store, None, torch.device("cpu"))
        self.names, self._parameters = zip(*recogniser.transducer.named_parameters(), strict=True)

    def nothing(self) -> list[Tensor]:
        """Zeros of each parameter's shape."""
        return [torch.zeros_like(parameter) for parameter in self._parameters]

    def of_parts(self, parts: Sequence[NDArray[np.int64]]) -> Iterator[tuple[int, list[Tensor]]]:
        """Size and sum of each part, in their order."""
        threads = torch.get_num_threads()
        together = min(threads, MOST_THREADS)
        with ThreadPoolExecutor(together, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            try:
                for start in range(0, len(parts), together):
                    some = parts[start:start + together]
                    yield from zip(map(len, some), pool.map(self.of, some), strict=True)
            finally:
                torch.set_num_threads(threads)  # of MKL's threads there is one number for all

    def of(self, recordings: NDArray[np.int64]) -> list[Tensor]:
        """The sum over ``recordings``, in their order."""
        total = self.nothing()
        for recording in recordings:
            batch = self._feed.batch(np.array([recording]), np.random.default_rng(0))
            found = torch.autograd.grad(self._loss(batch), self._parameters, allow_unused=True)
            used = [(sum_, gradient) for sum_, gradient in zip(total, found, strict=True) if gradient is not None]
            sums, gradients = zip(*used, strict=True)
            torch._foreach_addcmul_(sums, gradients, gradients)
        return total

    def _loss(self, batch: Batch) -> Tensor:
        losses_B: Tensor = self._objective(batch)
        return losses_B.sum() / max(1, batch.labels)


def _scaled_to_mean_one(fisher: dict[str, Tensor]) -> dict[str, Tensor]:
    """Makes one EWC weight mean the same for every model and corpus."""
    mean = sum(float(tensor.sum()) for tensor in fisher.values()) / sum(tensor.numel() for tensor in fisher.values())
    return {name: tensor / mean for name, tensor in fisher.items()} if mean > 0 else fisher
