"""Which cohorts may not be published: too few speakers, and those that would give them away by subtraction."""

from __future__ import annotations

from collections.abc import Mapping


def suppress(counts: Mapping[str, int], k: int) -> set[str]:
    """Names of the cohorts to hide.

    What is hidden can be recovered as one sum: everyone minus what is shown. So the smallest shown cohorts are hidden
    too until that sum covers at least two cohorts and at least ``k`` speakers, or nothing is left to show. An empty
    cohort is hidden as well, but protects nobody.

    Args:
        counts: speakers per cohort of one partition. Pass the speakers that no cohort holds as one more entry when
            the total is published.
        k: fewer speakers than this are never shown.
    """
    by_size = sorted(counts, key=lambda cohort: (counts[cohort], cohort))
    hidden = [cohort for cohort in by_size if counts[cohort] < k]
    shown = by_size[len(hidden):]
    while shown and _recoverable([counts[cohort] for cohort in hidden], k):
        hidden.append(shown.pop(0))
    return set(hidden)


def _recoverable(hidden: list[int], k: int) -> bool:
    occupied = [count for count in hidden if count > 0]
    return bool(occupied) and (len(occupied) == 1 or sum(occupied) < k)
