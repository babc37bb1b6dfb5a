"""What people read: one self-contained page, and the model card that travels with the model."""

from evenvoice.report.contents import Contents, Sources, read_contents
from evenvoice.report.page import render_model_card, render_page

__all__ = ["Contents", "Sources", "read_contents", "render_model_card", "render_page"]
