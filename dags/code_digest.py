"""The digest of evenvoice.code_digest, by the name under which images and runners ask for it."""

from evenvoice.code_digest import STAGE_CODE, code_digest, code_files

__all__ = ["STAGE_CODE", "code_digest", "code_files"]
