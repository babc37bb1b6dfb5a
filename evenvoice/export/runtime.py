"""Greedy search over exported graphs with NumPy and onnxruntime: no PyTorch, and a model for other languages.

Tensor names: T log-mel frame, M mel band, D encoder channel, V vocabulary; batches of one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evenvoice.errors import PreflightError
from evenvoice.export.description import Description, Graph

State = dict[str, NDArray[Any]]


class Step:
    """An exported graph and its state.

    Args:
        directory: of the export.
        graph: which one.
        threads: that it may use.

    Raises:
        PreflightError: onnxruntime is not installed.
    """

    def __init__(self, directory: Path, graph: Graph, threads: int = 1) -> None:
        self._graph = graph
        self._session = _session(directory / graph.file, threads)
        self._outputs = [graph.output, *(part.output for part in graph.state)]

    def initial_state(self, batch: int = 1) -> State:
        """Return zeros."""
        return {part.input: np.zeros([batch if size < 0 else size for size in part.shape], part.dtype)
                for part in self._graph.state}

    def __call__(self, state: State, *inputs: NDArray[Any]) -> tuple[NDArray[np.float32], State]:
        """Run the graph on its inputs; return its output and the next state."""
        output, *after = self._session.run(self._outputs, dict(zip(self._graph.inputs, inputs, strict=True)) | state)
        return output, {part.input: tensor for part, tensor in zip(self._graph.state, after, strict=True)}


class OnnxGreedy:
    """Reads log-mel features of one stream chunk by chunk.

    Args:
        directory: of the export.
    """

    def __init__(self, directory: Path) -> None:
        self.description = Description.read(directory)
        self._encoder = Step(directory, self.description.encoder)
        self._predictor = Step(directory, self.description.predictor)
        self._joiner = Step(directory, self.description.joiner)
        self.labels: list[int] = []
        self._early = self.description.lookahead
        self._heard = 0
        self._pending_TM = np.zeros((0, len(self.description.silence)), np.float32)
        self._encoder_state = self._encoder.initial_state()
        self._predicted, self._predictor_state = self._predict(self.description.blank, self._predictor.initial_state())

    def feed(self, features_TM: NDArray[np.float32]) -> None:
        """Hear the next frames; whatever they say is added to ``labels``."""
        self._heard += len(features_TM)
        self._pending_TM = np.concatenate([self._pending_TM, features_TM])
        size = self.description.frames * self.description.subsampling
        while len(self._pending_TM) >= size:
            self._read(self._pending_TM[:size], self.description.frames)
            self._pending_TM = self._pending_TM[size:]

    def finish(self) -> list[int]:
        """Hear what is left, and look ahead into silence; return all labels."""
        subsampling = self.description.subsampling
        kept_TM = np.concatenate([self._pending_TM, self._silence(max(0, subsampling - self._heard))])
        owed = len(kept_TM) // subsampling + self.description.lookahead
        while owed > 0:
            size = self.description.frames * self.description.subsampling
            chunk_TM = np.concatenate([kept_TM, self._silence(max(0, size - len(kept_TM)))])[:size]
            kept_TM = kept_TM[size:]
            self._read(chunk_TM, min(owed, self.description.frames))
            owed -= self.description.frames
        return self.labels

    def _silence(self, frames: int) -> NDArray[np.float32]:
        return np.repeat(np.asarray(self.description.silence, np.float32)[None], frames, axis=0)

    def _read(self, chunk_TM: NDArray[np.float32], frames: int) -> None:
        encoded_BTD, self._encoder_state = self._encoder(self._encoder_state, chunk_TM[None])
        for frame_BD in encoded_BTD[:, :frames].swapaxes(0, 1):
            if self._early:
                self._early -= 1
            else:
                self._search(frame_BD)

    def _search(self, frame_BD: NDArray[np.float32]) -> None:
        for _ in range(self.description.max_symbols_per_frame):
            scores_BV, _ = self._joiner({}, frame_BD, self._predicted)
            label = int(scores_BV[0].argmax())
            if label == self.description.blank:
                return
            self.labels.append(label)
            self._predicted, self._predictor_state = self._predict(label, self._predictor_state)

    def _predict(self, label: int, state: State) -> tuple[NDArray[np.float32], State]:
        return self._predictor(state, np.array([[label]]))


def _session(path: Path, threads: int) -> Any:
    try:
        import onnxruntime  # type: ignore[import-untyped, unused-ignore]  # comes with the extra `export`
    except ImportError as error:
        raise PreflightError(name="exported recognisers", rule="find onnxruntime", value="no onnxruntime",
                             action="Install the extra: pip install 'evenvoice[export]'.") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
