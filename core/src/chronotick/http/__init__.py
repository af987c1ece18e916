"""What the daemon knows, over HTTP: a process of its own that only reads (extra ``http``).

:func:`chronotick.http.serving.serve` runs it; :func:`chronotick.http.application.application` is
the ASGI application alone.
"""
