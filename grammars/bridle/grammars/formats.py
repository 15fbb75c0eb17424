"""JSON Schema's string formats that can be written as a pattern, so that each value is of the format.

The patterns of `email`, `uri` and the like hold fewer texts than their RFCs do, never more. Dates are those
of the Gregorian calendar from the year 1000 on (RFC 3339), leap days included.
"""

from __future__ import annotations

__all__ = ["FORMATS"]

_DATE = (
    r"([1-9]\d{3}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))"
    r"|([1-9]\d(0[48]|[2468][048]|[13579][26])|([2468][048]|[13579][26])00)-02-29)"
)
_TIME = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)"
_HEX = "[0-9a-fA-F]"
_LABEL = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?"
_MAILBOX = "[a-zA-Z0-9_+-]{1,32}"
_BYTE = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"

FORMATS = {
    "date": f"^{_DATE}$",
    "time": f"^{_TIME}$",
    "date-time": f"^{_DATE}T{_TIME}$",
    "uuid": f"^{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}}$",
    "email": rf"^{_MAILBOX}(\.{_MAILBOX}){{0,3}}@({_LABEL}\.){{1,3}}[a-zA-Z]{{2,12}}$",
    "hostname": rf"^{_LABEL}(\.{_LABEL}){{0,4}}$",
    "ipv4": rf"^{_BYTE}(\.{_BYTE}){{3}}$",
    "uri": r"^[a-zA-Z][a-zA-Z0-9+.-]{1,15}:[a-zA-Z0-9._~:/?@!$&'()*+,;=-]{1,240}$",
}
"""A pattern for each format; other formats are annotations, and are reported as such."""
