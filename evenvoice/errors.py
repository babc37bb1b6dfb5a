"""Every error evenvoice raises on purpose, as one tree.

    EvenvoiceError                 exit code 3: fail at once, a person has to act
    |- ParamsError                 a value in params.yaml or a profile breaks its rule
    |- CorpusError                 the corpus as a whole cannot be used
    |  |- RecordingRejected        one recording breaks an ingest rule
    |  `- TooManyRejected          more recordings were rejected than ingest.max_rejected tolerates
    |- ArtifactError               a file another stage should have written is missing, truncated or altered
    |- TrainingError
    |  |- NonFiniteLoss            the loss became NaN or infinite more often than the skip budget allows
    |  `- ShapeError               lengths that do not fit their tensors
    |- CohortError                 a cohort method cannot do what was asked of it
    |- GateError                   the gate was fed something it must not judge
    |- TrackingError               the model registry refused or contradicts what was asked
    |  `- PromotionConflict        the champion moved between looking and promoting
    |- WorkspaceError              a run's workspace cannot be made or is in use
    |- PreflightError              this machine lacks something the command needs
    `- TransientError              exit code 75: the same call may succeed later (network, lock, busy server)

Each message holds four things: the name of what is wrong, the rule it breaks, the value found, and the next action.
"""

from __future__ import annotations


class EvenvoiceError(Exception):
    """Base of the tree. Reads as "<name> must <rule>, got <value> instead. <action>"."""

    exit_code = 3

    def __init__(self, *, name: str, rule: str, value: object, action: str) -> None:
        self.name = name
        self.rule = rule
        self.value = value
        self.action = action
        super().__init__(f"{name} must {rule}, got {value} instead. {action}")

    def __reduce__(self) -> tuple[object, ...]:
        """Keyword-only arguments survive pickling, so errors cross process pools with their message."""
        return _rebuild, (type(self), self.name, self.rule, self.value, self.action)


def _rebuild(kind: type[EvenvoiceError], name: str, rule: str, value: object, action: str) -> EvenvoiceError:
    return kind(name=name, rule=rule, value=value, action=action)


class ParamsError(EvenvoiceError):
    """A configured value breaks its rule."""


class CorpusError(EvenvoiceError):
    """The corpus as a whole cannot be used."""


class RecordingRejected(CorpusError):
    """One recording breaks an ingest rule; collected into the table of rejected recordings."""


class TooManyRejected(CorpusError):
    """More recordings were rejected than ``ingest.max_rejected`` tolerates."""


class ArtifactError(EvenvoiceError):
    """A file that another stage should have written is missing, truncated or altered."""


class TrainingError(EvenvoiceError):
    """Training cannot go on."""


class NonFiniteLoss(TrainingError):
    """The loss became NaN or infinite more often than the skip budget allows."""


class ShapeError(TrainingError):
    """Lengths do not fit the tensors they describe."""


class CohortError(EvenvoiceError):
    """A cohort method cannot do what was asked of it."""


class GateError(EvenvoiceError):
    """The gate was fed something it must not judge."""


class TrackingError(EvenvoiceError):
    """The model registry refused, or contradicts, what was asked."""


class PromotionConflict(TrackingError):
    """The champion moved between looking at it and promoting over it."""


class WorkspaceError(EvenvoiceError):
    """A run's workspace cannot be made, or another run is using it."""


class PreflightError(EvenvoiceError):
    """This machine lacks something that the command needs."""


class TransientError(EvenvoiceError):
    """The same call may succeed later: a busy server, a lock, a broken connection."""

    exit_code = 75
