"""Moving the alias ``champion``: forward on a PASS or with a person's approval, back to the previous champion.

MLflow's aliases know no expected value: the last writer wins. So every move here happens under the registry's lock,
after reading the champion once more and comparing it with the one that the decision was about, and between two lines
of the audit record. A crash leaves an ``intent`` there, which the next command settles before anything else.
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from evenvoice.errors import PromotionConflict, TrackingError
from evenvoice.tracking import comparison, lineage, manifest
from evenvoice.tracking.audit import Entry, Move, Trail
from evenvoice.tracking.comparison import Comparison, Rules
from evenvoice.tracking.location import Location
from evenvoice.tracking.product import Product
from evenvoice.tracking.recogniser import RECOGNISER
from evenvoice.tracking.run_files import RunFiles
from evenvoice.tracking.store import Store, Version

PROMOTED: Final = "promoted"
ALREADY_CHAMPION: Final = "already champion"
WAITING: Final = "waiting for a person"
REFUSED: Final = "refused"
ROLLED_BACK: Final = "rolled back"
LONGEST_TEXT: Final = 1000


@dataclass(frozen=True, kw_only=True)
class Approval:
    """A person who takes the decision where the figures do not.

    Raises:
        TrackingError: no name, no reason, or more text than belongs into an audit line.
    """

    by: str
    reason: str

    def __post_init__(self) -> None:
        for name, text in (("the person's name", self.by), ("the reason", self.reason)):
            if not text.strip() or len(text) > LONGEST_TEXT:
                raise TrackingError(name=name, rule=f"be 1 to {LONGEST_TEXT} characters", value=f"{len(text.strip())}",
                                    action="Say who decides, and why: it stays in the audit record.")


@dataclass(frozen=True)
class Expected:
    """The champion that the caller has seen; ``number`` is None for none."""

    number: int | None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of the champion alias, and why."""

    outcome: str
    version: int
    """The version it was about: the candidate, or the one that a rollback restored."""
    champion_before: int | None
    champion: int | None
    reason: str
    audit: str | None = None
    """Hash of the audit line, where the alias moved."""


def promote(*, store: Store, location: Location, files: RunFiles, dag_run: str, rules: Rules,
            approval: Approval | None = None, expected: Expected | None = None,
            product: Product = RECOGNISER) -> Outcome:
    """Make the version of this run champion if verdict, comparison and, where needed, a person allow it.

    Args:
        store: MLflow.
        location: lock, audit record and the private tables of earlier versions.
        files: the run's workspace.
        dag_run: kept in the audit record.
        rules: what counts as not worse than today's champion.
        approval: needed on INSUFFICIENT, and where challenger and champion cannot be told apart or compared.
        expected: the champion the approval was given against; without it, the one seen when the call starts.
        product: what the run makes.

    Raises:
        TrackingError: the run's model is not registered, the audit record is broken, or a person approved what must
            not be promoted.
        PromotionConflict: the champion is not the expected one.
        ArtifactError: the registered files are not those of this run.
    """
    version = _registered(store, files, product)
    with location.locked():
        settle(store, Trail.read(location.trail(store.names)))
    before = store.alias(lineage.CHAMPION)
    if before == version.number:
        return Outcome(outcome=ALREADY_CHAMPION, version=version.number, champion_before=before, champion=before,
                       reason=f"version {before} is the champion already")
    _check_expected(before, expected)
    compared = _compare(store, location, before, version, rules, product)
    outcome, reason = decide(files.verdict, compared, approval)
    if outcome != PROMOTED:
        return Outcome(outcome=outcome, version=version.number, champion_before=before, champion=before, reason=reason)
    _verify_files(store, version)
    move = Move(action="promote", origin=before, target=version.number, by=approval.by if approval else "gate",
                reason=approval.reason if approval else reason, run=dag_run,
                evidence={"verdict": files.verdict, "comparison": asdict(compared)})
    done = _swap(store, location, move)
    return Outcome(outcome=PROMOTED, version=version.number, champion_before=before, champion=version.number,
                   reason=reason, audit=done.digest)


def decide(verdict: str, compared: Comparison, approval: Approval | None) -> tuple[str, str]:
    """Verdict, comparison and approval to an outcome and its reason.

    Raises:
        TrackingError: a person approved what must not be promoted.
    """
    if verdict == "FAIL" or compared.outcome == "worse":
        reason = "the verdict is FAIL" if verdict == "FAIL" else compared.reason
        if approval is not None:
            raise TrackingError(name="the candidate", rule="not have failed to be approved", value=reason,
                                action="Nobody can promote it; train a better one.")
        return REFUSED, reason
    open_questions = [*(["the verdict is INSUFFICIENT"] if verdict == "INSUFFICIENT" else []),
                      *([compared.reason] if compared.outcome in ("undecided", "not comparable") else [])]
    if open_questions and approval is None:
        return WAITING, "; ".join(open_questions)
    if open_questions:
        assert approval is not None
        return PROMOTED, f"{'; '.join(open_questions)}; approved by {approval.by}"
    return PROMOTED, f"the verdict is PASS and {compared.reason}"


