"""IBM Granite TinyTimeMixer as a forecasting model of ChronoTick."""
