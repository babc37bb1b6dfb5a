"""Speech in: a corpus of any layout becomes checked utterances, speakers, splits and a list of what was refused.

The work has three parts. All descriptions are checked and split first, since that needs all of them. Then the index is
cut into units of neighbours, and each unit becomes a piece with one Parquet file: by this process, or beforehand by
any number of others that take shares of the units. Last, pieces are put together in their order. So the corpus is the
same bit for bit however many processes made it, and an ingest that was cut goes on where it stopped. The index is read
twice and never held: memory grows with speakers, and by eight bytes for each recording, or sixteen for a moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow as pa

from evenvoice.data.arrivals import Arrivals
from evenvoice.data.census import checked_census, read_census
from evenvoice.data.census_match import demand_match, match
from evenvoice.data.corpora.places import place
from evenvoice.data.corpora.recording import Corpus
from evenvoice.data.corpora.registry import SYNTHETIC, layout_of, open_corpus
from evenvoice.data.declared import Declared
from evenvoice.data.descriptions import Index, Intake, check_every_split, look_at, rejected_rows
from evenvoice.data.hearing import ROWS, Hearing, refused_of
from evenvoice.data.markup import Tally
from evenvoice.data.pieces import Pieces, Shard, link
from evenvoice.data.pseudonyms import KEY_VARIABLE, Pseudonyms, from_environment
from evenvoice.data.schemas import REJECTED, SPEAKERS
from evenvoice.data.tables import rows_table, write_table
from evenvoice.data.text import NORMALISATION_VERSION
from evenvoice.data.totals import Totals
from evenvoice.data.units import WHOLE, Unit, units_of
from evenvoice.made_with import MadeWith
from evenvoice.params import Ingest, Synthetic
from evenvoice.progress import Progress
from evenvoice.storage import fresh_directory, write_json

KEY_NOTES: Final = {
    "environment": f"Speakers are named by a key from {KEY_VARIABLE}.",
    "seed": f"Speakers are named by a key made from the seed, so whoever has the seed and a list of names can tell who "
            f"is who: set {KEY_VARIABLE} for anything but a demonstration.",
}
OF_THE_WHOLE: Final = {"census", "max_rejected"}
"""Settings that no single recording depends on."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What is ingested, and how."""

    settings: Ingest
    synthetic: Synthetic
    seed: int
    objects: str
    """The text of corpus.json, which tells the state of what lies in object stores."""
    rejected_list: Path
    """Where the refused recordings are listed for a person when there are too many of them; outside every output."""
    pieces: Path
    """Where units that were heard wait to be put together; outside every output, and kept when the stage is cut."""
    progress: Progress


def ingest(source: Source, out: Path) -> None:
    """Write utterances, speakers, refused recordings, census and summary of the configured corpus to ``out``.

    Too many refused recordings leave ``out`` as it was.

    Raises:
        CorpusError: the corpus as a whole cannot be used.
        TooManyRejected: a larger share of it was refused than ``settings.max_rejected``.
    """
    work, census = _begun(source)
    unnamed = work.index.corpus.unnamed_audio()
    source.progress.total = work.index.passed
    heard = work.hearing.pieces_of(work.units())
    with fresh_directory(out) as draft:
        totals = _put_together(draft, work.index.intake, heard)
        work.index.intake.check_tolerance(source.rejected_list)
        check_every_split(totals.attributes)
        _write_tables(draft, source, work, totals, census, unnamed)
    work.hearing.pieces.keep(heard)


def ingest_pieces(source: Source, share: Shard) -> None:
    """Make the pieces of a share of the units, for an :func:`ingest` that comes later.

    Raises:
        CorpusError: the corpus as a whole cannot be used.
    """
    work, _ = _begun(source)
    work.hearing.pieces_of(work.units(share))


@dataclass(frozen=True)
class _Work:
    """A corpus whose descriptions were looked at, and what makes pieces of it."""

    source: Source
    index: Index
    hearing: Hearing

    def units(self, share: Shard = WHOLE) -> Iterator[Unit]:
        """Read the index again."""
        index, source = self.index, self.source
        return units_of(index.corpus.recordings(), index.marks, partial(index.accepted, progress=source.progress),
                        source.settings, scratch=source.pieces, share=share)


