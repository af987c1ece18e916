"""What ``docs/estimation.md`` says of the code is true: it was once three constants behind."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from chronotick.clock import BankOptions
from chronotick.clock.bank import FORGETTING, NEGLIGIBLE, REACQUIRE_FREQUENCY, SURPRISE, KalmanBank
from chronotick.clock.dynamics import OMEGA_SIGMA, STATES, WHITE_PSD
from chronotick.clock.filters import PER_SOURCE
from chronotick.clock.noise import BINS, LEAST_SAMPLES, MEMORY, PRIOR_SAMPLES, SOFTNESS
from chronotick.clock.options import CALM, EXCURSION, NOISE_HYPOTHESES, PERIODIC, SLOWEST_DRIFT_S
from chronotick.clock.outliers import INFLATE_TO, REACQUIRE_AFTER
from chronotick.clock.queueing import CHANGED_AFTER, KEPT, NEAREST, SETTLED, SIGNIFICANT, WINDOW
from chronotick.clock.route import PRIOR, TOLERANCE, WIDEST, WIDTHS

TEXT = (Path(__file__).parents[3] / "docs" / "estimation.md").read_text(encoding="utf-8")
PAGE = re.sub(r"\s+", " ", TEXT).replace("\\,", "")


def power(value: float) -> str:
    r"""A number as the page writes it: 6\cdot10^{-7}."""
    digit, exponent = f"{value:.0e}".split("e")
    factor = "" if digit == "1" else rf"{digit}\cdot"
    return f"{factor}10^{{{int(exponent)}}}"


def row(first_cell: str) -> list[float]:
    cells = re.search(rf"^\| {re.escape(first_cell)} \|(.+)\|$", TEXT, re.MULTILINE)
    assert cells is not None, first_cell
    return [float(cell) for cell in cells[1].split("|")]


def test_the_widths_of_routes_and_their_probabilities():
    assert row(r"$\lambda$") == WIDTHS.tolist()
    assert row("prior probability") == PRIOR.tolist()
    assert PRIOR.sum() == pytest.approx(1.0)
    alone = float(np.sqrt(PRIOR @ WIDTHS**2))
    assert f"the prior's, {alone:.2f} times the configured asymmetry" in PAGE
    assert "solves four systems" in PAGE
    assert len(WIDTHS) - 1 == 4  # for the widest there is nothing to solve
    assert WIDEST == 2.0  # "twice", and the 2 and 4 of the formulas


def test_what_is_not_known_of_few_servers():
    two, three, *more, last = TOLERANCE[2:]
    listed = ", ".join(f"{each:.2f}" for each in more)
    assert two == three
    said = f"{two} (for two servers as for three), {listed}, {last} from {len(TOLERANCE) - 1} on"
    assert said.replace(" 7 ", " seven ") in PAGE


def test_the_hypotheses():
    (strong, long), (weak, short) = PERIODIC
    options = BankOptions()
    count = len(options.hypotheses())
    slowest = f"$T = {SLOWEST_DRIFT_S:.0f}$ s"
    for said in (
        f"has {count} hypotheses about the oscillator, {count * len(NOISE_HYPOTHESES)} filters",
        f"| {len(options.wanders)} wandering |",
        f"| {len(options.drift_constants_s)} drifting | ${power(CALM)}$ |",
        f"| {len(PERIODIC) * len(options.periods_s)} periodic | ${power(CALM)}$ | {slowest}",
        rf"\sigma_d = {power(EXCURSION)}/T",
        rf"\sigma_d = {power(EXCURSION / SLOWEST_DRIFT_S)}$",
        f"$A = {power(strong)}$, $R$ = {long:.0f} periods",
        f"$A = {power(weak)}$, $R$ = {short:.0f} periods",
        f"$K = {len(KalmanBank().weights)}$ states of $n = {STATES} + {PER_SOURCE}S$ numbers",
    ):
        assert said in PAGE


def test_constants_of_the_filters_and_their_mixture():
    for said in (
        f"$q_x = {power(WHITE_PSD)}$ s",
        f"of prior deviation {OMEGA_SIGMA}",
        rf"\leftarrow {FORGETTING} \ln \omega_k",
        f"memory of {1 / (1 - FORGETTING):.0f} measurements",
        rf"+ \bar\sigma^2) - {SURPRISE:.0f} \bigr)",
        f"weight below ${power(NEGLIGIBLE)}$",
        rf"$({REACQUIRE_FREQUENCY * 1e5:.0f} \cdot 10^{{-5}})^2$",
        rf"(r - \bar\mu)^2/{INFLATE_TO**2:.0f}",
        f"{['', 'One', 'Two', 'Three', 'Four', 'Five'][REACQUIRE_AFTER]} outliers in a row",
    ):
        assert said in PAGE


def test_constants_of_delays_and_noise():
    for said in (
        f"last {WINDOW} delays",
        f"the {NEAREST}th smallest",
        f"{CHANGED_AFTER} delays in a row",
        f"than {SIGNIFICANT * 100:.0f} % of it",
        f"only the last {KEPT} of them",
        f"of at least {SETTLED} means",
        f"$J = {BINS}$ bins",
        f"({SOFTNESS}e_\\kappa)^2",
        rf"(1 - \tfrac{{1}}{{{MEMORY:.0f}}})n_j",
        rf"\tfrac{{{PRIOR_SAMPLES:.0f}}}{{{BINS}}}",
        f"below ${power(LEAST_SAMPLES)}$ samples",
    ):
        assert said in PAGE
