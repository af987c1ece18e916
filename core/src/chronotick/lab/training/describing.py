"""What weights were trained on, in words: for the model card."""

from __future__ import annotations

from chronotick.lab.training.recipe import Recipe


def described(recipe: Recipe) -> str:
    """The data of a recipe in a paragraph."""
    prior, data = recipe.prior, recipe.data
    shares = ", ".join(f"{name} {share:g}" for name, share in prior.allowed.items())
    networks = ", ".join(f"{name} {share:g}" for name, share in prior.networks.items())
    contexts = (
        "residuals of ChronoTick's filter, as the daemon sends them to models"
        if prior.filter
        else "raw offsets minus a straight line"
    )
    return (
        "Clocks of ChronoTick's simulator, drawn from the prior of docs/training.md; no recorded "
        f"data. Kinds of worlds: {shares}. Paths: {networks}. Polls every {prior.poll_s[0]:g} to "
        f"{prior.poll_s[1]:g} s. Contexts: {contexts}. Targets: the simulator's truth. "
        f"Seed {data.seed}, {data.windows} windows of each world; validation on "
        f"{data.validation_worlds} other worlds (seed {data.validation_seed})."
    )
