"""Fuzzing of everything that reads bytes somebody else wrote: ``python -m fuzz``, see README.md."""
