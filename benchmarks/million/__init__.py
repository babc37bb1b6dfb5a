"""Judging many speakers: a world of them, the steps from its tables to a verdict, and what others do with the same."""
