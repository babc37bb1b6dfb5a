"""Wiring: one thin file per stage of dvc.yaml. Read params and files, call the library once, write files."""
