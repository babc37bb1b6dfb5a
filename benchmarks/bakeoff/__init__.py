"""The bake-off of encoders: `python -m benchmarks.model_bakeoff`."""
