"""Corpora: one adapter per layout, the record they all yield, and the registry that opens them.

Nothing is imported here, so that :mod:`evenvoice.data.corpora.fingerprint` needs the standard library only.
"""
