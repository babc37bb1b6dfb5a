"""Arrow files: shards by size, schemas that are checked, damage that is refused by name."""

from pathlib import Path

import pyarrow as pa
import pytest

from evenvoice.data.tables import (
    ParquetRows,
    count_rows,
    ipc_shards,
    iterate_batches,
    open_ipc_shard,
    open_ipc_shards,
    parquet_shards,
    read_table,
    rows_table,
    write_ipc_shards,
    write_table,
)
from evenvoice.errors import ArtifactError
from tests.builders.ipc import write_rows

SCHEMA = pa.schema([pa.field("name", pa.string(), nullable=False), pa.field("sound", pa.large_binary())])
ROWS = [{"name": f"r{i}", "sound": bytes([i]) * 400_000} for i in range(6)]


def write_file(path: Path, rows: list[dict[str, object]]) -> Path:
    file = ParquetRows(path, SCHEMA)
    for row in rows:
        file.append(row, size=400_000)
    file.close()
    return path


def test_rows_are_written_in_groups_that_memory_holds_easily(tmp_path: Path) -> None:
    rows = [{"name": f"r{i}", "sound": b"x"} for i in range(300)]
    path = write_file(tmp_path / "part.parquet", rows)
    with pa.parquet.ParquetFile(path) as file:
        assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [84, 84, 84, 48]
    assert read_table(path, SCHEMA).to_pylist() == rows
    assert count_rows(path) == 300


def test_rows_come_back_so_many_at_a_time(tmp_path: Path) -> None:
    write_file(tmp_path / "part.parquet", ROWS)
    [shard] = parquet_shards(tmp_path)
    batches = list(iterate_batches(shard, SCHEMA, ["name"], 4))
    assert [batch["name"].to_pylist() for batch in batches] == [["r0", "r1", "r2", "r3"], ["r4", "r5"]]


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    assert write_file(tmp_path / "a", ROWS).read_bytes() == write_file(tmp_path / "b", ROWS).read_bytes()


def test_an_empty_table_still_has_its_schema(tmp_path: Path) -> None:
    assert read_table(write_file(tmp_path / "part.parquet", []), SCHEMA).num_rows == 0


def test_ipc_shards_are_mapped_as_one_table(tmp_path: Path) -> None:
    write_rows(tmp_path, "part", SCHEMA, ROWS, size_of="sound")
    assert len(list(tmp_path.glob("*.arrow"))) == 2
    assert open_ipc_shards(tmp_path, SCHEMA).to_pylist() == ROWS


def test_ipc_shards_do_not_depend_on_how_many_rows_are_written_at_a_time(tmp_path: Path) -> None:
    rows = [{"name": f"r{i}", "sound": bytes(20_000)} for i in range(200)]
    for rows_at_once in (1, 7, 53, 200):
        batches = rows_table(rows, SCHEMA).to_batches(max_chunksize=rows_at_once)
        directory = tmp_path / str(rows_at_once)
        directory.mkdir()
        write_ipc_shards(directory, "part", SCHEMA, batches, shard_mb=1, size_of="sound")
        assert [open_ipc_shard(shard, SCHEMA).num_rows for shard in ipc_shards(directory)] == [53, 53, 53, 41]
        assert open_ipc_shards(directory, SCHEMA).to_pylist() == rows


def test_an_empty_ipc_table_still_has_its_schema(tmp_path: Path) -> None:
    write_rows(tmp_path, "part", SCHEMA, [], size_of="sound")
    assert open_ipc_shards(tmp_path, SCHEMA).num_rows == 0


@pytest.mark.parametrize("cut", [0, 100, -8])
def test_a_truncated_shard_is_refused_by_name(tmp_path: Path, cut: int) -> None:
    write_table(tmp_path / "a.parquet", rows_table(ROWS, SCHEMA))
    content = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(content[:cut])
    with pytest.raises(ArtifactError, match=r"a\.parquet must be a readable Parquet file"):
        read_table(tmp_path / "a.parquet", SCHEMA)


def test_another_column_type_is_refused_by_column(tmp_path: Path) -> None:
    write_table(tmp_path / "a.parquet", pa.table({"name": [1], "sound": [b""]}))
    with pytest.raises(ArtifactError, match="column 'name' must be string, got int64"):
        read_table(tmp_path / "a.parquet", SCHEMA)


def test_nothing_there_names_what_writes_it(tmp_path: Path) -> None:
    for read in (read_table, open_ipc_shards):
        with pytest.raises(ArtifactError, match="Run the stage that writes it"):
            read(tmp_path / "none", SCHEMA)
    with pytest.raises(ArtifactError, match="must hold Parquet shards"):
        parquet_shards(tmp_path / "none")
