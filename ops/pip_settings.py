"""What pip inside a build has to know of this machine: the index and whom to trust. Handed over as build secrets."""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import sys

HANDED_OVER = ("index-url", "extra-index-url", "trusted-host", "timeout")


def pip_settings(*, offline: bool) -> str:
    """The text of a pip.conf for the build; ``offline`` takes wheels from /wheels alone.

    Indexes that are folders of this machine cannot be seen from inside a build and are left out.
    """
    if offline:
        return "[global]\nno-index = true\nfind-links = /wheels\n"
    lines = [f"{name} = {value}" for name, value in _configured().items()]
    return "\n".join(["[global]", "cert = /run/secrets/certificates.pem", *lines, ""])


def certificates() -> str:
    """The file of certificates that this machine trusts."""
    for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        if os.path.isfile(os.environ.get(name, "")):  # noqa: PTH113
            return os.environ[name]
    import certifi
    default = ssl.get_default_verify_paths().cafile
    return default or certifi.where()


def _configured() -> dict[str, str]:
    argv = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(argv, capture_output=True, text=True, check=False).stdout  # noqa: S603
    found: dict[str, str] = {}
    for scope, name, value in re.findall(r"(?m)^([\w:]+)\.([\w-]+)='(.*)'$", listed):
        visible = [part for part in value.replace("\\n", " ").split() if not part.startswith(("file:", "/"))]
        if name in HANDED_OVER and visible and (name not in found or scope == ":env:"):
            found[name] = " ".join(visible)
    return found
