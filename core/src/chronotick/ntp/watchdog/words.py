"""What the watchdog says: in the log, and as a problem of the daemon."""

from __future__ import annotations

import logging

from chronotick.ntp.watchdog.verdict import Finding, Verdict

logger = logging.getLogger("chronotick.ntp.watchdog")


def of_alarm(alarm: Finding, *, from_before: bool = False) -> str:
    """Say what an alarm is about, with its figures.

    Args:
        alarm: what the whole pool said.
        from_before: it did so before the daemon was restarted.
    """
    when = "before the daemon was restarted, " if from_before else ""
    since = ", and no sample has agreed since" if from_before else ""
    return (
        f"{when}{alarm.answered} servers of the watchdog's pool put true time "
        f"{_ms(alarm.mean_ns):+.1f} ms from served time, where {_ms(alarm.allowed_ns):.1f} ms can "
        f"be explained{since}: the servers it is measured by may lie. See: chronotick sources"
    )


def of_blindness(last: Finding | None) -> str:
    """Say why the newest finding is worth nothing; empty if it is worth something."""
    if last is not None and last.verdict is Verdict.DIVIDED:
        return (
            f"the watchdog is blind: those it asked contradict each other by "
            f"{_ms(last.spread_ns):.1f} ms (divided)"
        )
    if last is not None and last.verdict is Verdict.SILENT:
        return (
            f"the watchdog is blind: {last.answered} of {last.asked} that it asked have answered "
            "(silent). Check the network, and whether UDP port 123 is let through"
        )
    return ""


def of_few(usable: int, needed: int, *, silenced: int, by_dns: bool, error: str) -> str:
    """Say that there are too few servers for a sample, and why.

    Args:
        usable: how many there are.
        needed: how many a sample has.
        silenced: servers named one by one that have left, since they did not answer.
        by_dns: some are found under the names of pools.
        error: why a name has no address; empty if all have.
    """
    pace = ", of which ten minutes of DNS may give a third" if by_dns else ""
    few = f"the watchdog asks nobody: it has {usable} of {needed} servers for a sample{pace}"
    return ". ".join(filter(None, [few, _of_silenced(silenced), error]))


def _of_silenced(count: int) -> str:
    if not count:
        return ""
    servers = "1 named server has" if count == 1 else f"{count} named servers have"
    return f"{servers} not answered and left the pool until the next look-up, within an hour"


def log_alarm(alarm: Finding, *, from_before: bool = False) -> None:
    """Log that an alarm begins, or stands again after a restart."""
    figures = {
        "answered": alarm.answered,
        "offset_s": seconds(alarm.mean_ns),
        "allowed_s": seconds(alarm.allowed_ns),
        "from_before": from_before,
    }
    logger.warning(
        "served time is contradicted: %s",
        of_alarm(alarm, from_before=from_before),
        extra={"event": "watchdog_alarm", "fields": figures, "is_change": True},
    )


def log_content() -> None:
    """Log that an alarm has ended."""
    logger.info(
        "the watchdog's pool agrees with served time again",
        extra={"event": "watchdog_content", "is_change": True},
    )


def log_dropped(reason: str) -> None:
    """Log that an alarm ends though nobody has agreed.

    Args:
        reason: what was done to the watchdog, or what it has lost.
    """
    logger.warning(
        "%s while its alarm stood: the alarm ends, though no sample has agreed with served time",
        reason,
        extra={"event": "watchdog_dropped", "is_change": True},
    )


def log_doubt(sample: Finding) -> None:
    """Log that a sample contradicts served time, which is no alarm yet."""
    logger.info(
        "%d servers of the watchdog's pool put true time %+.1f ms from served time, where %.1f ms "
        "can be explained. Others are asked before that is an alarm",
        sample.answered,
        _ms(sample.mean_ns),
        _ms(sample.allowed_ns),
    )


def log_divided(whole: Finding) -> None:
    """Log that the whole pool is not of one opinion."""
    logger.warning(
        "the watchdog's pool contradicts itself by %.1f ms: it says nothing of served time",
        _ms(whole.spread_ns),
        extra=_blind("divided"),
    )


def log_blind(why: str, reason: str) -> None:
    """Log that there is nobody whose word counts.

    Args:
        why: the sentence that status has.
        reason: the same in a word, for programs.
    """
    logger.warning("%s", why, extra=_blind(reason))


def _blind(reason: str) -> dict[str, object]:
    return {"event": "watchdog_blind", "fields": {"reason": reason}, "is_change": True}


def log_sees() -> None:
    """Log that what servers say is worth something again."""
    logger.info(
        "the watchdog is blind no longer",
        extra={"event": "watchdog_sees", "is_change": True},
    )


def _ms(ns: int | None) -> float:
    return (ns or 0) * 1e-6


def seconds(ns: int | None) -> float | None:
    """Nanoseconds in seconds, where there are any."""
    return None if ns is None else ns * 1e-9
