"""Several processes for one training: torchrun starts them, finds those of other machines, and ends all when one ends.

On one machine nothing has to be said. For several, torchrun's own variables do (PET_NNODES, PET_RDZV_ENDPOINT, ...):
the same command is started on each of them.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Final

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import parse_args
from torch.distributed.run import run as torchrun

from evenvoice.errors import ParamsError, TransientError

SEVERAL_MACHINES: Final = "PET_NNODES"


def is_launcher(processes: int) -> bool:
    """Whether this process has to start the ones that train, rather than train.

    Raises:
        ParamsError: torchrun was told another number of processes; the result would not be that of the parameters.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return processes > 1 or SEVERAL_MACHINES in os.environ
    started = int(os.environ["WORLD_SIZE"])
    if started != processes:
        raise ParamsError(name="train.processes", rule=f"be {started}, as many as torchrun started", value=processes,
                          action="Change it, or PET_NNODES and PET_NPROC_PER_NODE: results depend on the number.")
    return False


def launch(module: str, processes: int, *arguments: str) -> None:
    """Run ``python -m module`` with ``arguments`` in all processes of this machine, and wait for them.

    Raises:
        TransientError: a signal ended one of them.
        SystemExit: one ended with an error, which it has printed; carries its exit status.
    """
    try:
        options = parse_args([*_options(processes), "-m", module, *arguments])  # type: ignore[no-untyped-call]
        torchrun(options)  # type: ignore[no-untyped-call]
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode > 0:
            sys.exit(failure.exitcode)
        raise TransientError(name=f"process {rank} of the training", rule="end by itself",
                             value=signal.Signals(-failure.exitcode).name,
                             action="Started again, training resumes from the latest checkpoint.") from error


def _options(processes: int) -> list[str]:
    """Only where torchrun's variables say nothing; on one machine no name of it has to resolve."""
    if SEVERAL_MACHINES in os.environ:
        return []
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    return ["--standalone", "--local-addr", "localhost", "--nproc-per-node", str(processes)]
