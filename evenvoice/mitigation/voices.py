"""What a training speaker sounds like, as numbers: the embedding, and which cluster of embeddings it lies in.

Shapes: S training speakers with an embedding, D embedding width, K clusters.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evenvoice.data.schemas import EMBEDDINGS
from evenvoice.data.tables import read_table

RESTARTS = 10
"""Of k-means."""


def training_embeddings(directory: Path) -> dict[str, NDArray[np.float64]]:
    """The embedding (D,) of each training speaker that has one, as the embed stage wrote it to ``directory``."""
    rows = read_table(directory / "embeddings.parquet", EMBEDDINGS).to_pylist()
    return {row["speaker"]: np.array(row["embedding"], np.float64) for row in rows if row["split"] == "train"}


def described(embeddings: Mapping[str, NDArray[np.float64]], *, clusters: int,
              seed: int) -> dict[str, NDArray[np.float64]]:
    """Each speaker's embedding with its cluster as one-hot behind it (D + K,), by speaker in order of their names.

    K is ``clusters``, or the number of different embeddings where there are fewer. Without speakers nobody is
    described.
    """
    if not embeddings:
        return {}
    names = sorted(embeddings)
    embeddings_SD = np.stack([embeddings[name] for name in names])
    k = min(clusters, len(np.unique(embeddings_SD, axis=0)))
    one_hot_SK = np.eye(k)[_clusters(embeddings_SD, k, seed)]
    return dict(zip(names, np.hstack([embeddings_SD, one_hot_SK]), strict=True))


def _clusters(embeddings_SD: NDArray[np.float64], k: int, seed: int) -> NDArray[np.int32]:
    from sklearn.cluster import KMeans  # here, since importing it takes a second that other arms need not wait

    labels_S: NDArray[np.int32] = KMeans(n_clusters=k, n_init=RESTARTS, random_state=seed).fit_predict(embeddings_SD)
    return labels_S
