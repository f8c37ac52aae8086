"""Resampling: intervals, differences and their significance."""

from services.sweep.report.statistics.holm import corrected, holm
from services.sweep.report.statistics.resampling import Resampler, Sample

__all__ = ["Resampler", "Sample", "corrected", "holm"]