def roll_back(*, store: Store, location: Location, approval: Approval, dag_run: str,
              expected: Expected | None = None) -> Outcome:
    """Give the alias back to the previous champion of the audit record.

    The same ``dag_run`` rolls back once: a retry reports what the first try did.

    Raises:
        TrackingError: there is no previous champion, or the alias was moved outside evenvoice.
        PromotionConflict: the champion is not the expected one.
        ArtifactError: the previous champion's files were altered.
    """
    with location.locked():
        trail = Trail.read(location.trail(store.names))
        settle(store, trail)
    earlier = next((entry for entry in trail.entries if entry.event == "done" and entry.move.run == dag_run
                    and entry.move.action == "rollback"), None)
    if earlier is not None:
        return _rolled_back(earlier, store.alias(lineage.CHAMPION))
    before = store.alias(lineage.CHAMPION)
    _check_expected(before, expected)
    target = _previous(trail, before)
    _verify_files(store, store.version(target))
    move = Move(action="rollback", origin=before, target=target, by=approval.by, reason=approval.reason, run=dag_run)
    return _rolled_back(_swap(store, location, move), target)


def settle(store: Store, trail: Trail) -> Entry | None:
    """Close a move that a crash left open, by looking where the alias is; the caller holds the lock.

    Raises:
        TrackingError: the record was altered.
    """
    trail.check_anchor(store.anchor())
    move = trail.unsettled
    if move is None:
        return None
    entry = trail.append("done" if store.alias(lineage.CHAMPION) == move.target else "abandoned", move)
    store.set_anchor(entry.digest)
    return entry


def _swap(store: Store, location: Location, move: Move) -> Entry:
    """Compare and set: the alias moves only if the champion is still the one the decision was about."""
    with location.locked():
        trail = Trail.read(location.trail(store.names))
        settle(store, trail)
        _check_expected(store.alias(lineage.CHAMPION), Expected(move.origin))
        trail.append("intent", move)
        store.set_alias(lineage.CHAMPION, move.target)
        done = trail.append("done", move)
        store.set_anchor(done.digest)
        return done


def _check_expected(champion: int | None, expected: Expected | None) -> None:
    if expected is not None and champion != expected.number:
        raise PromotionConflict(name="the champion", rule=f"still be {_named(expected.number)}",
                                value=_named(champion), action="Look at the new champion and decide again.")


def _named(number: int | None) -> str:
    return "none" if number is None else f"version {number}"


def _registered(store: Store, files: RunFiles, product: Product) -> Version:
    with tempfile.TemporaryDirectory() as scratch:
        inputs = product.collect(files, Path(scratch) / "model")
    version = store.find_version(inputs)
    if version is None:
        raise TrackingError(name=f"the model {files.challenger!r} of this run", rule="be registered first",
                            value="no version with its hash",
                            action="Run `python -m evenvoice.tracking register` for it.")
    return version


def _compare(store: Store, location: Location, champion: int | None, challenger: Version, rules: Rules,
             product: Product) -> Comparison:
    if champion is None:
        return comparison.FIRST
    tags = store.version(champion).tags
    return product.compare(champion=location.speakers(tags.get(lineage.INPUTS, "unknown")),
                           champion_digest=tags.get(lineage.SPEAKERS),
                           challenger=location.speakers(challenger.tags[lineage.INPUTS]), rules=rules)


def _verify_files(store: Store, version: Version) -> None:
    """The files a champion is served from are those that were judged, down to the byte."""
    with tempfile.TemporaryDirectory() as scratch:
        directory = store.download(version.number, Path(scratch))
        manifest.verify(directory)
        found, expected = manifest.inputs_digest(directory), version.tags.get(lineage.INPUTS)
    if found != expected:
        raise TrackingError(name=f"the manifest of version {version.number}", rule=f"have SHA-256 {expected}",
                            value=found, action="The registered model was altered: register it again.")


def _previous(trail: Trail, champion: int | None) -> int:
    champions = trail.champions()
    if champion is None or not champions or champions[-1] != champion:
        raise TrackingError(name="the champion", rule="be the one the audit record ends with", value=_named(champion),
                            action="It was moved outside evenvoice: promote a version with evenvoice first.")
    if len(champions) < 2:
        raise TrackingError(name=_named(champion), rule="have a champion before it", value="the first one",
                            action="There is nothing to go back to: train and promote another version.")
    return champions[-2]


def _rolled_back(entry: Entry, champion: int | None) -> Outcome:
    move = entry.move
    return Outcome(outcome=ROLLED_BACK, version=move.target, champion_before=move.origin, champion=champion,
                   reason=f"{move.by}: {move.reason}", audit=entry.digest)
