"""What the hours of speech cost each stage: measured one after another, and how it grows."""
