"""The effects as commands, run in a run's workspace; Airflow tasks and people call the same ones.

    python -m evenvoice.tracking record   --run-id ID --commit SHA [--dirty]
    python -m evenvoice.tracking register --run-id ID
    python -m evenvoice.tracking promote  --run-id ID [--approved-by NAME --reason TEXT] [--expected-champion N|none]
    python -m evenvoice.tracking rollback --by NAME --reason TEXT [--run-id ID] [--expected-champion N|none]
    python -m evenvoice.tracking audit
    python -m evenvoice.tracking relocate [--from DIRECTORY]

Each but relocate takes --product verifier and --product multitalker.

EVENVOICE_HOME and MLFLOW_TRACKING_URI say where the registry is. The last line of the output is the result as JSON,
also written to effects/<command>.json, except by relocate, which belongs to no run. Exit codes: 0 done (a model that
must not be promoted is an outcome, not an error), 3 a person must act, 75 try again.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evenvoice.errors import EvenvoiceError
from evenvoice.params import Params, load_params
from evenvoice.storage import write_json
from evenvoice.tracking.lineage import checked_commit, checked_run_id
from evenvoice.tracking.location import Location
from evenvoice.tracking.names import EVERY, MULTITALKER, RECOGNISER, VERIFIER, Names

Result = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    chosen = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], Result] = chosen.command
    try:
        result = command(chosen)
        if command is not _relocate:
            write_json(Path("effects") / f"{chosen.name}.json", result)
    except EvenvoiceError as error:
        sys.stdout.flush()
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return error.exit_code
    print(json.dumps(result, sort_keys=True, ensure_ascii=False), flush=True)
    return 0


def _record(chosen: argparse.Namespace) -> Result:
    from evenvoice.tracking.record import record
    from evenvoice.tracking.store import Store

    product = _product(chosen)
    location = Location.from_environment()
    dag_run, commit = checked_run_id(chosen.run_id), checked_commit(chosen.commit)
    return asdict(record(store=Store(location, product.names), location=location, product=product,
                         files=product.files(Path()), dag_run=dag_run, commit=commit, dirty=chosen.dirty,
                         params=load_params()))


def _register(chosen: argparse.Namespace) -> Result:
    from evenvoice.tracking.product import ServedSettings
    from evenvoice.tracking.register import register
    from evenvoice.tracking.store import Store

    product = _product(chosen)
    dag_run = checked_run_id(chosen.run_id)
    location, params = Location.from_environment(), load_params()
    settings = ServedSettings(sample_rate=params.ingest.sample_rate, max_duration_s=_longest_s(product.names, params))
    return asdict(register(store=Store(location, product.names), location=location, product=product,
                           files=product.files(Path()), settings=settings, dag_run=dag_run,
                           min_speakers=params.report.min_speakers))


def _promote(chosen: argparse.Namespace) -> Result:
    from evenvoice.tracking.comparison import Rules
    from evenvoice.tracking.promotion import Approval, Expected, promote
    from evenvoice.tracking.store import Store

    product = _product(chosen)
    dag_run = checked_run_id(chosen.run_id)
    location, params = Location.from_environment(), load_params()
    margin, confidence = _not_worse(product.names, params)
    rules = Rules(margin=margin, confidence=confidence, replicates=params.evaluate.replicates, seed=params.seed)
    asked = chosen.approved_by is not None or chosen.reason is not None
    approval = Approval(by=chosen.approved_by or "", reason=chosen.reason or "") if asked else None
    return asdict(promote(store=Store(location, product.names), location=location, product=product,
                          files=product.files(Path()), rules=rules, dag_run=dag_run, approval=approval,
                          expected=Expected(*chosen.expected_champion) if chosen.expected_champion else None))


def _rollback(chosen: argparse.Namespace) -> Result:
    from evenvoice.tracking.promotion import Approval, Expected, roll_back
    from evenvoice.tracking.store import Store

    product = _product(chosen)
    location = Location.from_environment()
    run = chosen.run_id or f"by-hand-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
    return asdict(roll_back(store=Store(location, product.names), location=location, dag_run=checked_run_id(run),
                            approval=Approval(by=chosen.by, reason=chosen.reason),
                            expected=Expected(*chosen.expected_champion) if chosen.expected_champion else None))


def _audit(chosen: argparse.Namespace) -> Result:
    from evenvoice.tracking.audit import Trail
    from evenvoice.tracking.lineage import CHAMPION
    from evenvoice.tracking.store import Store

    product = _product(chosen)
    location = Location.from_environment()
    trail = Trail.read(location.trail(product.names))
    store = Store(location, product.names)
    trail.check_anchor(store.anchor())
    for entry in trail.entries:
        move = entry.move
        print(f"{entry.sequence:4d}  {entry.at}  {entry.event:9}  {move.action} {move.origin} -> {move.target}"
              f"  by {move.by}: {move.reason}  [{move.run}]")
    recorded = trail.champions()
    return {"intact": True, "lines": len(trail.entries), "head": trail.head, "champion": store.alias(CHAMPION),
            "champion_by_record": recorded[-1] if recorded else None, "unsettled": trail.unsettled is not None}


def _relocate(chosen: argparse.Namespace) -> Result:
    from evenvoice.tracking.relocate import relocate

    done = relocate(Location.from_environment(), origin=chosen.origin)
    for note in done.notes:
        print(f"note: {note}")
    if done.backup is None:
        print(f"Nothing to rewrite: {done.database} names {done.artifacts} already.")
    else:
        print(f"{done.database} names {done.artifacts} now. Rewritten: runs {done.runs}, models {done.models}, "
              f"versions {done.versions}. As it was before, it is kept in {done.backup}.")
    return asdict(done)


def _product(chosen: argparse.Namespace) -> Any:
    from evenvoice.tracking import multitalker, recogniser, verifier

    found = {one.names.product: one for one in (recogniser.RECOGNISER, verifier.VERIFIER, multitalker.MULTITALKER)}
    return found[chosen.product]


def _longest_s(names: Names, params: Params) -> float:
    """The longest recording that is served: as long as those that a run may train and test on."""
    if names != MULTITALKER:
        return params.ingest.max_duration_s
    if params.mix.corpus:
        from evenvoice.multitalker.taking import LONGEST_S

        return LONGEST_S
    return params.mix.most_turns * (params.ingest.max_duration_s + params.mix.longest_gap_s)


def _not_worse(names: Names, params: Params) -> tuple[float, float]:
    """Relative rise that is still not worse than the champion, and the confidence of saying so.

    Word errors of several talkers may rise as far as those of one.
    """
    if names == VERIFIER:
        return params.verifier_gate.regression_margin, params.verifier_gate.confidence
    gate = params.multitalker_gate if names == MULTITALKER else params.gate
    return params.gate.regression_margin, gate.confidence


def _champion(text: str) -> tuple[int | None]:
    """In a tuple, so that ``none`` is not taken for an option that was not given."""
    return (None if text == "none" else int(text),)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m evenvoice.tracking", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="name")
    record = commands.add_parser("record", help="one MLflow run for a DAG run")
    record.add_argument("--commit", required=True, help="commit the run was made from")
    record.add_argument("--dirty", action="store_true", help="the checkout held uncommitted changes")
    register = commands.add_parser("register", help="a model version, unless these inputs have one")
    promote = commands.add_parser("promote", help="make the registered version champion, if it may be")
    promote.add_argument("--approved-by", help="person who decides where the figures do not")
    promote.add_argument("--reason", help="why; kept in the audit record")
    rollback = commands.add_parser("rollback", help="the previous champion returns")
    rollback.add_argument("--by", required=True, help="person who decides")
    rollback.add_argument("--reason", required=True, help="why; kept in the audit record")
    audit = commands.add_parser("audit", help="print every move of the champion and check that none was altered")
    relocate = commands.add_parser("relocate", help="after the registry was moved or copied: its database says so too")
    relocate.add_argument("--from", dest="origin", type=Path, metavar="DIRECTORY",
                          help="the old directory of artifacts; by default the one that the database says")
    for command in (record, register, promote):
        command.add_argument("--run-id", required=True, help="DAG run id")
    rollback.add_argument("--run-id", help="DAG run id; a retry with the same one does not roll back twice")
    for command in (record, register, promote, rollback, audit):
        command.add_argument("--product", default=RECOGNISER.product, choices=[names.product for names in EVERY],
                             help="which product of evenvoice it is about")
    for command in (promote, rollback):
        command.add_argument("--expected-champion", type=_champion, metavar="N|none",
                             help="refuse if the champion is another one by now")
    for command, work in ((record, _record), (register, _register), (promote, _promote), (rollback, _rollback),
                          (audit, _audit), (relocate, _relocate)):
        command.set_defaults(command=work)
    return parser


if __name__ == "__main__":
    gc.disable()  # a command lives for seconds; looking for garbage among MLflow's modules takes a fifth of them
    sys.exit(main())
