"""Examples for training: worlds of a prior, contexts as the daemon makes them, and the truth."""
