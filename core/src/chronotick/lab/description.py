"""What every description of a simulated thing is: immutable, validated, JSON and back."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

LARGEST = 1e12
"""Of any number: 30,000 years. What is larger overflows before it means anything."""
NonNegative = Annotated[float, Field(ge=0, le=LARGEST)]
Positive = Annotated[float, Field(gt=0, le=LARGEST)]
Signed = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Interval = Annotated[float, Field(ge=1e-3, le=LARGEST)]
"""Time between things that happen again and again, s."""
Probability = Annotated[float, Field(ge=0, lt=1)]


class Description(BaseModel):
    """Base of the descriptions. Unknown keys, NaN and infinities are errors.

    A description says everything that decides what its live form does, so two processes that hold
    the same description simulate the same thing.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True
    )
