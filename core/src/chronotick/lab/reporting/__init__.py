"""Reports of comparisons: one HTML file, Markdown for papers, figures for notebooks and print."""

from chronotick.lab.reporting.compared import Choices, Compared, ReportError
from chronotick.lab.reporting.exporting import write_figures
from chronotick.lab.reporting.figures import (
    plot_calibration,
    plot_coverage_by_horizon,
    plot_deciles,
    plot_error_by_horizon,
    plot_error_over_time,
    plot_forecasts,
    plot_latency,
    plot_mean_ranks,
    plot_pairwise,
    plot_skill,
    plot_widths,
    plot_win_rates,
)
from chronotick.lab.reporting.report import write_html, write_markdown

__all__ = [
    "Choices",
    "Compared",
    "ReportError",
    "plot_calibration",
    "plot_coverage_by_horizon",
    "plot_deciles",
    "plot_error_by_horizon",
    "plot_error_over_time",
    "plot_forecasts",
    "plot_latency",
    "plot_mean_ranks",
    "plot_pairwise",
    "plot_skill",
    "plot_widths",
    "plot_win_rates",
    "write_figures",
    "write_html",
    "write_markdown",
]
