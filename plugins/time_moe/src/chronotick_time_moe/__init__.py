"""Time-MoE as a forecasting model of ChronoTick."""
