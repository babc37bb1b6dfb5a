"""A real MLflow on SQLite and the runs that use it."""

from __future__ import annotations

import ast
import base64
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from evenvoice.params import load_params
from evenvoice.tracking import lineage
from evenvoice.tracking.audit import Trail
from evenvoice.tracking.comparison import Rules
from evenvoice.tracking.location import Location
from evenvoice.tracking.product import ServedSettings
from evenvoice.tracking.promotion import Approval, Expected, Outcome, promote, roll_back
from evenvoice.tracking.record import Recording, record
from evenvoice.tracking.register import Registration, register
from evenvoice.tracking.run_files import RunFiles
from evenvoice.tracking.store import Store
from tests.builders.run_files import ROOT, write_run

RULES = Rules(margin=0.03, confidence=0.95, replicates=300, seed=1)
SETTINGS = ServedSettings(sample_rate=8000, max_duration_s=30.0)
PERSON = Approval(by="the release lead", reason="listened to 200 recordings")


class World:
    """One evenvoice home and the runs that use it."""

    def __init__(self, root: Path, database: Path, models: tuple[Path, Path]) -> None:
        self.root = root
        self.location = Location(home=root / "home", tracking_uri=f"sqlite:///{root}/home/mlflow/mlflow.db")
        (root / "home/mlflow").mkdir(parents=True)
        shutil.copyfile(database, root / "home/mlflow/mlflow.db")
        self.models = models
        self.store = Store(self.location)

    def run(self, name: str, *, model: int = 0, **settings: object) -> RunFiles:
        """A finished run in its own workspace."""
        return write_run(self.root / name, model=self.models[model], **settings)  # type: ignore[arg-type]

    def record(self, files: RunFiles) -> Recording:
        return record(store=self.store, location=self.location, files=files, dag_run=files.workspace.name,
                      commit="0123abc", dirty=False, params=load_params(files.params_file))

    def register(self, files: RunFiles) -> Registration:
        return register(store=self.store, location=self.location, files=files, dag_run=files.workspace.name,
                        settings=SETTINGS, min_speakers=5)

    def promote(self, files: RunFiles, approval: Approval | None = None, expected: Expected | None = None) -> Outcome:
        return promote(store=self.store, location=self.location, files=files, dag_run=files.workspace.name,
                       rules=RULES, approval=approval, expected=expected)

    def registered(self, name: str, **settings: object) -> RunFiles:
        """A run that was recorded and registered."""
        files = self.run(name, **settings)  # type: ignore[arg-type]
        self.record(files)
        self.register(files)
        return files

    def roll_back(self, dag_run: str = "rollback-1", expected: Expected | None = None) -> Outcome:
        return roll_back(store=self.store, location=self.location, dag_run=dag_run, approval=PERSON, expected=expected)

    @property
    def champion(self) -> int | None:
        return self.store.alias(lineage.CHAMPION)

    @property
    def trail(self) -> Trail:
        return Trail.read(self.location.trail(self.store.names))

    def command(self, workspace: Path, *arguments: str) -> subprocess.Popen[str]:
        """A command as Airflow starts it."""
        environment = {**os.environ, "EVENVOICE_HOME": str(self.location.home), "PYTHONPATH": str(ROOT),
                       "MLFLOW_TRACKING_URI": self.location.tracking_uri}
        return subprocess.Popen([sys.executable, "-m", "evenvoice.tracking", *arguments], cwd=workspace,
                                env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


LOAD = """
import base64, sys, warnings; warnings.simplefilter("ignore")
import mlflow.pyfunc, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
print(model.predict(pandas.DataFrame({"audio": [base64.b64decode(sys.argv[2])]})).columns.tolist())
import ast, json
from importlib.metadata import packages_distributions
from pathlib import Path
own = [module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] == "evenvoice"]
nodes = [node for file in own for node in ast.walk(ast.parse(Path(file).read_text()))]
names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
names += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
foreign = {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - {"evenvoice"}
print(json.dumps(sorted(packages_distributions()[name][0] for name in foreign)))
import evenvoice; print(evenvoice.__file__)
"""


def loaded_elsewhere(world: World, model: str, audio: bytes, directory: Path) -> tuple[list[str], set[str], str]:
    """Load a registered model where evenvoice is not on the path, and let it hear something.

    Returns:
        The columns of its answer, the packages that its code imports, and where that code lies.
    """
    done = subprocess.run([sys.executable, "-c", LOAD, model, base64.b64encode(audio).decode()], cwd=directory,
                          capture_output=True, text=True, check=True,
                          env={"PATH": os.environ["PATH"], "MLFLOW_TRACKING_URI": world.location.tracking_uri})
    columns, imported, package = done.stdout.splitlines()[-3:]
    return ast.literal_eval(columns), set(json.loads(imported)), package


def weights_of(world: World) -> Path:
    """The one file of weights in the registry."""
    [weights] = (world.location.home / "mlflow/artifacts/models").rglob("model.safetensors")
    return weights


def flip_last_byte(path: Path) -> None:
    """Damage a file so that its length stays."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
