"""JSON Schema's string formats as patterns: those to write values by, and those to recognise values by.

`FORMATS` holds fewer texts than the standards do, never more: what a model should write. `EXACT_FORMATS` are
the standards themselves, as far as they are regular: RFC 3339 (dates of the Gregorian calendar, leap days
included), RFC 5321, 1123, 3986, 3987, 4122, 4291, 6570, 6901.
"""

from __future__ import annotations

__all__ = ["EXACT_FORMATS", "FORMATS", "STANDARD_FORMATS"]

_MONTHS = (
    r"((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
)
_LEAP = "(0[48]|[2468][048]|[13579][26])"
_DATE = rf"([1-9][0-9]{{3}}-{_MONTHS}|([1-9][0-9]{_LEAP}|([2468][048]|[13579][26])00)-02-29)"
_CENTURY = "(0[048]|[2468][048]|[13579][26])"
_ANY_DATE = rf"([0-9]{{4}}-{_MONTHS}|([0-9]{{2}}{_LEAP}|{_CENTURY}00)-02-29)"
_ZONE = r"([+-]([01][0-9]|2[0-3]):[0-5][0-9])"
_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_TIME = rf"{_CLOCK}(\.[0-9]{{1,6}})?(Z|{_ZONE})"
_ANY_TIME = rf"({_CLOCK}(\.[0-9]+)?([Zz]|{_ZONE})|23:59:60(\.[0-9]+)?([Zz]|[+-]00:00))"
_HEX = "[0-9a-fA-F]"
_UUID = f"^{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}}$"
_SHORT_LABEL = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?"
_LABEL = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_MAILBOX = "[a-zA-Z0-9_+-]{1,32}"
_BYTE = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"{_BYTE}(\.{_BYTE}){{3}}"
_GROUP = f"{_HEX}{{1,4}}"


def _ipv6() -> str:
    """Return RFC 4291's text forms: eight groups, or fewer around one `::`, the last two maybe as IPv4."""
    last = f"({_GROUP}:{_GROUP}|{_IPV4})"
    forms = [f"({_GROUP}:){{6}}{last}"]
    for after in range(6):  # groups between `::` and the last two
        before = 5 - after
        lead = f"(({_GROUP}:){{0,{before - 1}}}{_GROUP})?" if before > 0 else ""
        forms.append(f"{lead}::({_GROUP}:){{{after}}}{last}")
    forms.append(f"(({_GROUP}:){{0,5}}{_GROUP})?::{_GROUP}")
    forms.append(f"(({_GROUP}:){{0,6}}{_GROUP})?::")
    return "(" + "|".join(forms) + ")"


_IPV6 = _ipv6()
_BEYOND_ASCII = (
    "\u00a0-\ud7ff\uf900-\ufdcf\ufdf0-\uffef\U00010000-\U0001fffd\U00020000-\U0002fffd\U00030000-\U000efffd"
)


def _resource(beyond: str, *, relative: bool) -> str:
    """Return the pattern of a URI, or of an IRI where `beyond` holds characters, maybe a relative one."""
    escape, safe = f"%{_HEX}{{2}}", f"A-Za-z0-9._~!$&'()*+,;={beyond}-"
    part = f"([:@{safe}]|{escape})"
    host = rf"(\[({_IPV6}|v{_HEX}+\.[:{safe}]+)\]|([{safe}]|{escape})*)"
    authority = f"(([:{safe}]|{escape})*@)?{host}(:[0-9]*)?"
    absolute, rooted = f"//{authority}(/{part}*)*", f"/({part}+(/{part}*)*)?"
    private = "\ue000-\uf8ff" if beyond else ""
    tail = rf"(\?({part}|[/?{private}])*)?(#({part}|[/?])*)?"
    whole = f"[A-Za-z][A-Za-z0-9+.-]*:({absolute}|{rooted}|{part}+(/{part}*)*|){tail}"
    if not relative:
        return f"^{whole}$"
    no_colon = f"([@{safe}]|{escape})+(/{part}*)*"
    return f"^({whole}|({absolute}|{rooted}|{no_colon}|){tail})$"


def _mail(beyond: str) -> str:
    atom = f"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~{beyond}-]+"
    quoted = rf'"([ !#-\[\]-~{beyond}]|\\[ -~])*"'
    # Labels of any length, and any IPv6: beside a length or a pattern each state counts.
    label = f"[A-Za-z0-9{beyond}]([A-Za-z0-9{beyond}-]*[A-Za-z0-9{beyond}])?"
    literal = rf"\[({_IPV4}|IPv6:[0-9A-Fa-f:.]+)\]"
    return rf"^({atom}(\.{atom})*|{quoted})@({label}(\.{label})*|{literal})$"


