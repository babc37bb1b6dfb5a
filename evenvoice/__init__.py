"""Streaming speech recognisers, and the proof that they serve every group of speakers."""
