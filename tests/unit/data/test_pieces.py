"""Pieces: whole or absent, of exactly this input, settings and code; and who gets which share."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from evenvoice.data import pieces as pieces_module
from evenvoice.data.pieces import Pieces, Shard, in_order, list_beside, take
from evenvoice.errors import ArtifactError, ParamsError
from evenvoice.progress import Progress
from evenvoice.storage import write_json


@pytest.fixture
def unit(tmp_path):
    path = tmp_path / "utterances-00003.parquet"
    path.write_bytes(b"the input")
    return path


def opened(tmp_path, **settings):
    return Pieces(tmp_path / "pieces", settings or {"bands": 64}, Progress("featurize"))


def written(tmp_path, unit):
    with opened(tmp_path).writing(unit) as draft:
        (draft / "result").write_bytes(b"the result")
    return opened(tmp_path).find(unit)


def test_what_one_process_wrote_another_finds(tmp_path, unit):
    assert opened(tmp_path).find(unit) is None
    assert (written(tmp_path, unit) / "result").read_bytes() == b"the result"


@pytest.mark.parametrize("damage", [
    lambda piece: (piece / "result").write_bytes(b"the resulT"),
    lambda piece: (piece / "result").unlink(),
    lambda piece: (piece / "another").write_bytes(b""),
    lambda piece: (piece / "complete.json").write_text("{"),
    lambda piece: (piece / "complete.json").unlink(),
], ids=["altered", "missing", "added to", "marker cut", "no marker"])
def test_a_damaged_piece_is_removed_with_a_note(tmp_path, unit, damage, capsys):
    damage(written(tmp_path, unit))

    assert opened(tmp_path).find(unit) is None
    assert "is not what was written: utterances-00003.parquet is worked on again" in capsys.readouterr().out
    assert not list((tmp_path / "pieces").iterdir())


def test_a_piece_of_other_input_is_passed_over_with_a_note(tmp_path, unit, capsys):
    written(tmp_path, unit)
    unit.write_bytes(b"other input")

    assert opened(tmp_path).find(unit) is None
    assert "was made from other input, settings or code" in capsys.readouterr().out


def test_a_piece_of_other_settings_is_passed_over(tmp_path, unit):
    written(tmp_path, unit)

    assert opened(tmp_path, bands=80).find(unit) is None


def test_a_piece_of_other_code_is_passed_over(tmp_path, unit, monkeypatch):
    written(tmp_path, unit)
    monkeypatch.setattr(pieces_module, "package_digest", lambda: "another hash")

    assert opened(tmp_path).find(unit) is None


def test_an_error_leaves_no_piece_and_no_draft(tmp_path, unit):
    def break_down():
        with opened(tmp_path).writing(unit) as draft:
            (draft / "result").write_bytes(b"half")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        break_down()

    assert opened(tmp_path).find(unit) is None
    assert not list((tmp_path / "pieces").iterdir())


def test_two_that_write_the_same_piece_do_not_disturb_each_other(tmp_path, unit):
    with opened(tmp_path).writing(unit) as slow:
        (slow / "result").write_bytes(b"the result")
        written(tmp_path, unit)

    assert (opened(tmp_path).find(unit) / "result").read_bytes() == b"the result"
    assert len(list((tmp_path / "pieces").iterdir())) == 1


def test_files_of_a_piece_are_linked_and_outlive_it(tmp_path, unit):
    piece = written(tmp_path, unit)
    (tmp_path / "out").mkdir()
    take(piece, "res*", tmp_path / "out")
    assert (tmp_path / "out" / "result").samefile(piece / "result")

    opened(tmp_path).discard()

    assert (tmp_path / "out" / "result").read_bytes() == b"the result"
    assert not (tmp_path / "pieces").exists()


def test_where_links_are_impossible_files_are_copied(tmp_path, unit, monkeypatch):
    def refuse(*_):
        raise OSError

    monkeypatch.setattr("os.link", refuse)
    piece = written(tmp_path, unit)
    (tmp_path / "out").mkdir()
    take(piece, "res*", tmp_path / "out")
    assert (tmp_path / "out" / "result").read_bytes() == b"the result"


@pytest.mark.parametrize("count", [1, 2, 3, 7, 11])
def test_shares_are_everything_once_and_in_order(count):
    units = list("abcdefg")
    shares = [Shard.parse(f"{number}/{count}").of(units) for number in range(1, count + 1)]
    assert [unit for share in shares for unit in share] == units
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "1/0", "-1/4", "a/b", "1/4/2"])
def test_a_share_that_does_not_exist_is_refused(text):
    with pytest.raises(ParamsError, match="--shard must read 3/16"):
        Shard.parse(text)


CORPUS = ["speakers.parquet", "utterances/utterances-00000.parquet", "utterances/utterances-00001.parquet",
          "utterances/utterances-00002.parquet"]
FEATURES = ["contents.json", "features-00000-00000.arrow", "features-00000-00001.arrow",
            "features-5b1f0c9d2a7e4410-00000.arrow", "statistics.json"]


def lay(directory, names):
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(b"")


@pytest.mark.parametrize("names", [CORPUS, FEATURES], ids=["corpus", "features"])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_share_is_the_same_whether_everything_lies_there_or_only_what_it_needs(tmp_path, names, count):
    lay(tmp_path / "whole", names)
    units = []
    for share in [Shard(number, count) for number in range(1, count + 1)]:
        part = tmp_path / f"part-{share.number}"
        part.mkdir()
        lay(part, share.needed(names))
        write_json(list_beside(part), names)
        found = [path.relative_to(part).as_posix() for path in share.units(part)]
        assert found == [path.relative_to(tmp_path / "whole").as_posix() for path in share.units(tmp_path / "whole")]
        small = [name for name in names if "-" not in name]
        assert {path.relative_to(part).as_posix() for path in part.rglob("*") if path.is_file()} == {*found, *small}
        units += found
    assert units == [name for name in names if "-" in name]


def test_a_file_of_the_share_that_is_not_there_is_refused_by_name(tmp_path):
    lay(tmp_path / "corpus", CORPUS[:2])
    write_json(list_beside(tmp_path / "corpus"), CORPUS)
    with pytest.raises(ArtifactError, match=r"utterances-00002.parquet must lie here for share 3/3"):
        Shard(3, 3).units(tmp_path / "corpus")


def test_a_directory_without_units_is_refused(tmp_path):
    lay(tmp_path, ["speakers.parquet"])
    with pytest.raises(ArtifactError, match="must hold files to work on"):
        Shard(1, 1).units(tmp_path)


def test_pieces_that_are_there_and_such_that_are_not_come_in_the_order_of_their_units(tmp_path):
    units = [tmp_path / f"utterances-{number:05d}.parquet" for number in range(20)]
    for number, unit in enumerate(units):
        unit.write_bytes(bytes([number]))
        if number % 3:
            written(tmp_path, unit)
    found = list(opened(tmp_path).find_each(units))
    assert [unit for unit, _ in found] == units
    assert [piece is not None for _, piece in found] == [number % 3 > 0 for number in range(20)]



def test_only_a_few_recordings_are_under_way_at_once():
    taken, lock = [], threading.Lock()

    def items():
        for i in range(100):
            with lock:
                taken.append(i)
            yield i

    with ThreadPoolExecutor(2) as threads:
        results = in_order(threads, lambda i: -i, items(), ahead=4)
        assert next(results) == 0
        assert len(taken) == 4
        assert list(results) == [-i for i in range(1, 100)]
