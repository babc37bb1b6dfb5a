"""Write a recogniser as three ONNX graphs and a description of what goes where.

    encoder.onnx      ``frames`` encoder frames' worth of log-mel features and a state -> encoded frames, next state
    predictor.onnx    the last label and a state -> its prediction, next state
    joiner.onnx       one encoded frame and one prediction -> scores of all labels
    recogniser.json   their inputs and outputs, features, units

Batches may have any size. The number of frames per call is fixed: PyTorch's exporter unrolls LSTMs to one length.

The graphs come from torch.export (``torch.onnx.export(dynamo=True)``), the exporter that is maintained; it needs
onnxscript. The older one records one run, and with it the length of the attention cache in that run.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from evenvoice.data.tokenizer import FILES as TOKENIZER_FILES
from evenvoice.decoding.search import MAX_SYMBOLS_PER_FRAME
from evenvoice.decoding.stream import demand_one_talker
from evenvoice.errors import ParamsError, PreflightError
from evenvoice.export.description import DESCRIPTION, Description, Graph, StateTensor
from evenvoice.export.states import named_tensors, rebuilt
from evenvoice.models.gates import traced
from evenvoice.models.recogniser import Recogniser
from evenvoice.models.transducer import BLANK, Transducer
from evenvoice.params import UNKNOWN
from evenvoice.storage import fresh_directory, write_json

ENCODER, PREDICTOR, JOINER = "encoder.onnx", "predictor.onnx", "joiner.onnx"
WRITTEN = {ENCODER, PREDICTOR, JOINER, DESCRIPTION, *TOKENIZER_FILES}
BATCH = 2
"""Of the example that graphs are traced with; 0 and 1 would be taken for constants."""


def export(recogniser: Recogniser, directory: Path, *, frames: int = 1, cohort: str = UNKNOWN) -> None:
    """Write the recogniser into ``directory``, whole or not at all.

    Args:
        recogniser: on the processor.
        directory: to be made; an earlier export there is replaced.
        frames: encoder frames that each call of the encoder reads.
        cohort: what a recogniser with a cohort input is told of all speakers; it becomes a constant of the graph.

    Raises:
        ParamsError: no frames, a cohort that the recogniser does not know, one that tells talkers apart, or a directory
            that holds anything else or cannot be written.
        PreflightError: onnx or onnxscript is not installed.
    """
    if frames < 1:
        raise ParamsError(name="frames", rule="be at least 1", value=frames, action="Give the frames of a chunk.")
    number = recogniser.cohort_number(cohort)
    demand_one_talker(recogniser)
    _check_installed()
    directory = directory.resolve()
    try:
        _check_replaceable(directory)
        with fresh_directory(directory) as draft:
            _write(recogniser, draft, frames, number)
    except OSError as error:
        raise ParamsError(name=str(directory), rule="be a directory that can be written",
                          value=error.strerror or str(error), action="Name another directory (--out).") from error


def _check_replaceable(directory: Path) -> None:
    """Refuse to replace what no export wrote: a model, reports, somebody's only copy."""
    if directory.exists() and not directory.is_dir():
        raise ParamsError(name=str(directory), rule="be a directory", value="a file",
                          action="Name another directory (--out).")
    foreign = sorted({path.name for path in directory.iterdir()} - WRITTEN) if directory.exists() else []
    if foreign:
        raise ParamsError(name=str(directory), rule="be new, empty or an earlier export",
                          value=f"{foreign[0]} in it", action="Name another directory (--out).")


def _write(recogniser: Recogniser, draft: Path, frames: int, cohort: int | None) -> None:
    transducer = recogniser.transducer.eval()
    description = Description(
        encoder=_export_encoder(transducer, draft, frames, cohort),
        predictor=_export_predictor(transducer, draft),
        joiner=_export_joiner(transducer, draft), frames=frames, subsampling=transducer.encoder.subsampling,
        lookahead=transducer.encoder.lookahead, blank=BLANK, max_symbols_per_frame=MAX_SYMBOLS_PER_FRAME,
        units=recogniser.tokenizer.units, units_kind=recogniser.tokenizer.kind, sample_rate=recogniser.sample_rate,
        features=recogniser.featurize.model_dump(), silence=tuple(transducer.mean_M.tolist()))
    write_json(draft / DESCRIPTION, description.model_dump())
    recogniser.tokenizer.save(draft)


