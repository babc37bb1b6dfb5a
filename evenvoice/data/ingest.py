"""Speech in: a corpus of any layout becomes checked utterances, speakers, splits and a list of what was refused.

The work has two halves. Descriptions are checked and split first, since that needs all of them. Audio is then loaded,
checked and encoded on every core, and written in the order of the index. The index is read once for each half and
never held, so memory grows with speakers, not with hours.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

import numpy as np
import pyarrow as pa

from evenvoice.data import joining, splits
from evenvoice.data.arrivals import Arrivals, bounding_box
from evenvoice.data.census import checked_census, read_census
from evenvoice.data.census_match import demand_match, match
from evenvoice.data.checks import Prepared, check_audio, check_description, prepare
from evenvoice.data.corpora.places import place
from evenvoice.data.corpora.recording import Corpus, Recording
from evenvoice.data.corpora.registry import SYNTHETIC, layout_of, open_corpus
from evenvoice.data.declared import Declared
from evenvoice.data.markup import Tally
from evenvoice.data.parallel import over_recordings
from evenvoice.data.planting import Candidates, Planting
from evenvoice.data.pseudonyms import KEY_VARIABLE, Pseudonyms, from_environment
from evenvoice.data.schemas import FURTHER, REJECTED, SPEAKERS, SPLITS, UTTERANCES
from evenvoice.data.tables import ParquetShards, rows_table, write_table
from evenvoice.data.text import NORMALISATION_VERSION
from evenvoice.errors import CorpusError, RecordingRejected, TooManyRejected
from evenvoice.params import OWN_COLUMNS, Ingest, Synthetic
from evenvoice.progress import Progress
from evenvoice.storage import fresh_directory, write_json, write_text

JOINING_STREAM: Final = 11
"""Second seed of the random numbers that join recordings."""
Pairs = list[tuple[str, str]]
Rule = Callable[[Recording], Recording]
"""Raises RecordingRejected, or returns the recording as it is to be."""
KEY_NOTES: Final = {
    "environment": f"Speakers are named by a key from {KEY_VARIABLE}.",
    "seed": f"Speakers are named by a key made from the seed, so whoever has the seed and a list of names can tell who "
            f"is who: set {KEY_VARIABLE} for anything but a demonstration.",
}


def ingest(*, settings: Ingest, synthetic: Synthetic, seed: int, out: Path, rejected_list: Path,
           progress: Progress) -> None:
    """Write utterances, speakers, refused recordings, census and summary of the configured corpus to ``out``.

    Args:
        rejected_list: where the refused recordings are listed for a person when there are too many of them; lies
            outside ``out``, which stays as it was in that case.

    Raises:
        CorpusError: the corpus as a whole cannot be used.
        TooManyRejected: a larger share of it was refused than ``settings.max_rejected``.
    """
    rejected_list.unlink(missing_ok=True)
    corpus = open_corpus(settings, synthetic, seed)
    census = _census(corpus, settings)
    intake = _Intake(settings, rejected_list, progress, Arrivals(Tally(settings.markup)), Declared(settings.columns))
    placed, planting = _placed(intake, corpus, seed)
    if census is not None and settings.census:
        demand_match(intake.arrivals.postal_codes.values(), census, name=settings.census)
    unnamed = corpus.unnamed_audio()
    if settings.concatenate_max > 1:
        placed = _joined(intake, placed, seed)
    with fresh_directory(out) as draft:
        names = from_environment(seed, people=corpus.labelled == "recorded")
        totals = _write_utterances(draft, intake, placed, planting, names)
        intake.check_tolerance()
        _check_every_split(speaker_split for speaker_split in totals.attributes)
        write_table(draft / "speakers.parquet", rows_table(totals.speaker_rows(), SPEAKERS))
        write_table(draft / "rejected.parquet", rows_table(intake.rejected_rows(), REJECTED))
        if census is not None:
            write_table(draft / "census.parquet", census)
        write_json(draft / "summary.json", {
            **_provenance(corpus, settings, names, planting), **totals.summary(), **intake.arrivals.summary(),
            "attributes": intake.declared.summary(),
            "census": None if census is None else match(totals.postal_codes(), census).summary(),
            "source_recordings": intake.found, "rejected": len(intake.rejections), "unnamed_audio": unnamed})


@dataclass
class _Intake:
    """Counts what was found and collects what was refused."""

    settings: Ingest
    rejected_list: Path
    progress: Progress
    arrivals: Arrivals
    declared: Declared
    found: int = 0
    rejections: list[tuple[str, RecordingRejected]] = field(default_factory=list)

    def described(self, recordings: Iterable[Recording], rules: Sequence[Rule]) -> Iterator[Recording]:
        """Yield the recordings whose descriptions pass, and collect the rest."""
        for recording in recordings:
            self.found += 1
            self.arrivals.markup.add(recording.text)
            passed = _passed(recording, rules)
            if isinstance(passed, RecordingRejected):
                self.rejections.append((recording.key, passed))
            else:
                self.arrivals.add(recording, passed)
                yield passed

    def audible(self, recordings: Iterable[Recording]) -> list[Recording]:
        """Keep the recordings whose audio passes, without keeping the audio."""
        kept: list[Recording] = []
        for recording, result in self.progress.over(over_recordings(check_audio, recordings, self.settings)):
            if isinstance(result, RecordingRejected):
                self.rejections.append((recording.key, result))
            else:
                kept.append(recording)
        return kept

    def prepared(self, recordings: Iterable[Recording]) -> Iterator[tuple[Recording, Prepared]]:
        """Yield the recordings whose audio passes, with their audio."""
        for recording, result in self.progress.over(over_recordings(prepare, recordings, self.settings)):
            if isinstance(result, RecordingRejected):
                self.rejections.append((recording.key, result))
            else:
                yield recording, result

    def check_tolerance(self) -> None:
        """Stop when too much was refused, and list all of it for a person."""
        share = len(self.rejections) / self.found
        if share <= self.settings.max_rejected:
            return
        columns = ("recording", "rule", "value", "action")
        lines = ["\t".join(" ".join(str(row[column]).split()) for column in columns) for row in self.rejected_rows()]
        write_text(self.rejected_list, "\n".join(["\t".join(columns), *lines]) + "\n")
        raise TooManyRejected(
            name="share of refused recordings", rule=f"be at most {self.settings.max_rejected:g} (ingest.max_rejected)",
            value=f"{share:.4g} ({len(self.rejections)} of {self.found})",
            action=f"The first: {self.rejections[0][1]} All of them, with what to do: {self.rejected_list}.")

    def rejected_rows(self) -> list[dict[str, object]]:
        """Rows of the REJECTED table."""
        return [{"recording": key, "rule": rejection.rule, "value": str(rejection.value), "action": rejection.action}
                for key, rejection in self.rejections]


def _census(corpus: Corpus, settings: Ingest) -> pa.Table | None:
    """The configured census, or the one that the corpus brings."""
    if settings.census:
        return read_census(place(settings.census))
    brought: pa.Table | None = corpus.census()
    return None if brought is None else checked_census(brought, name=f"of the {settings.corpus} corpus")


def _placed(intake: _Intake, corpus: Corpus, seed: int) -> tuple[Iterable[Recording], Planting]:
    """Check descriptions, assign splits and choose whom to plant in a first look at the index; return the second."""
    settings = intake.settings
    by_corpus = corpus.labelled == SYNTHETIC or settings.splits == "corpus"
    rules: list[Rule] = [lambda recording: check_description(recording, settings)]
    if by_corpus:
        rules.append(splits.canonical)
    rules.append(intake.declared.one_value)
    described = intake.described(_unique(corpus.recordings(), settings), rules)
    candidates = Candidates(settings.plant, settings.coordinate_decimals, seed)
    placement = (splits.by_corpus if by_corpus else splits.by_speaker)(candidates.watched(described), settings, seed)
    total = intake.found - len(intake.rejections)
    if total == 0:
        intake.check_tolerance()
    intake.declared.check()
    planting = candidates.planted(placement.speakers)
    _check_every_split(planting.remaining(placement.speakers))
    intake.progress.total = total
    passed = (_passed(recording, rules) for recording in corpus.recordings())
    placed = (placement.place(recording) for recording in passed if isinstance(recording, Recording))
    return planting.applied(placed, intake.progress), planting


def _passed(recording: Recording, rules: Sequence[Rule]) -> Recording | RecordingRejected:
    try:
        for rule in rules:
            recording = rule(recording)
    except RecordingRejected as rejection:
        return rejection
    return recording


def _joined(intake: _Intake, recordings: Iterable[Recording], seed: int) -> list[Recording]:
    """Strings of recordings by one speaker; which ones is drawn from all of them, so all are held."""
    settings, total = intake.settings, intake.progress.total or 0
    intake.progress.total = total + _expected_strings(total, settings)
    audible = intake.audible(recordings)
    intake.check_tolerance()
    joined = joining.join(audible, shortest=settings.concatenate_min, longest=settings.concatenate_max,
                          repeats=settings.concatenate_repeats, rng=np.random.default_rng([seed, JOINING_STREAM]))
    intake.progress.total = intake.progress.done + len(joined)
    return joined


def _expected_strings(recordings: int, settings: Ingest) -> int:
    return round(recordings * settings.concatenate_repeats * 2 / (settings.concatenate_min + settings.concatenate_max))


def _unique(recordings: Iterable[Recording], settings: Ingest) -> Iterator[Recording]:
    """Pass recordings on; of their ids only hashes are held."""
    seen: set[bytes] = set()
    for recording in recordings:
        digest = hashlib.blake2b(recording.key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if digest in seen:
            raise CorpusError(name=f"id {recording.key!r}", rule="stand for one recording", value="a second one",
                              action="Remove one of the two, or give them ids of their own.")
        seen.add(digest)
        yield recording
    if not seen:
        selected = f" under {settings.select!r} (ingest.select)" if settings.select else ""
        raise CorpusError(name=f"corpus {settings.corpus}", rule="hold recordings", value=f"none{selected}",
                          action="Check ingest.corpus and ingest.select.")


def _check_every_split(speakers: Iterable[tuple[str, str]]) -> None:
    """Refuse a corpus that leaves a split without speakers; ``speakers`` are pairs of speaker and split."""
    counts = Counter(split for _, split in set(speakers))
    missing = [split for split in SPLITS if not counts[split]]
    if missing:
        raise CorpusError(name=f"split {missing[0]!r}", rule="have a speaker",
                          value=", ".join(f"{split} {counts[split]}" for split in SPLITS),
                          action="Bring more speakers, or change ingest.split or ingest.splits.")


@dataclass
class _Totals:
    """What the tables beside the utterances need to know of them."""

    attributes: dict[tuple[str, str], dict[str, object]] = field(default_factory=dict)
    """Of each speaker in each split."""
    recordings: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    scaled: int = 0
    """Recordings that went beyond full scale."""

    def add(self, row: dict[str, object], audio: Prepared, further: tuple[tuple[str, str], ...]) -> None:
        """Count one row of UTTERANCES; the first value of each attribute that is not null stands for the speaker.

        Args:
            further: what the columns of ``ingest.columns`` say of the speaker; no table of utterances has it.
        """
        split = str(row["split"])
        self.recordings[split] += 1
        self.seconds[split] += audio.duration_s
        self.scaled += audio.scaled
        speaker = self.attributes.setdefault((str(row["speaker"]), split), {})
        for name in SPEAKERS.names:
            if name != FURTHER and speaker.get(name) is None:
                speaker[name] = row[name]
        speaker[FURTHER] = list({**dict(further), **dict(cast("Pairs", speaker.get(FURTHER, [])))}.items())

    def speaker_rows(self) -> list[dict[str, object]]:
        """Rows of the SPEAKERS table."""
        return [self.attributes[key] for key in sorted(self.attributes)]

    def postal_codes(self) -> list[str | None]:
        """Of each speaker, who may be in several splits."""
        codes: dict[str, str | None] = {}
        for (speaker, _), attributes in self.attributes.items():
            codes[speaker] = codes.get(speaker) or cast("str | None", attributes["postal_code"])
        return list(codes.values())

    def summary(self) -> dict[str, object]:
        """Counts, of the whole and by split."""
        speakers = Counter(split for _, split in self.attributes)
        return {
            "recordings": self.recordings.total(),
            "scaled_recordings": self.scaled,
            "hours": _hours(sum(self.seconds.values())),
            "splits": {split: {"speakers": speakers[split], "recordings": self.recordings[split],
                               "hours": _hours(self.seconds[split])} for split in SPLITS},
            "speakers_overlap": len({speaker for speaker, _ in self.attributes}) < len(self.attributes),
            "coordinates": bounding_box(self.attributes.values()),
        }


def _hours(seconds: float) -> float:
    return round(seconds / 3600, 4)


def _write_utterances(draft: Path, intake: _Intake, recordings: Iterable[Recording], planting: Planting,
                      names: Pseudonyms) -> _Totals:
    totals = _Totals()
    (draft / "utterances").mkdir()
    shards = ParquetShards(draft / "utterances", "utterances", UTTERANCES, intake.settings.shard_mb)
    for recording, audio in intake.prepared(recordings):
        row = _utterance(recording, audio, names, intake.settings.coordinate_decimals)
        shards.append(row, len(audio.wav))
        totals.add(row, audio, recording.further)
        planting.heard(recording)
    shards.close()
    return totals


def _utterance(recording: Recording, audio: Prepared, names: Pseudonyms, decimals: int) -> dict[str, object]:
    return {
        "utterance": names.utterance(recording.key),
        "speaker": names.speaker(recording.speaker),
        "session": names.session(recording.speaker, recording.session) if recording.session else None,
        "split": recording.split,
        "text": recording.text,
        "duration_s": audio.duration_s,
        "audio": audio.wav,
        "lat": None if recording.lat is None else round(recording.lat, decimals),
        "lon": None if recording.lon is None else round(recording.lon, decimals),
        "postal_code": recording.postal_code,
        **{name: getattr(recording, name) for name in OWN_COLUMNS},
    }


def _provenance(corpus: Corpus, settings: Ingest, names: Pseudonyms, planting: Planting) -> dict[str, object]:
    synthetic = corpus.labelled == SYNTHETIC
    return {
        "corpus": settings.corpus,
        "select": settings.select,
        "layout": layout_of(settings),
        "labelled": planting.labelled(corpus.labelled),
        "planted": planting.summary(),
        "normalisation_version": NORMALISATION_VERSION,
        "sample_rate": settings.sample_rate,
        "joined": settings.concatenate_max > 1,
        "pseudonym_key": names.source,
        "pseudonym_note": "Nobody's voice: generated speakers." if synthetic else KEY_NOTES[names.source],
        "licence_note": "Generated speech." if synthetic else "Recorded by people: the corpus's own licence applies "
                                                              "to the audio in these tables.",
    }
