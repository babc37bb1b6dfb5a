"""What one GPU does with evenvoice, in at most seven minutes: `python -m benchmarks.gpu`, or `make bench-gpu`.

Every part is a process with a time budget of its own, and what it has measured is kept whatever becomes of it. Needed
are torch, numpy, pyarrow, scikit-learn, pydantic and soundfile; other packages that the library imports are never
called here, so where they are missing, names stand in for them.
"""

from benchmarks.gpu.absent import stand_in_for_what_is_absent

stand_in_for_what_is_absent()
