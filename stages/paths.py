"""Where each stage reads and writes, relative to the workspace; dvc.yaml names the same paths."""

from pathlib import Path
from typing import Final

from evenvoice.params import BASE

SOURCE: Final = Path("corpus.json")
WATCHED: Final = Path("watched.json")
CORPUS: Final = Path("artifacts/corpus")
FEATURES: Final = Path("artifacts/features")
TOKENIZER: Final = Path("artifacts/tokenizer")
MODELS: Final = Path("artifacts/models")
BASE_MODEL: Final = MODELS / BASE
SPEAKER_MODELS: Final = Path("artifacts/speaker_models")
TRIALS: Final = Path("artifacts/trials")
MIXTURES: Final = Path("artifacts/mixtures")
MULTITALKER_MODELS: Final = Path("artifacts/multitalker_models")
MULTITALKER_MODEL: Final = MULTITALKER_MODELS / "multitalker"
TURNS: Final = Path("artifacts/turns")
MULTITALKER: Final = Path("artifacts/multitalker")
VERIFICATION: Final = Path("artifacts/verification")
HYPOTHESES: Final = Path("artifacts/hypotheses")
BASE_HYPOTHESES: Final = HYPOTHESES / BASE
EMBEDDINGS: Final = Path("artifacts/embeddings")
COHORTS: Final = Path("artifacts/cohorts")
LEARNING: Final = Path("artifacts/learning")
TIMING: Final = Path("artifacts/timing/amortized.json")
WANTED: Final = Path("artifacts/wanted.json")
EVALUATION: Final = Path("artifacts/evaluation")
VERDICT: Final = Path("reports/verdict.json")
VERIFIER_VERDICT: Final = Path("reports/verifier/verdict.json")
VERIFIER_REPORT: Final = Path("reports/verifier/index.html")
VERIFIER_CARD: Final = Path("reports/verifier/model_card.md")
MULTITALKER_VERDICT: Final = Path("reports/multitalker/verdict.json")
MULTITALKER_REPORT: Final = Path("reports/multitalker/index.html")
MULTITALKER_CARD: Final = Path("reports/multitalker/model_card.md")
REPORT: Final = Path("reports/index.html")
MODEL_CARD: Final = Path("reports/model_card.md")
CHECKPOINTS: Final = Path("checkpoints")
"""Outside every DVC output, since DVC deletes outputs before a stage runs again."""
PIECES: Final = Path("pieces")
"""Likewise; see evenvoice.data.pieces."""
