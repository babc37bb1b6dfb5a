"""PASS, FAIL or INSUFFICIENT for the recogniser of several talkers, with reasons."""

from evenvoice.multitalker.evidence import read_evidence
from evenvoice.multitalker.gate import judge
from evenvoice.params import Params
from evenvoice.storage import write_json
from stages import paths
from stages.entry import run_stage


def main(params: Params) -> None:
    """Tables in, a verdict out; an unfavourable verdict is a result, not an error."""
    verdict = judge(read_evidence(evaluation=paths.MULTITALKER, mixtures=paths.MIXTURES), params.multitalker_gate,
                    seed=params.seed)
    write_json(paths.MULTITALKER_VERDICT, verdict.to_json())
    print(f"{verdict.verdict} ({verdict.challenger})")
    for reason in verdict.reasons:
        print(f"- {reason}")


if __name__ == "__main__":
    run_stage(main, __doc__)
