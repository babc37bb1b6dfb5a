"""Whose speech a command hears, where a model with a cohort input asks: a cohort by name, by place or by voice.

Place and voice are put to the frozen rule that lies beside the model, the same that placed the speakers of the run.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from evenvoice.errors import ArtifactError, ParamsError
from evenvoice.origins import RULES
from evenvoice.params import UNKNOWN

if TYPE_CHECKING:
    from evenvoice.cohorts.frozen import FrozenMethod
    from evenvoice.data.audio import Waveform
    from evenvoice.models.recogniser import Recogniser

Place = Callable[["Waveform"], str]
COHORT, POSTAL_CODE, CENSUS, VOICE = "--cohort", "--postal-code", "--census", "--voice"
OPTIONS: Final = {COHORT: "cohort", "--lat": "lat", "--lon": "lon", POSTAL_CODE: "postal_code", CENSUS: "census",
                  VOICE: "voice"}
"""Option -> where its value is, and the column of a table of speakers that it would be."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    group = parser.add_argument_group("speaker", "for a model with a cohort input, by name, place or voice")
    group.add_argument(COHORT, metavar="NAME", help=f"cohort of the speaker (default: {UNKNOWN})")
    group.add_argument("--lat", type=float, metavar="DEGREES", help="where the speaker lives")
    group.add_argument("--lon", type=float, metavar="DEGREES")
    group.add_argument(POSTAL_CODE, metavar="CODE", help="likewise, for cohorts that a census tells apart")
    group.add_argument(CENSUS, metavar="FILE", help="statistics by postal code: artifacts/corpus/census.parquet of the "
                                                    "run")
    group.add_argument(VOICE, type=Path, metavar="DIR", help="hear the cohort from the recording, with the speaker "
                                                             "encoder of the run: artifacts/speaker_models/none")


@dataclass(frozen=True)
class Speaker:
    """How the cohort of whoever speaks is found."""

    cohort: str | None
    """Where it does not depend on the recording."""
    hear: Place | None = None

    def cohort_of(self, waveform: Waveform) -> str:
        """The cohort that the model is to be told."""
        return self.hear(waveform) if self.hear is not None else self.cohort or UNKNOWN


def read_speaker(arguments: argparse.Namespace, model: Path, recogniser: Recogniser, *, streamed: bool) -> Speaker:
    """Obey the options.

    Args:
        arguments: the command line.
        model: directory of the recogniser.
        recogniser: what is to be told the cohort.
        streamed: whether words are wanted before a recording has ended.

    Raises:
        ParamsError: the model does not know the cohort, or cannot place a speaker by what was given.
        ArtifactError: the rule beside the model, or the speaker encoder, cannot be read.
        CorpusError: the census cannot be read, or a place is none.
    """
    given = {option: value for option, name in OPTIONS.items() if (value := getattr(arguments, name)) is not None}
    if not given or COHORT in given:
        _refuse_beside(given, COHORT)
        recogniser.cohort_number(given.get(COHORT, UNKNOWN))
        return Speaker(given.get(COHORT, UNKNOWN))
    frozen = _rule(model, recogniser, next(iter(given)))
    _check(given, _wanted(frozen))
    if VOICE not in given:
        return Speaker(_placed(frozen, {OPTIONS[option]: value for option, value in given.items() if option != CENSUS},
                                given.get(CENSUS)))
    if streamed:
        raise ParamsError(name=VOICE, rule="be left out with --stream", value=given[VOICE],
                          action="Name the cohort (--cohort): who speaks is not known before it was heard.")
    return Speaker(None, partial(_heard, frozen, recogniser, _encoder(given[VOICE], recogniser)))


def _refuse_beside(given: Mapping[str, Any], way: str) -> None:
    for other in given:
        if other != way:
            raise ParamsError(name=other, rule=f"be left out beside {way}", value=given[other],
                              action="Say who speaks in one way: by name, place or voice.")


def _rule(model: Path, recogniser: Recogniser, option: str) -> FrozenMethod:
    from evenvoice.cohorts.frozen import read_rules

    if recogniser.cohorts is None or not (model / RULES).exists():
        raise ParamsError(name=option, rule="be left out for a model without a rule to place a speaker by",
                          value=f"no {RULES} in {model}", action=f"Leave it out, or name the cohort ({COHORT}) if the "
                          "model has a cohort input.")
    return read_rules(model)


def _wanted(frozen: FrozenMethod) -> list[str]:
    """Options that tell what the rule looks at.

    Raises:
        ParamsError: there are none for it.
    """
    from evenvoice.cohorts.features import COORDINATE, STATISTIC

    if frozen.embedding_width is not None:
        return [VOICE]
    if frozen.columns:
        raise ParamsError(name=f"a speaker of {frozen.method} cohorts", rule=f"be placed by {frozen.columns[0]}",
                          value="something else", action=f"Name the cohort ({COHORT}).")
    options = {COORDINATE: ["--lat", "--lon"], STATISTIC: [POSTAL_CODE, CENSUS]}
    for feature in frozen.features:
        if feature.told["kind"] not in options:
            raise ParamsError(name=f"a speaker of {frozen.method} cohorts", rule=f"be placed by {feature.told['name']}",
                              value="something else", action=f"Name the cohort ({COHORT}).")
    return list(dict.fromkeys(option for feature in frozen.features for option in options[feature.told["kind"]]))


def _check(given: Mapping[str, Any], wanted: list[str]) -> None:
    by = f"this model places speakers by {', '.join(wanted)}"
    for option, value in given.items():
        if option not in wanted:
            raise ParamsError(name=option, rule=f"be left out: {by}", value=value, action=f"Give {', '.join(wanted)}.")
    for option in wanted:
        if option not in given:
            raise ParamsError(name=option, rule=f"be given: {by}", value="nothing",
                              action=f"Give it, or name the cohort ({COHORT}).")


def _placed(frozen: FrozenMethod, values: Mapping[str, Any], census: str | None = None) -> str:
    from evenvoice.cohorts.newcomers import Newcomers
    from evenvoice.data.census import read_census
    from evenvoice.data.corpora.places import place
    from evenvoice.data.corpora.rows import Row

    known = read_census(place(census)) if census is not None else None
    here = Path("the command line")
    row = Row({"speaker": "whoever speaks", **values}, here, 1)
    [cohort] = frozen.assign(Newcomers((row,), known, str(here)).table(frozen))
    return cohort or UNKNOWN


def _encoder(directory: Path, recogniser: Recogniser) -> Any:
    from evenvoice.speakers.encoder import SpeakerEncoder

    encoder = SpeakerEncoder.load(directory)
    if encoder.config.n_mels != recogniser.featurize.n_mels:
        raise ArtifactError(name=str(directory), rule=f"hear {recogniser.featurize.n_mels} mel bands as the model does",
                            value=encoder.config.n_mels, action="Name the speaker encoder of the model's own run.")
    return encoder


def _heard(frozen: FrozenMethod, recogniser: Recogniser, encoder: Any, waveform: Waveform) -> str:
    import numpy as np

    from evenvoice.data.audio import resample
    from evenvoice.data.features import LogMel
    from evenvoice.speakers.embedding import embed_features

    samples = resample(waveform, recogniser.sample_rate).samples
    features_TM = LogMel(recogniser.featurize, recogniser.sample_rate)(samples).astype(np.float16)
    return _placed(frozen, {"embedding": embed_features(encoder, features_TM).tolist()})
