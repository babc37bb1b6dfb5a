"""Search: from encoder frames to text, offline and streaming through the same code."""
