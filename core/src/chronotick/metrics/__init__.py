"""The daemon in numbers, for Prometheus: over HTTP or in a text file for node_exporter.

Everything is read in the moment in which it is asked for, from one
:class:`chronotick.views.Snapshot`; nothing is kept between scrapes. The daemon imports none of it.
"""

from chronotick.metrics.exposition import exposition

__all__ = ["exposition"]
