"""What a recogniser of two talkers is trained with, arm by arm, beside controls: parts of benchmarks/multitalker.py."""