def _begun(source: Source) -> tuple[_Work, pa.Table | None]:
    """Look at all descriptions; returns what is left to do, and the census."""
    settings, seed = source.settings, source.seed
    source.rejected_list.unlink(missing_ok=True)
    corpus = open_corpus(settings, source.synthetic, seed)
    census = _census(corpus, settings)
    intake = Intake(settings, Arrivals(Tally(settings.markup)), Declared(settings.columns))
    index = look_at(corpus, intake, seed, source.rejected_list)
    if census is not None and settings.census:
        demand_match(intake.arrivals.postal_codes.values(), census, name=settings.census)
    names = from_environment(seed, people=corpus.labelled == "recorded")
    pieces = Pieces(source.pieces, _identity(source, names), source.progress)
    return _Work(source, index, Hearing(settings, seed, names, source.objects, pieces, source.progress)), census


def _identity(source: Source, names: Pseudonyms) -> dict[str, object]:
    """What every piece depends on; packages are of it, since pieces of earlier runs are taken."""
    here = MadeWith.here()
    return {**source.settings.model_dump(mode="json", exclude=OF_THE_WHOLE), "seed": source.seed,
            "key": names.commitment(), "python": here.python, "packages": dict(here.packages)}


def _census(corpus: Corpus, settings: Ingest) -> pa.Table | None:
    """The configured census, or the one that the corpus brings."""
    if settings.census:
        return read_census(place(settings.census))
    brought: pa.Table | None = corpus.census()
    return None if brought is None else checked_census(brought, name=f"of the {settings.corpus} corpus")


def _put_together(draft: Path, intake: Intake, pieces: Iterable[Path]) -> Totals:
    """Bring the files of the pieces under names in their order; files without rows are left out."""
    totals, files = Totals(), 0
    (draft / "utterances").mkdir()
    for piece in pieces:
        intake.rejections += refused_of(piece)
        part = Totals.read(piece)
        totals.include(part)
        if part.recordings:
            link(piece / ROWS, draft / "utterances" / f"utterances-{files:05d}.parquet")
            files += 1
    return totals


def _write_tables(draft: Path, source: Source, work: _Work, totals: Totals, census: pa.Table | None,
                  unnamed: object) -> None:
    index, names = work.index, work.hearing.names
    write_table(draft / "speakers.parquet", rows_table(totals.speaker_rows(), SPEAKERS))
    write_table(draft / "rejected.parquet", rows_table(rejected_rows(index.intake.rejections), REJECTED))
    if census is not None:
        write_table(draft / "census.parquet", census)
    write_json(draft / "summary.json", {
        **_provenance(index.corpus, source.settings, names), **totals.summary(), **index.intake.arrivals.summary(),
        "labelled": index.planting.labelled(index.corpus.labelled),
        "planted": index.planting.summary(totals.attributes, names.speaker),
        "attributes": index.intake.declared.summary(),
        "census": None if census is None else match(totals.postal_codes(), census).summary(),
        "source_recordings": index.intake.found, "rejected": len(index.intake.rejections), "unnamed_audio": unnamed})


def _provenance(corpus: Corpus, settings: Ingest, names: Pseudonyms) -> dict[str, object]:
    synthetic = corpus.labelled == SYNTHETIC
    return {
        "corpus": settings.corpus,
        "select": settings.select,
        "layout": layout_of(settings),
        "normalisation_version": NORMALISATION_VERSION,
        "sample_rate": settings.sample_rate,
        "joined": settings.concatenate_max > 1,
        "pseudonym_key": names.source,
        "pseudonym_note": "Nobody's voice: generated speakers." if synthetic else KEY_NOTES[names.source],
        "licence_note": "Generated speech." if synthetic else "Recorded by people: the corpus's own licence applies "
                                                              "to the audio in these tables.",
    }
