"""Training: the loop, its checkpoints, and what runs in several processes at once."""
