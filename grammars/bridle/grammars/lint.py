"""Checks GBNF before llama.cpp sees it, because there a wrong grammar ends the whole process.

llama-cpp-python 0.3.36 puts the null pointer that a failed parse returns into its sampler chain, `{3,2}`
lets the parser run out of memory, and a loop around nothing, or left recursion through a rule that may be
empty, lets the sampler run without end. What is refused here is at least what llama.cpp cannot take.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from bridle.errors import GrammarError
from bridle.grammars.gbnf_dialects import Dialect, notation
from bridle.grammars.gbnf_syntax import Item, Rule, read_gbnf

__all__ = ["check_gbnf"]

_MOST_WAYS = 100_000  # in which a rule can begin; llama.cpp keeps a stack for each of them


def check_gbnf(text: str, *, dialect: Dialect = "llama.cpp", tokens: bool = True) -> None:
    """Do nothing for a grammar that a dialect's reader can take and whose first rule to use is called `root`.

    `tokens` says whether terminals that name a token (`<name>`, `<[12]>`) are right: behind a character they
    make llama.cpp (0c1e57098) allow what it then ends the process for. Left recursion and endless
    repetitions of what may be empty are refused in every dialect.

    Raises:
        GrammarError: with the line of the first thing that is wrong.
        InputError: for an unknown dialect.

    >>> check_gbnf('root ::= "yes" | "no"')
    """
    rules = read_gbnf(text, dialect)
    if "root" not in rules:
        raise GrammarError("there is no rule called 'root'", hint="the grammar starts at 'root ::= …'")
    if notation(dialect).root_alone:
        _check_root(rules["root"], dialect)
    for rule in rules.values():
        for item in _all_items(rule.options):
            if item.token and not tokens:
                raise _wrong(item.line, "a token cannot stand here", "write its text in quotation marks")
            if item.rule and item.rule not in rules:
                raise _wrong(item.line, f"the rule {item.rule!r} is not defined", f"add '{item.rule} ::= …'")
    empty = _empty_rules(rules)
    for rule in rules.values():
        for item in _all_items(rule.options):
            if item.loops or (item.most is None and _body_may_be_empty(item, empty)):
                raise _wrong(
                    item.line,
                    "an endless repetition of what may be empty",
                    "let it hold at least a character",
                )
    _check_ways(rules, empty, _left_first_order(rules, empty))


def _check_root(root: Rule, dialect: str) -> None:
    if len(root.options) > 1 or not any(item.size for item in root.options[0]):
        raise _wrong(
            root.line,
            f"{dialect} follows only the first alternative of 'root'",
            "write 'root ::= start' and the alternatives under 'start'",
        )


def _all_items(options: Sequence[Sequence[Item]]) -> Iterator[Item]:
    for items in options:
        for item in items:
            yield item
            yield from _all_items(item.group)


def _empty_rules(rules: Mapping[str, Rule]) -> set[str]:
    """Return the rules that the empty text satisfies."""
    empty: set[str] = set()
    grown = True
    while grown:
        found = {name for name, rule in rules.items() if _may_be_empty(rule.options, empty)}
        grown, empty = found != empty, found
    return empty


def _may_be_empty(options: Sequence[Sequence[Item]], empty: set[str]) -> bool:
    return any(all(item.optional or _body_may_be_empty(item, empty) for item in items) for items in options)


def _body_may_be_empty(item: Item, empty: set[str]) -> bool:
    if item.rule:
        return item.rule in empty
    return _may_be_empty(item.group, empty) if item.group else item.size == 0


def _leading(options: Sequence[Sequence[Item]], empty: set[str]) -> Iterator[Item]:
    """Yield what alternatives can begin with."""
    for items in options:
        for item in items:
            yield item
            if not (item.optional or _body_may_be_empty(item, empty)):
                break


def _leading_rules(options: Sequence[Sequence[Item]], empty: set[str]) -> Iterator[Item]:
    for item in _leading(options, empty):
        if item.rule:
            yield item
        yield from _leading_rules(item.group, empty)


def _left_first_order(rules: Mapping[str, Rule], empty: set[str]) -> list[str]:
    """Return the rules so that each comes after those it can begin with; left recursion is an error."""
    ordered: list[str] = []
    state: dict[str, str] = {}
    for start in rules:
        if start in state:
            continue
        state[start] = "open"
        path = [(start, _leading_rules(rules[start].options, empty))]
        while path:
            name, leading = path[-1]
            item = next(leading, None)
            if item is None:
                state[name] = "done"
                ordered.append(name)
                path.pop()
            elif state.get(item.rule) == "open":
                raise _wrong(
                    item.line, f"the rule {item.rule!r} begins with itself", "write lists with '*' or '+'"
                )
            elif item.rule not in state:
                state[item.rule] = "open"
                path.append((item.rule, _leading_rules(rules[item.rule].options, empty)))
    return ordered


def _check_ways(rules: Mapping[str, Rule], empty: set[str], ordered: Sequence[str]) -> None:
    ways: dict[str, int] = {}
    for name in ordered:
        ways[name] = _ways(rules[name].options, empty, ways)
        if ways[name] > _MOST_WAYS:
            raise _wrong(
                rules[name].line,
                f"the rule {name!r} can begin in more than {_MOST_WAYS} ways",
                "do not repeat what may be empty",
            )


def _ways(options: Sequence[Sequence[Item]], empty: set[str], ways: Mapping[str, int]) -> int:
    total = 0
    for item in _leading(options, empty):
        inner = ways[item.rule] if item.rule else _ways(item.group, empty, ways) if item.group else 1
        again = (item.most or 1) if _body_may_be_empty(item, empty) else 1
        total += inner * again
    return max(1, total)


def _wrong(line: int, what: str, hint: str) -> GrammarError:
    return GrammarError(f"line {line}: {what}", line=line, hint=hint)
