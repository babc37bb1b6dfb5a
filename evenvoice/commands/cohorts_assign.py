"""``evenvoice cohorts assign``: the cohorts of later speakers, placed as the run itself placed its own."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from evenvoice.params import METHODS

if TYPE_CHECKING:
    from evenvoice.cohorts.frozen import FrozenMethod
    from evenvoice.cohorts.newcomers import Newcomers

DELIMITERS: Final = {".csv": ",", ".tsv": "\t"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("speakers", type=Path, metavar="SPEAKERS",
                        help="table (Parquet, CSV, TSV or JSON lines) with the column speaker and any of lat, lon, "
                             "postal_code, gender, age_band, accent, country, embedding, and what else declares groups")
    parser.add_argument("--rules", type=Path, required=True, metavar="DIR",
                        help="what discovery wrote: artifacts/cohorts of a run")
    parser.add_argument("--method", choices=METHODS,
                        help="place by this method only (default: all that the table allows)")
    parser.add_argument("--census", metavar="FILE", help="table of statistics by postal_code, for rules that need one: "
                                                         "that of the run is artifacts/corpus/census.parquet")
    parser.add_argument("--out", type=Path, metavar="FILE",
                        help="write a .csv, .tsv or .parquet (default: TSV to standard output)")


def run(arguments: argparse.Namespace) -> int:
    """Obey the command line."""
    from evenvoice.cohorts.frozen import read_all
    from evenvoice.cohorts.newcomers import read_newcomers
    from evenvoice.data.census import read_census
    from evenvoice.data.corpora.places import place

    _check_ending(arguments.out)
    rules = read_all(arguments.rules, (arguments.method,) if arguments.method else METHODS)
    census = read_census(place(arguments.census)) if arguments.census else None
    newcomers = read_newcomers(arguments.speakers, census)
    columns: dict[str, Sequence[str | None]] = {"speaker": newcomers.speakers}
    columns |= _assigned(newcomers, rules, every=len(rules) > 1)
    _write(columns, arguments.out)
    return 0


def _check_ending(out: Path | None) -> None:
    from evenvoice.errors import CohortError

    endings = (*DELIMITERS, ".parquet")
    if out is not None and out.suffix.lower() not in endings:
        raise CohortError(name=f"--out {out}", rule=f"end in {', '.join(endings)}", value=out.suffix or "none",
                          action="Rename it.")


def _assigned(newcomers: Newcomers, rules: Mapping[str, FrozenMethod], *, every: bool) -> dict[str, list[str | None]]:
    """One column per partition; of several, those that the table does not allow are named and left out.

    So are, without a word, those that found nobody's cohort.
    """
    columns: dict[str, list[str | None]] = {}
    lacking = {method: newcomers.lacks(frozen) for method, frozen in rules.items()}
    for method, frozen in rules.items():
        if every and frozen.rule is None:
            continue
        if every and lacking[method] and not all(lacking.values()):
            print(f"{method}: left out, since there is not {lacking[method]}", file=sys.stderr)
            continue
        columns[method] = frozen.assign(newcomers.table(frozen))
    return columns


def _write(columns: Mapping[str, Sequence[str | None]], out: Path | None) -> None:
    from evenvoice.storage import write_text

    if out is None:
        _write_lines(columns, sys.stdout, "\t")
    elif out.suffix.lower() in DELIMITERS:
        text = io.StringIO()
        _write_lines(columns, text, DELIMITERS[out.suffix.lower()])
        write_text(out, text.getvalue())
    else:
        import pyarrow as pa

        from evenvoice.data.tables import write_table

        write_table(out, pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}))


def _write_lines(columns: Mapping[str, Sequence[str | None]], to: TextIO, delimiter: str) -> None:
    rows = csv.writer(to, delimiter=delimiter, lineterminator="\n")
    rows.writerow(columns)
    rows.writerows(zip(*columns.values(), strict=True))
