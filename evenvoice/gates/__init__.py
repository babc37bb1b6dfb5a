"""The fairness gate: a three-valued verdict on the challenger, from speakers that nothing was fitted or chosen on.

It looks at every cohort against the top cohort of its method, at the WER of the whole, and at challenger against base
on the whole and on each top cohort, so that levelling down does not count as fairness.

FAIL          when any of these is established to be beyond its limit.
PASS          when every one is shown to be within its limit.
INSUFFICIENT  otherwise. A cohort that discovery knows but that has no test speakers, no words, or fewer speakers than
              ``gate.min_speakers`` is never judged and never overlooked.
"""

from evenvoice.gates.evidence import Evidence, read_evidence
from evenvoice.gates.judgement import judge
from evenvoice.gates.verdict import CohortFinding, Regression, Verdict, Whole

__all__ = ["CohortFinding", "Evidence", "Regression", "Verdict", "Whole", "judge", "read_evidence"]
