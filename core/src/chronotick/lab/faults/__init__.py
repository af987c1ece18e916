"""Faults injected into a real daemon, beside readers that know the true time.

A daemon runs as under a service manager, on real time servers of this host, with models in workers.
Things are done to it by a random schedule (:mod:`chronotick.lab.faults.kinds`). Meanwhile readers
check each time they get: on loopback servers and readers share one clock, so CLOCK_REALTIME *is*
true time. ``bench/faults.py`` runs all of it, ``docs/faults.md`` tells what came out.
"""
