"""The report's charts, as SVG that stands in a page."""

from services.sweep.report.charts.chart import WHOLE, Chart
from services.sweep.report.charts.index import charts, charts_css

__all__ = ["WHOLE", "Chart", "charts", "charts_css"]
