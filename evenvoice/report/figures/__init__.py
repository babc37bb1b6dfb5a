"""The report's figures: each function takes the contents and returns inline SVG, or None with nothing to show."""

from evenvoice.report.figures.arms import arms_figure
from evenvoice.report.figures.crossed import crossed_figure
from evenvoice.report.figures.curves import curves_figure
from evenvoice.report.figures.equal_counts import equal_counts_figure
from evenvoice.report.figures.forest import forest_figure
from evenvoice.report.figures.gaps import gaps_figure
from evenvoice.report.figures.learning import learning_figure
from evenvoice.report.figures.ratios import ratios_figure
from evenvoice.report.figures.regions import regions_figure
from evenvoice.report.figures.saving import cost_figure, shares_figure

__all__ = ["arms_figure", "cost_figure", "crossed_figure", "curves_figure", "equal_counts_figure", "forest_figure",
           "gaps_figure", "learning_figure", "ratios_figure", "regions_figure", "shares_figure"]
