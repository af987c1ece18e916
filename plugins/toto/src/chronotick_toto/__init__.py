"""Datadog's Toto (version 1) as a forecasting model of ChronoTick."""
