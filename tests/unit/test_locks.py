"""A lock that the kernel keeps."""

from pathlib import Path

import pytest

from evenvoice.errors import WorkspaceError
from evenvoice.locks import exclusive


def test_a_held_lock_is_refused_by_name_to_whoever_does_not_wait(tmp_path: Path) -> None:
    path = tmp_path / "train.lock"

    with exclusive(path, wait=False), pytest.raises(WorkspaceError, match=r"train\.lock must be held by nobody else"), \
            exclusive(path, wait=False):
        pass


def test_a_lock_is_free_again_after_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "train.lock"

    for _ in range(2):
        with exclusive(path, wait=False):
            pass
