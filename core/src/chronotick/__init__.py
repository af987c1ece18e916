"""ChronoTick: corrected time with honest error bounds."""
