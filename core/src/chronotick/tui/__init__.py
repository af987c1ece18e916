"""The terminal monitor (``chronotick monitor --tui``): a view of one daemon that changes nothing.

Imported only when it is asked for; it needs textual, which the extra ``tui`` brings.
"""
