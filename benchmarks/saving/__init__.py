"""What the amortized model saves beside other ways to save as much, for benchmarks.amortized."""
