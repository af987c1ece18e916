"""AutoARIMA, AutoETS and Theta of statsforecast as forecasting models of ChronoTick."""
