"""Elastic weight consolidation: weights that matter for everyone are held harder (arXiv 2207.07850)."""

from evenvoice.mitigation.anchor import quadratic_anchor
from evenvoice.mitigation.arm import Plan, Situation
from evenvoice.mitigation.fisher import fisher_information


def plan_ewc(situation: Situation) -> Plan:
    """Train on the bottom speakers, anchored by the Fisher information of all training speakers."""
    settings = situation.settings
    fisher = fisher_information(situation.recogniser, situation.store, situation.training_indices(),
                                utterances=settings.fisher_utterances, ctc_weight=situation.ctc_weight,
                                seed=situation.seed, progress=situation.progress)
    anchor = quadratic_anchor(situation.recogniser.transducer, weight=settings.ewc_weight, importance=fisher)
    return Plan(indices=situation.indices_of(situation.bottom_speakers), penalty=anchor,
                identity=f"ewc {settings.ewc_weight} {settings.fisher_utterances}")
