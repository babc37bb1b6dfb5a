"""Restores what DVC's cache has and prints, as one line of JSON, which stages changed since dvc.lock was written.

Run as ``python -m dags.dvc_state`` inside a workspace: both questions in one process, since importing DVC takes longer
than either. The only module that imports DVC, and DAG files never import it.
"""

from __future__ import annotations

import json

from dvc.repo import Repo


def main() -> None:
    """Restore and report."""
    with Repo() as repo:
        repo.checkout(force=True, allow_missing=True)
        print(json.dumps(sorted(repo.status())))


if __name__ == "__main__":
    main()
