"""Elastic weight consolidation: weights that matter for everyone are held harder (arXiv 2207.07850)."""

from evenvoice.mitigation.anchor import quadratic_anchor
from evenvoice.mitigation.arm import Arm, Plan, Situation
from evenvoice.mitigation.fisher import fisher_information
from evenvoice.params import EWC
from evenvoice.training.checkpoints import fingerprint


def plan_ewc(situation: Situation, settings: EWC) -> Plan:
    """Train on the bottom speakers, anchored by the Fisher information of all training speakers."""
    store, everyone = situation.store, situation.training_indices()
    fisher = fisher_information(situation.recogniser, store, everyone,
                                utterances=settings.fisher_utterances, ctc_weight=situation.ctc_weight,
                                seed=situation.seed, progress=situation.progress)
    anchor = quadratic_anchor(situation.recogniser.transducer, weight=settings.weight, importance=fisher)
    return Plan(indices=situation.indices_of(situation.bottom_speakers), penalty=anchor,
                identity=f"ewc {settings.weight} {settings.fisher_utterances} "
                         f"{fingerprint(store.ids[everyone].tolist(), store.texts[everyone].tolist())}")


ARM = Arm(title="Elastic weight consolidation", plan=plan_ewc)
