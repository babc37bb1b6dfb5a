"""Takes out of an installed environment what no stage reads: run once in the layer that installed the packages.

    python3 trim.py SITE_PACKAGES

Every stage runs afterwards (tests/integration/test_images.py). Libraries lose what is for debuggers and linkers, which
the loader does not map; otherwise what is left of the packages stays as it was published. What is left and rarely
imported is not compiled: .pyc of these folders would take as much room as they do.
"""

import compileall
import re
import shutil
import struct
import sys
from pathlib import Path

TESTS = ("matplotlib", "networkx", "numpy", "pandas", "pyarrow", "scipy", "sklearn", "statsmodels", "sympy")
"""Their own tests."""
KEPT_TESTS = "numpy/_core/tests"
"""numpy.testing imports from them."""
FOLDERS = ("pyarrow/include", "numpy/_core/include", "torch/include", "torch/test", "matplotlib/mpl-data/sample_data",
           "matplotlib/mpl-data/fonts/afm", "matplotlib/mpl-data/fonts/pdfcorefonts", "statsmodels/datasets",
           "statsmodels/sandbox", "statsmodels/tsa", "fontTools/cffLib", "fontTools/cu2qu", "fontTools/feaLib",
           "fontTools/pens", "fontTools/qu2cu", "fontTools/ttLib", "fontTools/ufoLib", "fontTools/varLib")
"""Headers to compile against, programs that test torch, sample data, what statsmodels has for other fields, and fonts
in PDF; matplotlib always imports the rest of fontTools."""
PACKAGES = ("Cython", "cython-", "pyximport", "pygit2", "asyncssh", "cryptography", "celery", "kombu", "prompt_toolkit",
            "wcwidth")
"""Whole, with what says that they are installed: meeteval was compiled by Cython, and by the others DVC reads git
repositories, reaches them over ssh and queues experiments. No stage does any of it."""
TORCH_PROGRAM = "torch_shm_manager"
"""The only one in torch/bin that is no test and no compiler."""
LIBRARIES = ("pyarrow/libarrow_flight*", "pyarrow/libarrow_python_flight*", "pyarrow/_flight*",
             "pyarrow/libarrow_python.so", "pyarrow/libarrow_python.so.*.*.*", "espeakng_loader/libespeak-ng.so.*",
             "torch/lib/lib*test.so", "torch/lib/libbackend_with_compiler.so", "PIL/_avif*", "pillow.libs/libavif*")
"""Arrow's RPC, second copies of a library under names to link by, tests of torch, pictures in AV1."""
SPOKEN = "en_dict"
"""The only one of espeak-ng's dictionaries that the synthetic corpus speaks from; it knows a hundred languages."""
SOURCES = (".c", ".cpp", ".cc", ".h", ".hpp", ".pyx", ".pxd", ".pxi", ".pyi")
AWS_SERVICES = ("s3", "sso", "sso-oidc", "sts", "signin")
"""The object store, and the services by which credentials are had."""
RARELY = ("git", "hydra", "networkx", KEPT_TESTS, "numpy/distutils", "setuptools", "torch/distributed/checkpoint",
          "torch/distributed/fsdp", "torch/distributed/pipelining", "torch/distributed/tensor", "torch/onnx",
          "torch/testing/_internal")
"""What neither a stage nor DVC imports for what we ask of it; it could be imported all the same."""
FOR_GPUS = ("mpmath", "sympy", "torch/_dynamo", "torch/_inductor")
"""What torch.compile imports, and training with several processes: where GPUs are. Without them that starts slower."""
ELF64 = b"\x7fELF\x02\x01"
"""How a library for 64 bits, lowest byte first, begins."""
PROGRAM_TABLE, SECTION_TABLE, PROGRAM_TABLE_ENTRIES, SECTION_TABLE_ENTRIES = 32, 40, 54, 58
"""Where in its first 64 bytes these stand."""


def main() -> None:
    """Remove, compile what is left, and say how much it is."""
    site = Path(sys.argv[1])
    before = _size(site)
    cuda = (site / "torch" / "lib" / "libtorch_cuda.so").exists()
    for folder in _folders(site):
        shutil.rmtree(folder, ignore_errors=True)
    for path in _files(site):
        path.unlink(missing_ok=True)  # a source of one of those libraries is listed twice
    if not cuda:  # nobody has seen yet that libraries of CUDA bear it
        for path in site.rglob("*.so*"):
            strip(path)
    print(f"trimmed {(before - _size(site)) / 1e6:.0f} MB of {before / 1e6:.0f} MB")
    left_out = re.compile(f"{re.escape(str(site))}/({'|'.join(RARELY if cuda else (*RARELY, *FOR_GPUS))})/")
    compileall.compile_dir(site, quiet=2, workers=0, rx=left_out)  # a few templates and broken examples fail


def _folders(site: Path) -> list[Path]:
    found = [folder for package in TESTS for folder in (site / package).rglob("tests")
             if folder != site / KEPT_TESTS]
    found += [site / name for name in FOLDERS]
    found += [folder for name in PACKAGES for folder in site.glob(f"{name}*")]
    found += [path for path in (site / "botocore" / "data").iterdir()
              if path.is_dir() and path.name not in AWS_SERVICES]
    return found


def _files(site: Path) -> list[Path]:
    found = [path for pattern in LIBRARIES for path in site.glob(pattern)]
    found += [path for path in (site / "torch" / "bin").rglob("*") if path.is_file() and path.name != TORCH_PROGRAM]
    found += [path for path in (site / "espeakng_loader").rglob("*_dict") if path.name != SPOKEN]
    return found + [path for path in site.rglob("*") if path.suffix in SOURCES and path.is_file()]


def strip(path: Path) -> None:
    """Cut a library behind the last byte that the loader maps: symbols and sections for linkers and debuggers.

    Nothing that is mapped moves, unlike with strip(1), which spoils libraries that patchelf has been at.
    """
    with path.open("r+b") as file:
        header = bytearray(file.read(64))
        if header[:6] != ELF64:
            return  # a script for linkers, or a module that is only named like one
        table, = struct.unpack_from("<Q", header, PROGRAM_TABLE)
        entry_bytes, entries = struct.unpack_from("<HH", header, PROGRAM_TABLE_ENTRIES)
        file.seek(table)
        segments = file.read(entry_bytes * entries)
        ends = [sum(struct.unpack_from("<Q16xQ", segments, at + 8)) for at in range(0, len(segments), entry_bytes)]
        struct.pack_into("<Q", header, SECTION_TABLE, 0)
        struct.pack_into("<HHH", header, SECTION_TABLE_ENTRIES, 0, 0, 0)
        file.seek(0)
        file.write(header)
        file.truncate(max(ends))


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


if __name__ == "__main__":
    main()
