"""The daemon: measures, estimates, forecasts, fuses and publishes until it is told to stop."""
