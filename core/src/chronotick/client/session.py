"""Time for an application: one clock, and the daemon behind it if the application started one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, final

from chronotick.client.instants import ceil_ns, floor_ns
from chronotick.client.order import Order, is_after, is_before
from chronotick.client.served import ServedClock

if TYPE_CHECKING:
    import subprocess

    from chronotick.client.detailed import DetailedTime


@final
class ChronoTick:
    """Corrected time with bounds, and control of a daemon, for one record.

    The functions of the module ``chronotick`` are those of one instance for the default record. As
    a context manager it ends, on leaving, the daemon that :meth:`start` started::

        with chronotick.ChronoTick() as clock:
            clock.start()
            print(clock.now())

    Args:
        path: the record; default: ``$CHRONOTICK_SHM``, else ``/dev/shm/chronotick_shm``.
        control: control socket of the daemon that serves this record; default:
            ``$CHRONOTICK_CONTROL``, else ``control.sock`` in the runtime directory. A daemon has
            one of its own, so name both where ``path`` is not the default.
        pure: use the reader in Python even where the one in C is there.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        control: str | os.PathLike[str] | None = None,
        pure: bool = False,
    ) -> None:
        self._control = control
        self._clock = ServedClock(path, pure=pure)
        self._daemon: subprocess.Popen[bytes] | None = None
        #: See :func:`chronotick.time`, :func:`chronotick.time_ns` and :func:`chronotick.now`.
        self.time = self._clock.time
        self.time_ns = self._clock.time_ns
        self.now = self._clock.now

    def time_detailed(self) -> DetailedTime:
        """Return corrected time with uncertainty, hard bounds, source and status.

        It never raises. Without a daemon that serves time it holds system time with infinite
        uncertainty and source ``"system"``, and :class:`SystemTimeWarning` is issued once.
        """
        from chronotick.client.detailed import detailed_time

        return detailed_time(self._clock)

    def before(self, t: float) -> Order:
        """Whether true time now is certainly before a moment.

        Args:
            t: the moment (Unix s), taken exactly as the float is.

        Returns:
            YES if the whole interval of true time lies before ``t``, NO if it does not at all,
            UNKNOWN if ``t`` is inside. Nanoseconds: :meth:`before_ns`.

        Raises:
            ValueError: ``t`` is not finite.
            DaemonUnavailable, ClockUnsynchronised: as :func:`chronotick.now`.
        """
        return is_before(self.now(), ceil_ns(t))

    def after(self, t: float) -> Order:
        """Whether true time now is certainly after a moment.

        Args:
            t: the moment (Unix s), taken exactly as the float is.

        Returns:
            YES if the whole interval of true time lies after ``t``, NO if it does not at all,
            UNKNOWN if ``t`` is inside. Nanoseconds: :meth:`after_ns`.

        Raises:
            ValueError: ``t`` is not finite.
            DaemonUnavailable, ClockUnsynchronised: as :func:`chronotick.now`.
        """
        return is_after(self.now(), floor_ns(t))

    def before_ns(self, t_ns: int) -> Order:
        """Whether true time now is certainly before a moment in Unix nanoseconds.

        Raises:
            DaemonUnavailable, ClockUnsynchronised: as :func:`chronotick.now`.
        """
        return is_before(self.now(), t_ns)

    def after_ns(self, t_ns: int) -> Order:
        """Whether true time now is certainly after a moment in Unix nanoseconds.

        Raises:
            DaemonUnavailable, ClockUnsynchronised: as :func:`chronotick.now`.
        """
        return is_after(self.now(), t_ns)

    def start(
        self,
        config_path: str | os.PathLike[str] | None = None,
        cpu_affinity: Sequence[int] | None = None,
        timeout: float = 30.0,
    ) -> bool:
        """Start a daemon if none serves the record, and wait until there is time to be had.

        That may still be a clock that is warming up: :func:`chronotick.now` says so. The daemon
        outlives the application unless :meth:`stop` is called. One that runs already is left as it
        is, whatever the arguments.

        It writes the record that is read here and answers on the control socket that is asked here,
        whatever its configuration says about those two. Its log is written anew beside that socket,
        as ``NAME.log``.

        Args:
            config_path: its configuration, a file or the name of one that comes with ChronoTick;
                default: its own search path, and where that has none what
                ``chronotick config recommend`` picks for this machine.
            cpu_affinity: CPUs it may run on; default: all.
            timeout: how long to wait (s).

        Returns:
            Whether a daemon was started.

        Raises:
            DaemonStartError: it ended, or was not ready in time and was ended, with the end of its
                log; or the log cannot be written.
            ControlError: the directory of the control socket may be another user's.
        """
        if self._clock.is_alive():
            return False
        from pathlib import Path

        from chronotick.client.process import command, launch
        from chronotick.shm.paths import default_control_socket

        line = command(config_path, cpu_affinity, self._clock.path.absolute())
        control = Path(self._control) if self._control else default_control_socket()
        self._daemon = launch(line, control.absolute(), self._clock.serves, timeout)
        return True

    def stop(self) -> bool:
        """End the daemon that :meth:`start` started, and return whether there was one.

        SIGTERM, and after five seconds SIGKILL. A daemon that others started is left alone.
        """
        daemon, self._daemon = self._daemon, None
        if daemon is None:
            return False
        from chronotick.client.process import end

        end(daemon)
        return True

    def status(self) -> dict[str, Any]:
        """Ask the daemon about itself: status, sources, models, memory and more.

        Raises:
            DaemonUnavailable: no daemon answers on the control socket.
            ControlError: it refuses, or the socket may be another user's.
        """
        from chronotick.client.control import ask

        answer: dict[str, Any] = ask("status", socket_path=self._control)
        return answer

    def __enter__(self) -> ChronoTick:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()
