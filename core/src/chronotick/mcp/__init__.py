"""The clock for agents: tools and resources of the Model Context Protocol.

A process of its own (``chronotick mcp``), never part of the daemon, which need not load the SDK.
What a tool says comes from one :class:`chronotick.views.Snapshot`; :mod:`chronotick.mcp.sdk` offers
three of the tools to agents in the same process. Imports nothing by itself, so that a missing SDK
can be told in a sentence.
"""
