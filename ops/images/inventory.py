"""Runs inside an image, from standard input: its Python distributions and Debian packages as JSON."""

import json
import shutil
import subprocess
from importlib.metadata import distributions

python = sorted({(found.metadata["Name"], found.version, str(found.metadata.json.get("license_expression", "")))
                 for found in distributions()})
debian = ""
if query := shutil.which("dpkg-query"):  # the base may be no Debian
    debian = subprocess.run([query, "--show", "--showformat", r"${Package}\t${Version}\t${Architecture}\n"],  # noqa: S603
                            capture_output=True, text=True, check=True).stdout
print(json.dumps({"python": python, "debian": [line.split("\t") for line in debian.splitlines()]}))
