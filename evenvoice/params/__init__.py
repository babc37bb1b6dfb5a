"""The one schema of the configuration: types, ranges and help of every number a person may change.

It validates params.yaml and the profiles laid over it, fills the trigger form of the Airflow DAG, and names the
allowed range when a value is refused. It imports neither torch nor pyarrow, since DAG files read it.

Every field stands in params.yaml: there are no hidden defaults, so DVC sees each value that a result depends on.
"""

from evenvoice.params.amortize import AMORTIZED, DENSE, Amortize
from evenvoice.params.arms import (
    ARMS,
    BASE,
    CONTROLS,
    EWC,
    L2SP,
    MADE_FROM,
    UNKNOWN,
    Arms,
    Augment,
    CohortInput,
    Frozen,
    Interpolate,
    NoSettings,
    Oversample,
    Rehearsal,
    Reweight,
)
from evenvoice.params.cohorts import (
    AIMS,
    METHODS,
    Attributes,
    Clusters,
    Discover,
    Geodemographic,
    Geographic,
    Method,
    Watched,
)
from evenvoice.params.judging import PARTS, Evaluate, Gate, Report, Wanted
from evenvoice.params.layers import load_params, overlay, parse_params, settle
from evenvoice.params.mitigation import Mitigate, Trial
from evenvoice.params.models import CHOICES, MODELS, SAVINGS, models_in, models_of
from evenvoice.params.multitalker import EvaluateMultitalker, Mix, MultitalkerGate, TrainMultitalker
from evenvoice.params.plant import Plant
from evenvoice.params.refusals import check, refuse_unknown
from evenvoice.params.resources import Resources, Size
from evenvoice.params.root import Params
from evenvoice.params.section import Section, mappings, names
from evenvoice.params.speech import OWN_COLUMNS, Cause, Featurize, Ingest, Place, Split, Synthetic, Tokenizer
from evenvoice.params.training import Embed, Train, TrainSpeaker, Transcribe
from evenvoice.params.values import AUTO, InputPath, Positive, PositiveOrAuto, Share, is_input_path
from evenvoice.params.verification import VerifierGate, Verify
from evenvoice.params.weightings import (
    UNWEIGHTED,
    WEIGHTING_CONTROLS,
    WEIGHTING_TITLES,
    WEIGHTINGS,
    Adversarial,
    DoubleRate,
    Focal,
    Weightings,
)

__all__ = [
    "AIMS", "AMORTIZED", "ARMS", "AUTO", "BASE", "CHOICES", "CONTROLS", "DENSE", "EWC", "L2SP", "MADE_FROM", "METHODS",
    "MODELS", "OWN_COLUMNS", "PARTS", "SAVINGS", "UNKNOWN", "UNWEIGHTED", "WEIGHTINGS", "WEIGHTING_CONTROLS",
    "WEIGHTING_TITLES", "Adversarial", "Amortize", "Arms", "Attributes", "Augment", "Cause", "Clusters", "CohortInput",
    "Discover", "DoubleRate", "Embed", "Evaluate", "EvaluateMultitalker", "Featurize", "Focal", "Frozen", "Gate",
    "Geodemographic", "Geographic", "Ingest", "InputPath", "Interpolate", "Method", "Mitigate", "Mix",
    "MultitalkerGate", "NoSettings", "Oversample", "Params", "Place", "Plant", "Positive", "PositiveOrAuto",
    "Rehearsal", "Report", "Resources", "Reweight", "Section", "Share", "Size", "Split", "Synthetic", "Tokenizer",
    "Train", "TrainMultitalker", "TrainSpeaker", "Transcribe", "Trial", "VerifierGate", "Verify", "Wanted", "Watched",
    "Weightings", "check", "is_input_path", "load_params", "mappings", "models_in", "models_of", "names", "overlay",
    "parse_params", "refuse_unknown", "settle",
]
