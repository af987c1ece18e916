"""Training a model on examples that come through a pipe, in the model's own environment.

:mod:`~chronotick.plugin.training.frames` is the stream, for both of its ends; the rest needs torch.
"""
