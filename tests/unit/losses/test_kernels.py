"""Triton's kernels for a GPU that is not here: they compile, and interpreted they give the right numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="Triton is not installed: it comes with PyTorch for CUDA")
pytestmark = [pytest.mark.filterwarnings("ignore:TRITON_DEFAULT_FP_FUSION"),
              # Triton 3.7 itself, on Python 3.13
              pytest.mark.filterwarnings("ignore:AnnAssign.__init__ missing 1 required:DeprecationWarning")]


@pytest.mark.parametrize("positions", [1, 60, 140, 700])
def test_every_kernel_compiles_for_a_gpu_of_the_hopper_kind(positions):
    from triton import compiler, next_power_of_2
    from triton.backends.compiler import GPUTarget

    from evenvoice.losses.transducer import lattice_kernel, scoring_kernel

    target = GPUTarget("cuda", 90, 32)
    arrays = {"blank_ptr": "*fp32", "label_ptr": "*fp32", "frames_ptr": "*i64", "labels_ptr": "*i64",
              "reached_ptr": "*fp64", "likelihood_ptr": "*fp64"}
    # Triton takes a size of 1 for a constant
    size = "constexpr" if positions == 1 else "i32"
    sizes = {"most_frames": "i32", "positions": size, "PENALTY": "constexpr"}
    shares = {"blank_share_ptr": "*fp64", "label_share_ptr": "*fp64"}
    constants = {"PENALTY": 0.1} | ({"positions": 1} if positions == 1 else {})
    lanes = next_power_of_2(positions)
    places = {"position_place_ptr": "*i64", "node_place_ptr": "*i64"}
    tile = {"ROWS": "constexpr", "COLUMNS": "constexpr"}
    counts = {"nodes": "i32", "vocabulary": "i32", "blank": "i32"}
    by_channel = {"frame_place_ptr": "*i64", "position_place_ptr": "*i64"}
    kernels = [
        (lattice_kernel._walk, arrays | sizes | {"LANES": "constexpr"}, constants | {"LANES": lanes}),
        (lattice_kernel._share, arrays | shares | sizes | {"NODES": "constexpr"}, constants | {"NODES": 512}),
        (scoring_kernel._hidden, {"frame_ptr": "*fp32", "position_ptr": "*fp32"} | by_channel
         | {"hidden_ptr": "*fp32", "nodes": "i32", "width": size, "channels": "i32"} | tile,
         {"ROWS": 8, "COLUMNS": 512} | ({"width": 1} if positions == 1 else {})),
        (scoring_kernel._pick, {"logits_ptr": "*fp32", "label_ptr": "*i64"} | places
         | {"blank_out_ptr": "*fp32", "label_out_ptr": "*fp32", "normaliser_ptr": "*fp32"} | counts | tile,
         {"ROWS": 4, "COLUMNS": 1024}),
        (scoring_kernel._slope, {"logits_ptr": "*fp32", "label_ptr": "*i64"} | places
         | {"blank_weight_ptr": "*fp32", "label_weight_ptr": "*fp32", "normaliser_ptr": "*fp32"} | counts | tile,
         {"ROWS": 128, "COLUMNS": 32}),
        (scoring_kernel._bend, {"inner_ptr": "*fp32", "hidden_ptr": "*fp32"} | by_channel
         | {"frame_out_ptr": "*fp32", "position_out_ptr": "*fp32", "width": size, "channels": "i32"} | tile,
         {"ROWS": 16, "COLUMNS": 128} | ({"width": 1} if positions == 1 else {}))]
    for kernel, signature, values in kernels:
        warps = min(max(1, lanes // lattice_kernel.LANES_PER_WARP), lattice_kernel.MOST_WARPS)
        built = compiler.compile(compiler.ASTSource(fn=kernel, signature=signature, constexprs=values), target=target,
                                 options={"num_warps": warps if kernel is lattice_kernel._walk else 4})
        assert len(built.asm["cubin"]) > 0


@pytest.mark.science
def test_interpreted_kernels_give_what_a_processor_does():
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist",
                           str(Path(__file__).with_name("interpreted_kernels.py"))],
                          cwd=Path(__file__).parents[3], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "passed" in done.stdout
