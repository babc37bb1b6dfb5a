"""PASS, FAIL or INSUFFICIENT for the chosen verifier, with reasons."""

from evenvoice.params import Params
from evenvoice.storage import write_json
from evenvoice.verification.gate import judge, read_evidence
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    """Tables and scored trials in, a verdict out; an unfavourable verdict is a result, not an error."""
    verdict = judge(read_evidence(evaluation=paths.VERIFICATION, trials=paths.TRIALS, corpus=paths.CORPUS),
                    params.verifier_gate, seed=params.seed)
    write_json(paths.VERIFIER_VERDICT, verdict.to_json())
    print(f"{verdict.verdict} ({verdict.challenger} against {verdict.base})")
    for reason in verdict.reasons:
        print(f"- {reason}")


if __name__ == "__main__":
    run_stage(main, __doc__)
