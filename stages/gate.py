"""PASS, FAIL or INSUFFICIENT, with reasons."""

from evenvoice.gates import judge, read_evidence
from evenvoice.params import Params
from evenvoice.storage import write_json
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    """The evaluation in, a verdict out; an unfavourable verdict is a result, not an error."""
    verdict = judge(read_evidence(evaluation=paths.EVALUATION, corpus=paths.CORPUS,
                                  models=paths.MODELS, wanted=paths.WANTED), params.gate, seed=params.seed)
    write_json(paths.VERDICT, verdict.to_json())
    print(f"{verdict.verdict} ({verdict.challenger} against {verdict.base})")
    for reason in verdict.reasons:
        print(f"- {reason}")


if __name__ == "__main__":
    run_stage(main, __doc__)
