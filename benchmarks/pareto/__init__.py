"""Bottom cohort against everyone, for every arm of mitigation: `python -m benchmarks.mitigation`."""
