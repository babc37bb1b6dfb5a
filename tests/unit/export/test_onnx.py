"""onnxruntime hears from exported graphs what PyTorch hears from the recogniser."""

from pathlib import Path

import numpy as np
import pytest
import torch

from evenvoice.__main__ import main
from evenvoice.decoding.greedy import transcribe_labels
from evenvoice.errors import ArtifactError, ParamsError
from evenvoice.export.description import Description
from evenvoice.export.onnx_files import export
from evenvoice.export.runtime import OnnxGreedy
from evenvoice.export.states import named_tensors, rebuilt
from evenvoice.models.cohorts import KnownCohorts
from evenvoice.models.recogniser import Recogniser
from tests.builders.models import ENCODERS, TEXTS, spoken, tiny_recogniser

pytest.importorskip("onnxscript", reason="the extra `export` is not installed")


def talkative(encoder: str, lookahead: int) -> Recogniser:
    recogniser = tiny_recogniser(encoder=encoder, seed=2, width=32, lookahead=lookahead)
    recogniser.transducer.set_normalisation(torch.linspace(-0.2, 0.2, 8), torch.linspace(0.5, 1.5, 8))
    with torch.no_grad():
        recogniser.transducer.joiner.output.weight *= 8
        recogniser.transducer.joiner.frame.weight *= 3
    return recogniser


def told(recogniser: Recogniser) -> Recogniser:
    """With a cohort input; the cohort that is told becomes a constant of the graph."""
    listener = recogniser.with_cohorts(KnownCohorts(method="geographic", names=("north", "south")))
    table_CS = listener.transducer.encoder.cohort_CS
    assert table_CS is not None
    with torch.no_grad():
        table_CS += torch.randn(table_CS.shape, generator=torch.Generator().manual_seed(1))
    return listener


def assert_hears_the_same(directory: Path, recogniser: Recogniser, cohort: int | None = None) -> None:
    recordings = [spoken(text).astype(np.float32) for text in TEXTS[:3]]
    cut = [recordings[0][:-frames] for frames in (1, 2, 3)]  # leaves a part of an encoder frame at the end
    shorter_than_a_frame = [recordings[0][12:12 + frames] for frames in (1, 2, 3)]
    cohorts = None if cohort is None else [cohort] * 3
    assert all(len(set(labels)) > 2 for labels in transcribe_labels(recogniser, recordings, batch_s=60.0,
                                                                    cohorts=cohorts))
    for features in (*recordings, *cut, *shorter_than_a_frame):
        (expected,) = transcribe_labels(recogniser, [features], batch_s=60.0, cohorts=cohorts and cohorts[:1])
        for size in (1, 7, len(features)):
            greedy = OnnxGreedy(directory)
            for start in range(0, len(features), size):
                greedy.feed(features[start:start + size])
            assert greedy.finish() == expected


@pytest.mark.science
@pytest.mark.parametrize("encoder", ENCODERS)
def test_onnxruntime_gives_the_same_transcript(tmp_path, encoder):
    # one frame per call without look-ahead, three with it: both ways of cutting a stream, for one export each
    frames, lookahead = (3, 2) if encoder in ("contextnet", "conformer", "lstm", "transformer", "amortized") else (1, 0)
    recogniser = talkative(encoder, lookahead)
    export(recogniser, tmp_path / "onnx", frames=frames)
    assert_hears_the_same(tmp_path / "onnx", recogniser)


def test_the_command_writes_a_directory_that_describes_itself(capsys, tmp_path):
    recogniser = told(talkative("contextnet", 0))
    recogniser.save(tmp_path / "model")
    assert main(["export", str(tmp_path / "model"), "--out", str(tmp_path / "onnx"), "--cohort", "south"]) == 0
    assert {path.name for path in (tmp_path / "onnx").iterdir()} == {
        "encoder.onnx", "predictor.onnx", "joiner.onnx", "recogniser.json", "tokenizer.json"}
    description = Description.read(tmp_path / "onnx")
    assert (description.frames, description.subsampling, description.units) == (1, 4, recogniser.tokenizer.units)
    assert [part.input for part in description.predictor.state] == ["state.labels_BC"]
    assert "joiner.onnx" in capsys.readouterr().out
    assert_hears_the_same(tmp_path / "onnx", recogniser, cohort=2)


def test_a_cohort_that_the_recogniser_does_not_know_is_refused(tmp_path):
    with pytest.raises(ParamsError, match="cohort must be left out for this model"):
        export(talkative("lstm", 0), tmp_path / "onnx", cohort="north")


def test_only_an_earlier_export_is_replaced(capsys, tmp_path):
    model, mine, file = tmp_path / "model", tmp_path / "mine", tmp_path / "file"
    talkative("lstm", 0).save(model)
    mine.mkdir()
    (mine / "thesis.txt").write_text("only copy")
    file.write_text("a file")
    for out, message in ((model, "must be new, empty or an earlier export, got config.json in it"),
                         (tmp_path, "must be new, empty or an earlier export, got file in it"),
                         (mine, "must be new, empty or an earlier export, got thesis.txt in it"),
                         (file, "must be a directory, got a file"),
                         (file / "below", "must be a directory that can be written, got Not a directory")):
        before = sorted(tmp_path.rglob("*"))
        assert main(["export", str(model), "--out", str(out)]) == 3
        assert message in capsys.readouterr().err
        assert sorted(tmp_path.rglob("*")) == before


def test_no_frames_per_call_are_refused(tmp_path):
    with pytest.raises(ParamsError, match="frames must be at least 1, got 0 instead"):
        export(talkative("lstm", 0), tmp_path / "onnx", frames=0)


def test_a_description_of_something_else_is_refused(tmp_path):
    (tmp_path / "recogniser.json").write_text('{"frames": 1}')
    with pytest.raises(ArtifactError, match="must describe an exported recogniser"):
        Description.read(tmp_path)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_state_is_rebuilt_from_its_tensors(encoder):
    body = tiny_recogniser(encoder=encoder).transducer.encoder.body
    state = body.initial_state(2)
    named = named_tensors(state, "state")
    assert len({name for name, _ in named}) == len(named) > 0
    again = named_tensors(rebuilt(state, (tensor for _, tensor in named)), "state")
    assert [name for name, _ in again] == [name for name, _ in named]
    assert all(one is other for (_, one), (_, other) in zip(again, named, strict=True))
