"""Which files of features each process draws from, and each machine needs."""

from collections import Counter

import pytest

from evenvoice.data.shares import files_of_machine, files_of_process


@pytest.mark.parametrize(("files", "processes"), [(8, 2), (17, 4), (53_000, 8)])
def test_every_file_is_in_one_share_and_shares_differ_by_one_file(files, processes):
    shares = [files_of_process(range(files), process, processes) for process in range(processes)]
    assert Counter(file for share in shares for file in share) == Counter(range(files))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_neighbours_are_dealt_out_since_corpora_come_sorted_by_split():
    splits = ["train"] * 12 + ["test"] * 4
    assert [files_of_process(splits, process, 4).count("train") for process in range(4)] == [3, 3, 3, 3]


@pytest.mark.parametrize(("files", "processes"), [(7, 2), (15, 4), (100, 1)])
def test_with_few_files_or_alone_everybody_draws_from_all_of_them(files, processes):
    for process in range(processes):
        assert files_of_process(range(files), process, processes) == range(files)
    for machine in range(processes):
        assert files_of_machine(range(files), machine + 1, processes, processes) == range(files)


@pytest.mark.parametrize("machines", [1, 2, 4])
def test_a_machine_needs_the_files_of_its_processes_however_they_are_spread(machines):
    files, of_each = range(41), 8 // machines
    for machine in range(machines):
        processes = range(machine * of_each, (machine + 1) * of_each)
        theirs = sorted(file for process in processes for file in files_of_process(files, process, 8))
        assert files_of_machine(files, machine + 1, machines, 8) == theirs
