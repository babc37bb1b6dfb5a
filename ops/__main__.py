"""The commands behind the Makefile: ``python -m ops run|up|down|doctor|corpus|lock|env``."""

from __future__ import annotations

import argparse
import os
import sys

from rich.console import Console

from dags.runners import RUNNERS, default_runner
from dags.runs import ROOT
from evenvoice.errors import EvenvoiceError
from ops.environment import AIRFLOW_PORT, MLFLOW_PORT, environment


def main() -> int:
    """Parse the command line and obey; returns the exit status."""
    arguments = _parser().parse_args()
    console = Console()
    try:
        return _obey(arguments, console)
    except EvenvoiceError as error:
        console.print(f"{type(error).__name__}: {error}", style="bold red", markup=False, highlight=False,
                      soft_wrap=True)
        return error.exit_code


def _obey(arguments: argparse.Namespace, console: Console) -> int:
    """Each command imports what it needs, so that `doctor` works where a package is missing."""
    if arguments.command == "run":
        from ops.run import RunOptions, run_in_foreground
        options = RunOptions(
            profile=arguments.profile, corpus=arguments.corpus, changes=tuple(arguments.set), force=arguments.force,
            force_stage=arguments.force_stage, runner=arguments.runner)
        return run_in_foreground(ROOT, options, console)
    if arguments.command == "env":
        command = arguments.argv
        os.execvpe(command[0], command, environment(ROOT))  # noqa: S606
    if arguments.command == "corpus":
        from dags.workspace import Request, describe_corpus, run_params
        describe_corpus(run_params(ROOT, Request()), ROOT)
        return 0
    if arguments.command == "lock":
        from ops.locks import make_locks
        return make_locks(ROOT)
    if arguments.command == "doctor":
        from ops.doctor import examine
        return examine(ROOT, console)
    from ops import services
    if arguments.command == "up":
        return services.up(ROOT, console, airflow_port=arguments.airflow_port, mlflow_port=arguments.mlflow_port)
    return services.down(ROOT, console)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ops", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run the DAG train_asr to its end")
    run.add_argument("--profile", default="", help="a file of profiles/, laid over params.yaml")
    run.add_argument("--corpus", default="", help="a corpus on this machine, instead of ingest.corpus")
    run.add_argument("--set", nargs="*", default=[], metavar="SECTION.NAME=VALUE", help="single parameters")
    run.add_argument("--force", action="store_true", help="run every stage")
    run.add_argument("--force-stage", default="", help="run this stage although nothing changed")
    run.add_argument("--runner", default=default_runner(), choices=list(RUNNERS), help="how stages are executed")
    up = commands.add_parser("up", help="start the user interfaces")
    up.add_argument("--airflow-port", type=int, default=AIRFLOW_PORT)
    up.add_argument("--mlflow-port", type=int, default=MLFLOW_PORT)
    commands.add_parser("down", help="stop what `up` started")
    commands.add_parser("corpus", help="write corpus.json, which tells DVC what the recordings are now")
    commands.add_parser("lock", help="resolve the locks anew")
    commands.add_parser("doctor", help="what this machine lacks")
    env = commands.add_parser("env", help="run a command with Airflow's, MLflow's and DVC's settings")
    env.add_argument("argv", nargs=argparse.REMAINDER, metavar="command")
    return parser


if __name__ == "__main__":
    sys.exit(main())
