"""TimesFM 2.5 and 3 as forecasting models of ChronoTick."""
