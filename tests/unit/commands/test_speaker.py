"""Who speaks, for a model with a cohort input: by name, by place or by voice, as the run itself placed its speakers."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from evenvoice.__main__ import main
from evenvoice.commands import transcribe
from evenvoice.models.cohorts import KnownCohorts
from evenvoice.origins import RULES
from evenvoice.speakers.encoder import SpeakerEncoder, SpeakerEncoderConfig
from evenvoice.storage import write_json
from tests.builders.models import MELS, talkative_recogniser

CUT = {"node": 0, "inside": 1, "outside": 2}


def tree(features: list[dict[str, str]], low: float) -> dict[str, object]:
    """Above ``low`` in the first feature is the first cohort."""
    box = [{"feature": 0, "low": low, "high": None}]
    return {"kind": "tree", "features": features, "splits": [{**CUT, "box": box}], "leaves": [1, 2]}


LOCATION = tree([{"kind": "coordinate", "name": "lat"}, {"kind": "coordinate", "name": "lon"}], 40.0)
STATISTIC = tree([{"kind": "census", "name": "renters"}], 0.5)
ATTRIBUTE = tree([{"kind": "attribute", "name": "accent", "value": "northern"}], 0.5)
CENTROIDS = {"kind": "centroids", "centroids": [[1.0, 0.0], [-1.0, 0.0]]}


@pytest.fixture(autouse=True)
def told(monkeypatch) -> list[str]:
    """What the recogniser is told of each recording."""
    heard: list[str] = []
    cohort_of = transcribe.speaker.Speaker.cohort_of
    monkeypatch.setattr(transcribe.speaker.Speaker, "cohort_of",
                        lambda self, waveform: heard.append(cohort_of(self, waveform)) or heard[-1])
    return heard


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("audio") / "noise.wav"
    soundfile.write(path, 0.3 * np.random.default_rng(3).uniform(-1, 1, 8000), 8000)
    return path


@pytest.fixture
def model(tmp_path):
    """Makes a recogniser with a rule beside it."""
    def make(rule: object, method: str = "geographic") -> Path:
        known = KnownCohorts(method=method, names=("first", "second"))
        talkative_recogniser().with_cohorts(known).save(tmp_path / "model")
        if rule is not None:
            write_json(tmp_path / "model" / RULES, {"method": method, "coordinate_decimals": 1,
                                                    "cohorts": ["first", "second"], "rule": rule})
        return tmp_path / "model"

    return make


@pytest.fixture
def encoder(tmp_path) -> Path:
    """A speaker encoder of two numbers."""
    config = SpeakerEncoderConfig(encoder="conv", n_mels=MELS, width=16, embedding=2)
    made = SpeakerEncoder(config, np.zeros(MELS, np.float32),
                          np.ones(MELS, np.float32))
    made.projection.weight.data.zero_()
    made.projection.bias.data[0], made.projection.bias.data[1] = 1.0, 0.5
    (tmp_path / "speaker").mkdir()
    made.save(tmp_path / "speaker")
    return tmp_path / "speaker"


def refused(capsys, *words: str) -> str:
    assert main(["transcribe", *words]) == 3
    return capsys.readouterr().err


@pytest.mark.parametrize(("options", "cohort"), [
    ([], "unknown"), (["--cohort", "second"], "second"),
    (["--lat", "40.06", "--lon", "-90"], "first"),  # rounded to 40.1 as ingest does it
    (["--lat", "40.04", "--lon", "-90"], "second")])
def test_a_speaker_is_placed_by_name_or_location(recording, model, told, options, cohort):
    assert main(["transcribe", str(recording), "--model", str(model(LOCATION)), *options]) == 0
    assert told == [cohort]


@pytest.mark.parametrize(("code", "cohort"), [("02138", "first"), ("02139", "second"), ("99999", "unknown")])
def test_a_speaker_is_placed_by_the_census_of_the_postal_code(tmp_path, recording, model, told, code, cohort):
    (tmp_path / "census.csv").write_text("postal_code,renters\n02138,0.7\n02139,0.2\n")
    options = ["--postal-code", code, "--census", str(tmp_path / "census.csv")]
    assert main(["transcribe", str(recording), "--model", str(model(STATISTIC, "geodemographic")), *options]) == 0
    assert told == [cohort]


def test_a_speaker_is_placed_by_voice(recording, model, told, encoder):
    options = ["--voice", str(encoder)]
    assert main(["transcribe", str(recording), "--model", str(model(CENTROIDS, "clusters")), *options]) == 0
    assert told == ["first"]


@pytest.mark.parametrize(("rule", "options", "message"), [
    (None, ["--lat", "1"], "--lat must be left out for a model without a rule to place a speaker by"),
    (LOCATION, ["--lat", "1"], "--lon must be given: this model places speakers by --lat, --lon, got nothing instead"),
    (LOCATION, ["--lat", "1", "--lon", "2", "--postal-code", "3"],
     "--postal-code must be left out: this model places speakers by --lat, --lon, got 3 instead"),
    (LOCATION, ["--lat", "99", "--lon", "2"], "lat in line 1 of the command line must lie within 90 degrees"),
    (LOCATION, ["--lat", "nan", "--lon", "2"], "lat in line 1 of the command line must lie within 90 degrees"),
    (LOCATION, ["--cohort", "first", "--lat", "1"], "--lat must be left out beside --cohort, got 1.0 instead"),
    (LOCATION, ["--cohort", "third"], "cohort must be one of unknown, first, second, got third instead"),
    (LOCATION, ["--voice", "speaker"], "--voice must be left out: this model places speakers by --lat, --lon"),
    (STATISTIC, ["--postal-code", "02138"], "--census must be given: this model places speakers by --postal-code"),
    (ATTRIBUTE, ["--lat", "1"], "a speaker of geodemographic cohorts must be placed by accent"),
    (CENTROIDS, ["--lat", "1"], "--lat must be left out: this model places speakers by --voice"),
    (CENTROIDS, ["--voice", "nowhere"], "must exist"),
])
def test_what_the_rule_cannot_place_is_refused_by_name(capsys, recording, model, rule, options, message):
    method = {id(LOCATION): "geographic", id(CENTROIDS): "clusters"}.get(id(rule), "geodemographic")
    assert message in refused(capsys, str(recording), "--model", str(model(rule, method)), *options)


def test_a_voice_is_not_known_before_it_was_heard(capsys, recording, model, encoder):
    options = ["--voice", str(encoder), "--stream"]
    message = refused(capsys, str(recording), "--model", str(model(CENTROIDS, "clusters")), *options)
    assert "--voice must be left out with --stream" in message


def test_a_place_is_refused_for_a_model_without_a_cohort_input(capsys, tmp_path, recording):
    talkative_recogniser().save(tmp_path / "model")
    message = refused(capsys, str(recording), "--model", str(tmp_path / "model"), "--lat", "1", "--lon", "2")
    assert "--lat must be left out for a model without a rule to place a speaker by" in message
