"""Adversarial reweighting of speaker verification (after M. Jin et al., arXiv 2207.07776).

An adversary sees embeddings and the k-means region that each lies in, never a label of a group, and weighs the
speakers of a batch so that the encoder's loss becomes large. In three forms:

pw      pairwise: the adversary weighs each recording by its embedding and its cluster. A speaker's loss tells a pair of
        recordings from pairs with other speakers, and its weight is the sum of the weights of its recordings.
pl      pseudo-label: the adversary sees nothing but the cluster of the recording that is to be recognised.
random  the control: as pw, with the weights permuted among the speakers of each batch. Their histogram is the same,
        whom they belong to is chance.

Clusters are made anew after each epoch from the embeddings of that epoch, starting from the last centroids, so that a
cluster keeps its number. Until there are any, everyone counts alike, and so they do during the warm-up, in which the
adversary only learns.

Tensor names: N speakers of a batch, M recordings of each, D embedding width, K clusters, R recordings of an epoch.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from evenvoice.params import Adversarial
from evenvoice.training.adversary import Adversary

STREAM: Final = 0x9A3E
"""Keeps these draws apart from every other use of the seed."""
RESTARTS: Final = 10
"""Of the first k-means."""
ADVERSARY, CENTROIDS, HEARD, SUMS, TOLD = "adversary/", "centroids", "heard", "sums", "told"
COLUMNS: Final = ("epoch", "cluster", "speakers", "weight", "loss")


class Game:
    """A :class:`evenvoice.speakers.weighting.Weighting`.

    Args:
        settings: of the adversary.
        form: ``pw``, ``pl`` or ``random``.
        embedding: D.
        batches_per_epoch: after how many clusters are made anew.
        steps: of the whole training.
        seed: of everything random.
    """

    def __init__(self, settings: Adversarial, *, form: str, embedding: int, batches_per_epoch: int, steps: int,
                 seed: int) -> None:
        self._form, self._seed = form, seed
        self._clusters, self._batches = settings.clusters, batches_per_epoch
        self._warmup = settings.warmup_share * steps
        self._adversary = Adversary(
            features=settings.clusters + (0 if form == "pl" else embedding), even_share=settings.even_share,
            hidden_units=settings.hidden_units if settings.adversary == "hidden" else 0,
            learning_rate=settings.learning_rate, seed=seed)
        self._centroids_KD = torch.zeros(0, embedding)
        self._heard_RD = torch.zeros(0, embedding)
        self._sums_K3 = torch.zeros(settings.clusters, 3, dtype=torch.float64)
        self._told_X5 = torch.zeros(0, len(COLUMNS), dtype=torch.float64)

    def weigh(self, embeddings_NMD: Tensor, losses_N: Tensor, *, step: int) -> Tensor | None:
        """Weights (N,)."""
        weights_N = torch.ones(len(losses_N), dtype=torch.float64)
        if len(self._centroids_KD):
            clusters_NM = self._nearest(embeddings_NMD)
            described = self._described(embeddings_NMD, clusters_NM)
            weighed_N = self._placed(self._adversary.weigh(described, losses_N), step)
            self._account(clusters_NM[:, -1], weighed_N, losses_N)
            if step >= self._warmup:
                weights_N = weighed_N
        self._heard_RD = torch.cat([self._heard_RD, embeddings_NMD.flatten(0, 1)])
        if (step + 1) % self._batches == 0:
            self._end_epoch(step)
        return weights_N.to(losses_N)

    def state_tensors(self) -> dict[str, Tensor]:
        """Adversary with its optimiser, clusters, and what was heard of the epoch that is under way."""
        own = {CENTROIDS: self._centroids_KD, HEARD: self._heard_RD, SUMS: self._sums_K3, TOLD: self._told_X5}
        return {**own, **{ADVERSARY + name: tensor for name, tensor in self._adversary.state_tensors().items()}}

    def load_state_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what :meth:`state_tensors` returned."""
        self._centroids_KD, self._heard_RD = tensors[CENTROIDS], tensors[HEARD]
        self._sums_K3, self._told_X5 = tensors[SUMS], tensors[TOLD]
        self._adversary.load_state_tensors({name.removeprefix(ADVERSARY): tensor for name, tensor in tensors.items()
                                            if name.startswith(ADVERSARY)})

    def told(self) -> list[dict[str, Any]]:
        """By epoch and cluster: speakers that were weighed, and the means of their weights and losses."""
        return [{"epoch": int(row[0]), "cluster": int(row[1]), "speakers": int(row[2]), "weight": row[3],
                 "loss": row[4]} for row in self._told_X5.tolist()]

    def _described(self, embeddings_NMD: Tensor, clusters_NM: Tensor) -> Tensor:
        one_hot_NMK = functional.one_hot(clusters_NM, self._clusters).to(embeddings_NMD)
        if self._form == "pl":
            return one_hot_NMK[:, -1]
        return torch.cat([embeddings_NMD, one_hot_NMK], dim=-1)

    def _placed(self, weights_N: Tensor, step: int) -> Tensor:
        if self._form != "random":
            return weights_N
        places = np.random.default_rng([self._seed, STREAM, step]).permutation(len(weights_N))
        return weights_N[torch.from_numpy(places)]

    def _nearest(self, embeddings: Tensor) -> Tensor:
        """|x - c|^2 = |x|^2 - 2 x.c + |c|^2, and |x|^2 is the same for every centroid."""
        return (self._centroids_KD.square().sum(dim=1) - 2 * embeddings @ self._centroids_KD.T).argmin(dim=-1)

    def _account(self, clusters_N: Tensor, weights_N: Tensor, losses_N: Tensor) -> None:
        rows_N3 = torch.stack([torch.ones_like(weights_N), weights_N, losses_N.double()], dim=1)
        self._sums_K3.index_add_(0, clusters_N, rows_N3)

    def _end_epoch(self, step: int) -> None:
        epoch = (step + 1) // self._batches
        counts_K = self._sums_K3[:, 0]
        rows = [torch.tensor([epoch, cluster, counts_K[cluster], *(self._sums_K3[cluster, 1:] / counts_K[cluster])],
                             dtype=torch.float64) for cluster in counts_K.nonzero().flatten().tolist()]
        self._told_X5 = torch.cat([self._told_X5, *(row[None] for row in rows)])
        self._sums_K3 = torch.zeros_like(self._sums_K3)
        if len(self._heard_RD) >= self._clusters:
            self._centroids_KD = self._clustered(epoch)
        self._heard_RD = self._heard_RD[:0]

    def _clustered(self, epoch: int) -> Tensor:
        from sklearn.cluster import KMeans  # here, since importing it takes a second that other weightings need not
        from sklearn.exceptions import ConvergenceWarning

        known = len(self._centroids_KD) > 0
        heard_RD = self._heard_RD.double().numpy()
        with warnings.catch_warnings():  # of embeddings that are all alike, in the first steps
            warnings.simplefilter("ignore", ConvergenceWarning)
            fitted = KMeans(n_clusters=self._clusters, n_init=1 if known else RESTARTS,
                            init=self._centroids_KD.double().numpy() if known else "k-means++",
                            random_state=int(np.random.default_rng([self._seed, STREAM, epoch]).integers(2**31))
                            ).fit(heard_RD)
        return torch.from_numpy(fitted.cluster_centers_).to(self._heard_RD)
