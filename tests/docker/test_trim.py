"""What is taken out of the packages of the stage image, and that libraries work without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

TRIM = Path(__file__).resolve().parents[2] / "docker" / "trim.py"
LIBRARY = "_core/_multiarray_umath*.so"


def file(path: Path, content: bytes = b"x = 1\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Packages of an image, as far as it matters here."""
    folder = tmp_path / "site-packages"
    for name in ("numpy/tests/test_x.py", "numpy/_core/tests/_natype.py", "numpy/_core/x.h", "torch/bin/test_api",
                 "torch/bin/torch_shm_manager", "torch/bin/models/x.ptl", "torch/_inductor/x.py", "dvc/x.py",
                 "pyarrow/libarrow_python.so", "pyarrow/libarrow_python.so.2500", "pyarrow/libarrow_python.so.2500.1.0",
                 "fontTools/pens/x.py", "cython-4.dist-info/METADATA", "botocore/data/s3/x.json",
                 "botocore/data/ec2/x.json", "pygit2/x.py", "espeakng_loader/data/en_dict",
                 "espeakng_loader/data/ru_dict"):
        file(folder / name)
    return folder


def trim(site: Path) -> set[str]:
    """Trim a folder, and list what is left."""
    subprocess.run([sys.executable, str(TRIM), str(site)], check=True, capture_output=True)
    return {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}


def test_what_no_stage_reads_goes_and_the_rest_stays(site: Path) -> None:
    left = {name for name in trim(site) if not name.endswith(".pyc")}

    assert left == {"numpy/_core/tests/_natype.py", "torch/bin/torch_shm_manager", "torch/_inductor/x.py", "dvc/x.py",
                    "pyarrow/libarrow_python.so.2500", "botocore/data/s3/x.json", "espeakng_loader/data/en_dict"}


def test_what_is_rarely_imported_is_not_compiled(site: Path) -> None:
    compiled = {Path(name).parent.parent.as_posix() for name in trim(site) if name.endswith(".pyc")}

    assert compiled == {"dvc"}


def test_with_cuda_everything_is_compiled_that_torch_compile_imports(site: Path) -> None:
    file(site / "torch" / "lib" / "libtorch_cuda.so")

    assert any(name.startswith("torch/_inductor/__pycache__/") for name in trim(site))


def test_a_library_is_smaller_and_works(site: Path) -> None:
    [published] = Path(np.__file__).parent.glob(LIBRARY)
    library = file(site / "numpy" / published.name, published.read_bytes())
    trim(site)

    assert library.stat().st_size < published.stat().st_size
    script = f"import ctypes; ctypes.PyDLL({str(library)!r}); print('loaded')"
    said = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True,
                          env={"LD_LIBRARY_PATH": str(published.parents[2] / "numpy.libs")})
    assert said.stdout == "loaded\n", said.stderr


def test_what_is_only_named_like_a_library_stays_as_it_is(site: Path) -> None:
    script = file(site / "x" / "libx.so", b"INPUT(libx.so.1)\n")
    trim(site)

    assert script.read_bytes() == b"INPUT(libx.so.1)\n"
