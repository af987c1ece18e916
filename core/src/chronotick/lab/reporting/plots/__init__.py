"""Figures as dictionaries for plotly; :mod:`chronotick.lab.reporting.figures` for notebooks."""
