"""The watchdog over a large pool of servers: whether served time is right (RFC 9523, Khronos).

It has four parts, and each has one name everywhere:

- the **pool** (:mod:`~chronotick.ntp.watchdog.pool`): whom there is to ask, gathered from DNS;
- the **watch** (:mod:`~chronotick.ntp.watchdog.watch`): asks a few of them at random moments;
- the **verdict** (:mod:`~chronotick.ntp.watchdog.verdict`): what their answers say, and when that
  is an alarm;
- what is **saved** (:mod:`~chronotick.ntp.watchdog.saved`) of it for a restart.

:mod:`~chronotick.ntp.watchdog.words` has its sentences. What follows from an alarm is the daemon's
affair: :mod:`chronotick.daemon.pool_watchdog`. (systemd's watchdog, which ends a daemon that hangs,
is another matter: :mod:`chronotick.daemon.notify`.)
"""