class _EncoderStep(nn.Module):
    def __init__(self, transducer: Transducer, like: Any, cohort: int | None) -> None:
        super().__init__()
        self.transducer, self.like = transducer, like
        table_CS = transducer.encoder.cohort_CS
        self.cohort_S = None if table_CS is None else table_CS[cohort or 0].detach()

    def forward(self, features_BTM: Tensor, state: Sequence[Tensor]) -> tuple[Tensor, ...]:
        encoder = self.transducer.encoder
        batch, frames, bands = features_BTM.shape
        stacked_BTD = self.transducer.normalise(features_BTM).reshape(
            batch, frames // encoder.subsampling, encoder.subsampling * bands)
        if self.cohort_S is not None:
            stacked_BTD = stacked_BTD + self.cohort_S
        encoded_BTD, after = encoder.body.step(stacked_BTD, rebuilt(self.like, iter(state)))
        return encoded_BTD, *(tensor for _, tensor in named_tensors(after, ""))


class _PredictorStep(nn.Module):
    def __init__(self, transducer: Transducer, like: Any) -> None:
        super().__init__()
        self.transducer, self.like = transducer, like

    def forward(self, label_B1: Tensor, state: Sequence[Tensor]) -> tuple[Tensor, ...]:
        predicted_B1P, after = self.transducer.predictor.step(label_B1, rebuilt(self.like, iter(state)))
        return predicted_B1P[:, 0], *(tensor for _, tensor in named_tensors(after, ""))


class _Joiner(nn.Module):
    def __init__(self, transducer: Transducer) -> None:
        super().__init__()
        self.joiner = transducer.joiner

    def forward(self, encoded_BD: Tensor, predicted_BP: Tensor) -> Tensor:
        return self.joiner.score(self.joiner.frame(encoded_BD), self.joiner.label(predicted_BP))


def _export_encoder(transducer: Transducer, directory: Path, frames: int, cohort: int | None) -> Graph:
    encoder = transducer.encoder
    features_BTM = torch.zeros(BATCH, frames * encoder.subsampling, encoder.n_mels)
    # an example in which caches that grow are neither empty nor full
    with traced():
        _, example = encoder.body.step(torch.zeros(BATCH, 3, encoder.subsampling * encoder.n_mels),
                                       encoder.body.initial_state(BATCH))
    states = [encoder.body.initial_state(BATCH), encoder.body.initial_state(BATCH + 1), example]
    return _export_step(_EncoderStep(transducer, example, cohort), directory / ENCODER, features_BTM, states,
                        names=("features", "encoded"))


def _export_predictor(transducer: Transducer, directory: Path) -> Graph:
    states = [transducer.predictor.initial_state(batch) for batch in (BATCH, BATCH + 1, BATCH)]
    label_B1 = torch.full((BATCH, 1), BLANK)
    return _export_step(_PredictorStep(transducer, states[0]), directory / PREDICTOR, label_B1, states,
                        names=("label", "predicted"))


def _export_joiner(transducer: Transducer, directory: Path) -> Graph:
    joiner = transducer.joiner
    example = (torch.zeros(BATCH, joiner.frame.in_features), torch.zeros(BATCH, joiner.label.in_features))
    _export(_Joiner(transducer), directory / JOINER, example, inputs=["encoded", "predicted"],
            outputs=["scores"], dynamic_shapes=({0: _AUTO}, {0: _AUTO}))
    return Graph(file=JOINER, inputs=("encoded", "predicted"), output="scores", state=())


def _export_step(module: nn.Module, path: Path, example: Tensor, states: Sequence[Any],
                 names: tuple[str, str]) -> Graph:
    """Export a step with its state; ``states`` are two beginnings with batches of different size, and an example."""
    first, second, later = ([tensor for _, tensor in named_tensors(state, "")] for state in states)
    state_names = [name for name, _ in named_tensors(states[0], "state")]
    next_names = [name for name, _ in named_tensors(states[0], "next")]
    moving = [{axis: _AUTO for axis in range(one.dim()) if not one.shape[axis] == two.shape[axis] == three.shape[axis]}
              for one, two, three in zip(first, second, later, strict=True)]
    _export(module, path, (example, later), inputs=[names[0], *state_names], outputs=[names[1], *next_names],
            dynamic_shapes=({0: _AUTO}, moving))
    return Graph(file=path.name, inputs=(names[0],), output=names[1], state=tuple(
        StateTensor(input=name, output=after, dtype=str(one.dtype).removeprefix("torch."),
                    shape=tuple(-1 if one.shape[axis] != two.shape[axis] else one.shape[axis]
                                for axis in range(one.dim())))
        for name, after, one, two in zip(state_names, next_names, first, second, strict=True)))


_AUTO = torch.export.Dim.AUTO


def _export(module: nn.Module, path: Path, example: tuple[Any, ...], *, inputs: list[str], outputs: list[str],
            dynamic_shapes: tuple[Any, ...]) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells of torchvision, which nobody asked for
    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad(), traced():
        warnings.simplefilter("ignore")  # of PyTorch about its own parts
        program = torch.onnx.export(module.eval(), example, dynamo=True, verbose=False, input_names=inputs,
                                    output_names=outputs, dynamic_shapes=dynamic_shapes)
        assert program is not None
        program.save(path, external_data=False)


def _check_installed() -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise PreflightError(name="export", rule="find onnx and onnxscript", value=f"no {error.name}",
                             action="Install the extra: pip install 'evenvoice[export]'.") from error
