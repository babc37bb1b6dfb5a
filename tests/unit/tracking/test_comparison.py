"""Challenger against champion: four outcomes, each on a table where the truth is plain."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from evenvoice.data.tables import rows_table, write_table
from evenvoice.errors import ArtifactError
from evenvoice.storage import sha256
from evenvoice.tracking.comparison import SPEAKER_ERRORS, Comparison, Rules, compare, keep_speakers
from tests.builders.run_files import write_run

RULES = Rules(margin=0.03, confidence=0.95, replicates=500, seed=1)
CHAMPION = [4, 6, 5, 3, 7, 5, 4, 6, 5, 5, 6, 4]


def table(path: Path, errors: Sequence[int], speaker: str = "speaker", words: int = 100) -> Path:
    write_table(path, rows_table([{"speaker": f"{speaker}-{number:02d}", "words": words, "errors": count}
                                  for number, count in enumerate(errors)], SPEAKER_ERRORS))
    return path


def compared(tmp_path: Path, errors: Sequence[int], **other: str | int) -> Comparison:
    champion = table(tmp_path / "champion.parquet", CHAMPION)
    challenger = table(tmp_path / "challenger.parquet", errors, **other)  # type: ignore[arg-type]
    return compare(champion=champion, champion_digest=sha256(champion), challenger=challenger, rules=RULES)


def test_the_same_errors_are_not_worse(tmp_path: Path) -> None:
    assert compared(tmp_path, CHAMPION).outcome == "not worse"


def test_half_the_errors_of_every_speaker_are_not_worse(tmp_path: Path) -> None:
    found = compared(tmp_path, [count // 2 for count in CHAMPION])
    assert found.outcome == "not worse"
    assert found.champion_wer == pytest.approx(0.05)


def test_twice_the_errors_of_every_speaker_are_worse(tmp_path: Path) -> None:
    found = compared(tmp_path, [2 * count for count in CHAMPION])
    assert found.outcome == "worse"
    assert found.low is not None
    assert found.low > 0.03


def test_a_few_errors_here_and_a_few_less_there_are_undecided(tmp_path: Path) -> None:
    assert compared(tmp_path, [6, 4, 7, 2, 6, 7, 3, 8, 4, 6, 5, 3]).outcome == "undecided"


def test_a_champion_without_errors_is_not_beaten_by_one_with_many(tmp_path: Path) -> None:
    champion = table(tmp_path / "champion.parquet", [0] * 12)
    challenger = table(tmp_path / "challenger.parquet", CHAMPION)
    found = compare(champion=champion, champion_digest=sha256(champion), challenger=challenger, rules=RULES)
    assert found.outcome == "worse"


@pytest.mark.parametrize("other", [{"speaker": "stranger"}, {"words": 90}])
def test_other_speakers_or_other_words_are_not_compared(tmp_path: Path, other: dict[str, str | int]) -> None:
    found = compared(tmp_path, CHAMPION, **other)
    assert found.outcome == "not comparable"
    assert "tested on other data" in found.reason


def test_a_champion_from_another_machine_is_not_compared(tmp_path: Path) -> None:
    found = compare(champion=tmp_path / "nothing", champion_digest="0", rules=RULES,
                    challenger=table(tmp_path / "challenger.parquet", CHAMPION))
    assert found.outcome == "not comparable"


def test_an_altered_table_of_the_champion_is_refused(tmp_path: Path) -> None:
    champion = table(tmp_path / "champion.parquet", CHAMPION)
    with pytest.raises(ArtifactError, match=r"champion\.parquet must have SHA-256"):
        compare(champion=champion, champion_digest="0" * 64, rules=RULES,
                challenger=table(tmp_path / "challenger.parquet", CHAMPION))


def test_the_private_table_holds_the_test_speakers_of_one_model(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    files = write_run(tmp_path / "workspace", model=tmp_path / "model", errors=[1, 2, 3])
    keep_speakers(files.evaluation, "ewc", tmp_path / "kept.parquet")
    again = table(tmp_path / "same.parquet", [1, 2, 3])
    found = compare(champion=tmp_path / "kept.parquet", champion_digest=sha256(tmp_path / "kept.parquet"),
                    challenger=again, rules=RULES)
    assert "3 speakers" in found.reason  # same count, other names: speaker-0 against speaker-00
