"""Objects beside boto3's TransferManager: the ratio is that of pairs, and what misses the goal says so."""

from __future__ import annotations

from benchmarks.objects import MIB, Comparison


def test_the_ratio_is_the_median_over_pairs_of_turns() -> None:
    found = Comparison.of("upload", MIB, 32, [(1.0, 1.0), (2.0, 1.0), (4.0, 3.0)])

    assert found.ratio == 0.75
    assert str(found).endswith("ratio 0.75  misses the goal")


def test_what_is_fast_enough_is_said_without_a_word() -> None:
    found = Comparison.of("download", 64 * MIB, 1, [(1.0, 0.95)])

    assert str(found) == "download     65,536 KiB     64.00 MiB/s, TransferManager    67.37 MiB/s, ratio 0.95"
