"""The commands behind the Makefile: ``python -m ops run|up|down|doctor|images|corpus|lock|env``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console

from dags.pipelines import PIPELINES, RECOGNISER
from dags.runners import RUNNERS, default_runner
from dags.runs import ROOT
from dags.workspace import RERUN, SHOW
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
            dag=arguments.dag, profile=arguments.profile, corpus=arguments.corpus, changes=tuple(arguments.set),
            force=arguments.force, force_stage=arguments.force_stage, stale=arguments.stale, verify=arguments.verify,
            runner=arguments.runner, jobs=arguments.jobs)
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
    if arguments.command in ("up-stack", "down-stack"):
        from ops.stack import lifecycle
        return (lifecycle.up_stack if arguments.command == "up-stack" else lifecycle.down_stack)(ROOT, console)
    if arguments.command in ("images", "stack-images", "base-image", "wheelhouse"):
        return _obey_about_images(arguments, console)
    from ops import services
    if arguments.command == "up":
        return services.up(ROOT, console, airflow_port=arguments.airflow_port, mlflow_port=arguments.mlflow_port)
    return services.down(ROOT, console)


def _obey_about_images(arguments: argparse.Namespace, console: Console) -> int:
    from ops.images import base, build, engine
    if arguments.command == "wheelhouse":
        base.make_wheelhouse(ROOT, console, accelerator=arguments.accelerator)
    elif arguments.command == "base-image":
        base.make_base(engine.find_client(arguments.docker), console)
    elif arguments.command == "stack-images":
        from ops.stack.images import build_stack_images
        build_stack_images(ROOT, console, base_image=arguments.base_image, docker=arguments.docker,
                           wheelhouse=Path(arguments.wheelhouse) if arguments.wheelhouse else None)
    else:
        options = build.BuildOptions(
            base_image=arguments.base_image, wheelhouse=Path(arguments.wheelhouse) if arguments.wheelhouse else None,
            accelerator=arguments.accelerator, tag=arguments.tag, docker=arguments.docker)
        build.build_images(ROOT, console, options)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ops", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run a DAG that makes a product to its end")
    run.add_argument("--dag", default=RECOGNISER.dag, help=f"one of {', '.join(PIPELINES)}")
    run.add_argument("--profile", default="", help="a file of profiles/, laid over params.yaml")
    run.add_argument("--corpus", default="", help="a corpus on this machine, instead of ingest.corpus")
    run.add_argument("--set", nargs="*", default=[], metavar="SECTION.NAME=VALUE", help="single parameters")
    run.add_argument("--force", action="store_true", help="run every stage")
    run.add_argument("--force-stage", default="", help="run this stage although nothing changed")
    run.add_argument("--stale", default=SHOW, choices=[SHOW, RERUN], help="results that other packages, interpreters "
                     "or processors made: show that they are used again, or make them anew")
    run.add_argument("--verify", action="store_true", help="read all content of a corpus on a disk, and say what was "
                     "replaced although its size and time stayed")
    run.add_argument("--runner", default=default_runner(), choices=list(RUNNERS), help="how stages are executed")
    run.add_argument("--jobs", type=_count, default=0, metavar="N", help="how many stages run side by side at most; by "
                     "default one per core, if there is memory for it")
    up = commands.add_parser("up", help="start the user interfaces")
    up.add_argument("--airflow-port", type=int, default=AIRFLOW_PORT)
    up.add_argument("--mlflow-port", type=int, default=MLFLOW_PORT)
    commands.add_parser("down", help="stop what `up` started")
    commands.add_parser("corpus", help="write corpus.json and watched.json, which tell DVC what lies outside the "
                        "checkout: recordings, and cohorts of an earlier run")
    commands.add_parser("lock", help="resolve the locks anew")
    commands.add_parser("doctor", help="what this machine lacks")
    commands.add_parser("up-stack", help="start the whole service in containers")
    commands.add_parser("down-stack", help="stop it; its data stays")
    images = commands.add_parser("images", help="build the images of stages and of Airflow")
    stack_images = commands.add_parser("stack-images", help="build the images that only the stack needs")
    for command in (images, stack_images):
        command.add_argument("--base-image", default="", help="instead of the one that docker/*.Dockerfile names")
        command.add_argument("--wheelhouse", default="", help="a folder of wheels, instead of a package index")
    images.add_argument("--tag", default="local")
    base = commands.add_parser("base-image", help="make a base image where no registry can be reached")
    wheelhouse = commands.add_parser("wheelhouse", help="fetch the wheels that images need")
    for command in (images, stack_images, base):
        command.add_argument("--docker", default="", help="client to use, instead of the first fit one on PATH")
    for command in (images, wheelhouse):
        command.add_argument("--accelerator", default="cpu", help="cpu or cuda: which build of torch")
    env = commands.add_parser("env", help="run a command with Airflow's, MLflow's and DVC's settings")
    env.add_argument("argv", nargs=argparse.REMAINDER, metavar="command")
    return parser


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"must be a number from 1 up, got {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
