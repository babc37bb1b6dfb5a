"""Takes out of an installed environment what no stage reads: run once in the layer that installed the packages.

    python3 trim.py SITE_PACKAGES

The packages stay as they were published otherwise, and every stage runs afterwards (tests/integration/test_images.py).
"""

import shutil
import sys
from pathlib import Path

TESTS = ("matplotlib", "networkx", "pyarrow", "scipy", "sklearn", "statsmodels", "sympy")
"""Their own tests; numpy's stay, since numpy.testing imports from them."""
FOLDERS = ("pyarrow/include", "numpy/_core/include", "torch/include", "matplotlib/mpl-data/sample_data")
"""Headers to compile against, sample data."""
LIBRARIES = ("libarrow_flight*", "libarrow_python_flight*", "_flight*")
"""Arrow's RPC; nothing else links to it."""
SOURCES = (".c", ".cpp", ".cc", ".h", ".hpp", ".pyx", ".pxd", ".pxi", ".pyi")
AWS_SERVICES = ("s3", "sso", "sso-oidc", "sts", "signin")
"""The object store, and the services by which credentials are had."""


def main() -> None:
    """Remove, and say how much."""
    site = Path(sys.argv[1])
    before = _size(site)
    for package in TESTS:
        for folder in list((site / package).rglob("tests")):
            shutil.rmtree(folder)
    for folder in FOLDERS:
        shutil.rmtree(site / folder, ignore_errors=True)
    for path in list((site / "botocore" / "data").iterdir()):
        if path.is_dir() and path.name not in AWS_SERVICES:
            shutil.rmtree(path)
    files = [path for pattern in LIBRARIES for path in (site / "pyarrow").glob(pattern)]
    files += [path for path in site.rglob("*") if path.suffix in SOURCES and path.is_file()]
    for path in files:
        path.unlink(missing_ok=True)  # a source of one of those libraries is listed twice
    print(f"trimmed {(before - _size(site)) / 1e6:.0f} MB of {before / 1e6:.0f} MB")


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


if __name__ == "__main__":
    main()
