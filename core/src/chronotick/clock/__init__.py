"""From measurements to the state of the local oscillator, on the CLOCK_MONOTONIC_RAW axis."""

from chronotick.clock.bank import KalmanBank
from chronotick.clock.bound import HardBound, Interval
from chronotick.clock.context import ContextWindow, Samples
from chronotick.clock.covariates import Covariates
from chronotick.clock.estimator import Estimator, Innovation
from chronotick.clock.host import HostClocks, read_clocks, suspended_baseline_ns
from chronotick.clock.options import BankOptions, bank_options
from chronotick.clock.state import ClockState
from chronotick.clock.steps import StepWatch
from chronotick.clock.vmclock import VMClock

__all__ = [
    "BankOptions",
    "ClockState",
    "ContextWindow",
    "Covariates",
    "Estimator",
    "HardBound",
    "HostClocks",
    "Innovation",
    "Interval",
    "KalmanBank",
    "Samples",
    "StepWatch",
    "VMClock",
    "bank_options",
    "read_clocks",
    "suspended_baseline_ns",
]
