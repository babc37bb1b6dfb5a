"""Who is speaking: trials of pairs of recordings, how often they are answered wrongly, and for whom."""
