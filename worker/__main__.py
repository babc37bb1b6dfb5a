"""Run one stage of dvc.yaml in the workspace that is the current directory.

Exit status: that of the stage itself; 124 when it took longer than it may; 143 when it was asked to end.
"""

from __future__ import annotations

import argparse
import sys

from evenvoice.errors import EvenvoiceError
from worker.reproduce import reproduce


def main() -> int:
    """Read the command line and work."""
    parser = argparse.ArgumentParser(prog="python -m worker", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", help="name of a stage as DVC calls it, for example train or discover@clusters")
    parser.add_argument("--force", action="store_true", help="run it although nothing changed")
    parser.add_argument("--minutes", type=float, required=True, help="stop the stage when it takes longer")
    options = parser.parse_args()
    try:
        return reproduce(options.stage, force=options.force, limit_s=options.minutes * 60)
    except EvenvoiceError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
