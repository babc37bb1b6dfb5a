"""Several talkers in one recording: mixtures, turns, the two channels they are written to, and how that is judged."""
