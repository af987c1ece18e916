"""Chronos-Bolt and Chronos-2 as forecasting models of ChronoTick."""
