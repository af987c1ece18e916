"""Who may reach a server of ours over HTTP, where it listens, and what one client may cost it.

One home for what ``chronotick http`` and ``chronotick mcp --http`` share: the token's file, the
rule that only this host goes without one, bound sockets, and limits of connections and requests.
Imports nothing by itself: what is wrong with an address or a token can be told where the libraries
that serve are not installed.
"""
