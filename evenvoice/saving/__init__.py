"""What an encoder with gates saves: time, and computation by speaker."""
