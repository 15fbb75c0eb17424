"""Call syntaxes of made-up tables, with marks that no model family has."""

from __future__ import annotations

from collections.abc import Mapping

from bridle.wrappers.syntaxes import Declared, syntax_from_table

__all__ = ["OWN", "OWN_TABLES", "PLAIN_FORMAT"]

OWN_TABLES: Mapping[str, Mapping[str, object]] = {
    "own_named": {
        "open": "«CALLS»",
        "call": "@@${name}::${arguments}@@",
        "between": "\n",
        "close": "«END»",
        "trigger": "«CALLS»",
        "parallel": True,
        "text_first": True,
        "gap": "\n",
        "think_open": "((HM ",
        "think_close": " HM))",
    },
    "own_object": {
        "call": '{"hey": ${quoted_name}, "with": ${arguments:1}}',
        "trigger": "{",
        "thoughts_key": "why",
    },
    "own_tags": {
        "call": "<~${name}~>\n${members}<~/~>",
        "members": {"open": "<~.", "middle": ".~>\n", "close": "\n<~;~>\n"},
        "trigger": "<~",
        "parallel": True,
        "text_first": True,
        "gap": "\n\n",
        "text_open": "<!say!>",
        "text_close": "<!said!>",
    },
    "own_python": {
        "open": "RUN: ",
        "call": "${index}) ${name} <- ${members};",
        "members": {"middle": " := ", "between": " & ", "values": "python"},
        "between": "\n",
        "trigger": "RUN: ",
        "parallel": True,
    },
    "own_gemma": {
        "open": "~do~",
        "call": "${name}!${id}{${members}}",
        "id": {"before": "#", "after": "#"},
        "members": {"middle": "=", "between": ";", "values": "gemma"},
        "between": "+",
        "close": "~done~",
        "trigger": "~do~",
        "parallel": True,
        "text_first": True,
    },
    "own_lines": {
        "call": "CALL ${quoted_name}\nBECAUSE ${thoughts}\nWITH ${arguments}\nEND OF CALL",
        "trigger": "CALL",
        "indent": 2,
    },
}

OWN: list[Declared] = [
    Declared(made.dialect, made.shape, also=made.also, label=name, exact=made.exact)
    for name, table in OWN_TABLES.items()
    for made in [syntax_from_table(table, name)]
]

PLAIN_FORMAT = """
name = "mine"
title = "Mine"
source = "made up"
generation = "A:"
stop = ["U:"]
special = []
[turn.system]
open = "S:"
close = "\\n"
[turn.user]
open = "U:"
close = "\\n"
[turn.assistant]
open = "A:"
close = "\\n"
[turn.tool]
open = "T:"
close = "\\n"
"""
