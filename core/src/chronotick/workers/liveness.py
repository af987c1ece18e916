"""How the end of a machine that cannot say goodbye is noticed: by TCP, within some seconds.

Not by ZMTP heartbeats. libzmq (4.3.5, ``stream_engine_base_t::timer_event``) writes one without
looking whether the connection has failed meanwhile; where input was stopped because nobody read it,
that is a failed assertion, and the process aborts. Whoever floods a server and leaves could end it.
"""

from __future__ import annotations

from typing import Final

import zmq

TCP_OPTIONS: Final = (
    (zmq.TCP_MAXRT, 8_000),  # ms that what was sent may stay unacknowledged (TCP_USER_TIMEOUT)
    (zmq.TCP_KEEPALIVE, 1),  # for connections on which nothing is sent
    (zmq.TCP_KEEPALIVE_IDLE, 4),  # s
    (zmq.TCP_KEEPALIVE_INTVL, 2),  # s
    (zmq.TCP_KEEPALIVE_CNT, 2),
)
"""Socket options. A connection without an answer of the other machine's kernel ends after 8 s."""
