"""Wiring: one thin file per stage of dvc.yaml. Read params and files, call the library once, write files."""

import os

# How OpenMP's threads wait for each other; it reads this once, so it must be said before torch is imported. Left alone
# they spin, and two trainings side by side on two cores take 1.9 s a step each instead of 0.2 s. Threads that sleep at
# once (PASSIVE, which dags/operators.py asks for where stages run side by side) take 0.3 s alone. A short spin is good
# alone and bearable in company: docs/experiments.md.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")

# oneDNN keeps what it made for each shape of a batch, 1024 of them as it comes. Batches of recordings have more lengths
# than that, so memory grew with the hours of speech (docs/scale.md).
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