def _template() -> str:
    literal = rf"([!#$&(-;=?-\[\]_a-z~{_BEYOND_ASCII}]|%{_HEX}{{2}})"
    name = rf"([A-Za-z0-9_]|%{_HEX}{{2}})(\.?([A-Za-z0-9_]|%{_HEX}{{2}}))*"
    variable = rf"{name}(:[1-9][0-9]{{0,3}}|\*)?"
    return rf"^({literal}|\{{[+#./;?&=,!@|]?{variable}(,{variable})*\}})*$"


_POINTER = "(/([^~/]|~[01])*)*"
_CLOCK_SPAN = r"T([0-9]+H([0-9]+M)?([0-9]+(\.[0-9]+)?S)?|[0-9]+M([0-9]+(\.[0-9]+)?S)?|[0-9]+(\.[0-9]+)?S)"
_DAY_SPAN = "([0-9]+Y([0-9]+M)?([0-9]+D)?|[0-9]+M([0-9]+D)?|[0-9]+D)"
_SHORT = "[0-9]{1,4}"

FORMATS = {
    "date": f"^{_DATE}$",
    "time": f"^{_TIME}$",
    "date-time": f"^{_DATE}T{_TIME}$",
    "duration": f"^P({_SHORT}W|{_SHORT}D(T{_SHORT}H)?|T({_SHORT}H({_SHORT}M)?|{_SHORT}M|{_SHORT}S))$",
    "uuid": _UUID,
    "email": rf"^{_MAILBOX}(\.{_MAILBOX}){{0,3}}@({_SHORT_LABEL}\.){{1,3}}[a-zA-Z]{{2,12}}$",
    "idn-email": rf"^{_MAILBOX}(\.{_MAILBOX}){{0,3}}@({_SHORT_LABEL}\.){{1,3}}[a-zA-Z]{{2,12}}$",
    "hostname": rf"^{_SHORT_LABEL}(\.{_SHORT_LABEL}){{0,4}}$",
    "idn-hostname": r"^[a-z]{1,30}(\.[a-z]{1,30}){0,4}$",
    "ipv4": f"^{_IPV4}$",
    "ipv6": f"^({_GROUP}:){{7}}{_GROUP}$|^({_GROUP}(:{_GROUP}){{0,2}})?::({_GROUP}(:{_GROUP}){{0,2}})?$",
    "uri": r"^[a-zA-Z][a-zA-Z0-9+.-]{1,15}:[a-zA-Z0-9._~:/?@!$&'()*+,;=-]{1,240}$",
    "iri": r"^[a-zA-Z][a-zA-Z0-9+.-]{1,15}:[a-zA-Z0-9._~:/?@!$&'()*+,;=-]{1,240}$",
    "uri-reference": r"^(https?://[a-zA-Z0-9.-]{1,60})?(/[a-zA-Z0-9._~@!$&'()*+,;=-]{1,40}){0,8}$",
    "iri-reference": r"^(https?://[a-zA-Z0-9.-]{1,60})?(/[a-zA-Z0-9._~@!$&'()*+,;=-]{1,40}){0,8}$",
    "uri-template": r"^(/([a-zA-Z0-9._~-]{1,40}|\{[a-zA-Z0-9_]{1,40}\})){1,8}$",
    "json-pointer": "^(/([^~/]|~[01]){0,60}){0,8}$",
    "relative-json-pointer": "^(0|[1-9][0-9]{0,3})(#|(/([^~/]|~[01]){0,60}){0,8})$",
    "regex": r"^[A-Za-z0-9 _,:;@%&=!<>~'\"/-]{0,200}$",
}
"""A pattern for each format that is written; other formats are annotations, and are reported as such."""

EXACT_FORMATS = {
    "date": f"^{_ANY_DATE}$",
    "time": f"^{_ANY_TIME}$",
    "date-time": f"^{_ANY_DATE}[Tt]{_ANY_TIME}$",
    "duration": f"^P([0-9]+W|{_DAY_SPAN}({_CLOCK_SPAN})?|{_CLOCK_SPAN})$",
    "uuid": _UUID,
    "email": _mail(""),
    "idn-email": _mail(_BEYOND_ASCII),
    "hostname": rf"^{_LABEL}(\.{_LABEL})*$",
    "ipv4": f"^{_IPV4}$",
    "ipv6": f"^{_IPV6}$",
    "uri": _resource("", relative=False),
    "uri-reference": _resource("", relative=True),
    "iri": _resource(_BEYOND_ASCII, relative=False),
    "iri-reference": _resource(_BEYOND_ASCII, relative=True),
    "uri-template": _template(),
    "json-pointer": f"^{_POINTER}$",
    "relative-json-pointer": f"^(0|[1-9][0-9]*)(#|{_POINTER})$",
}
"""A pattern for each format that can be recognised."""

STANDARD_FORMATS = frozenset((*FORMATS, *EXACT_FORMATS))
"""The formats of draft 2020-12; any other name says nothing about values."""
