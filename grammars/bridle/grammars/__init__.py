"""From tools and a call syntax to a constraint on what a model writes, and the engines that hold it.

`call_grammar` and `schema_grammar` make a `Grammar`, a finite set of rules; `to_lark`, `to_gbnf` and
`to_regex` write it for an engine or a server. The engines themselves are in `bridle.grammars.engines` and
need the extra `llama`.
"""

from __future__ import annotations

from bridle.grammars.acceptor import Acceptor, acceptor, enforcement
from bridle.grammars.bounds import Bounds
from bridle.grammars.calls import Mode, call_grammar, choice_grammar, schema_grammar
from bridle.grammars.constraints import choices_of, for_choice, for_regex, for_schema
from bridle.grammars.gbnf import to_gbnf
from bridle.grammars.ir import EMPTY, Alt, Chars, Grammar, Lit, Node, Ref, Repeat, Seq, alt, optional, seq
from bridle.grammars.json_schema import call_schema, shape_schema
from bridle.grammars.lark import to_lark
from bridle.grammars.lint import check_gbnf
from bridle.grammars.outlines_types import for_outlines
from bridle.grammars.profiles import Profile, read_back, to_json_schema
from bridle.grammars.regex import to_regex
from bridle.grammars.sentences import matches, sample, shortest
from bridle.grammars.structural_tag import structural_tag_report, to_structural_tag

__all__ = [
    "EMPTY",
    "Acceptor",
    "Alt",
    "Bounds",
    "Chars",
    "Grammar",
    "Lit",
    "Mode",
    "Node",
    "Profile",
    "Ref",
    "Repeat",
    "Seq",
    "acceptor",
    "alt",
    "call_grammar",
    "call_schema",
    "check_gbnf",
    "choice_grammar",
    "choices_of",
    "enforcement",
    "for_choice",
    "for_outlines",
    "for_regex",
    "for_schema",
    "matches",
    "optional",
    "read_back",
    "sample",
    "schema_grammar",
    "seq",
    "shape_schema",
    "shortest",
    "structural_tag_report",
    "to_gbnf",
    "to_json_schema",
    "to_lark",
    "to_regex",
    "to_structural_tag",
]
