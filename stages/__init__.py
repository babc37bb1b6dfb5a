"""Wiring: one thin file per stage of dvc.yaml. Read params and files, call the library once, write files."""

import os

# Stages run side by side on few cores. OpenMP's threads otherwise wait for each other in busy loops, which made a
# training step ten times slower beside another stage. It reads this once, so it must be said before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
