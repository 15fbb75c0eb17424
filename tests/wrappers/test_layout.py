"""What the keys of a format do to a prompt, one small made-up format at a time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bridle.errors import FormatError
from bridle.messages import JSON, Message, Role, ToolCall, ToolSpec
from bridle.wrappers import Hermes, Segment, Wrapper, get_wrapper

HEAD = """
name = "mine"
title = "Mine"
source = "made up"
syntax = "json"
thoughts = "none"
generation = "<a>"
stop = ["</t>"]
special = ["<s>", "<u>", "<a>", "<r>", "</t>", "<list>", "</list>"]
"""
TURNS = """
[turn.system]
open = "<s>"
close = "</t>"
[turn.user]
open = "<u>"
close = "</t>"
[turn.assistant]
open = "<a>"
close = "</t>"
[turn.tool]
open = "<r>"
close = "</t>"
"""
LIST = '[tools]\nitem = "name"\nopen = "<list>"\nclose = "</list>"\nbetween = ", "\n'
TOOLS = (ToolSpec("f"), ToolSpec("g"))
SYSTEM, USER, ANSWER = Message("system", "S"), Message("user", "U"), Message("assistant", "A")
NONCHARACTERS = "".join(map(chr, range(0xFDD0, 0xFDD6)))


def wrapper(folder: Path, keys: str = "", tables: str = LIST) -> Wrapper:
    path = folder / "mine.toml"
    path.write_text(HEAD + keys + "\n" + TURNS + tables, encoding="utf-8")
    return get_wrapper(path)


def template(folder: Path, text: str, keys: str = "", tables: str = LIST) -> Wrapper:
    (folder / "mine.jinja").write_text(text, encoding="utf-8")
    path = folder / "mine.toml"
    path.write_text(HEAD + keys + '\ntemplate = "mine.jinja"\n' + tables, encoding="utf-8")
    return get_wrapper(path)


def flat(found: Wrapper, *messages: Message, tools: tuple[ToolSpec, ...] = ()) -> str:
    return "".join(segment.text for segment in found.render(messages, tools))


def control(segments: tuple[Segment, ...]) -> str:
    return "".join(segment.text for segment in segments if segment.control)


def test_each_turn_stands_between_its_marks(tmp_path: Path) -> None:
    found = wrapper(tmp_path, 'bos = "^"\nbody = "|"')
    turns = (SYSTEM, USER, ANSWER, Message("tool", "R"))
    assert flat(found, *turns) == "^<s>S</t>|<u>U</t><a>A</t><r>R</t><a>"


def test_without_system_turns_their_text_stands_before_the_first_user(tmp_path: Path) -> None:
    found = wrapper(tmp_path, 'system_role = false\nsystem_join = "+"')
    second = Message("system", "T")
    assert flat(found, SYSTEM, second, ANSWER, USER, USER) == "<a>A</t><u>S+T+U</t><u>U</t><a>"


def test_the_system_text_inside_a_user_turn_may_have_marks(tmp_path: Path) -> None:
    found = wrapper(
        tmp_path, "system_role = false", LIST + '[turn.inner_system]\nopen = "<s>"\nclose = "</t>"\n'
    )
    assert flat(found, SYSTEM, USER) == "<u><s>S</t>\n\nU</t><a>"
    assert control(found.render([SYSTEM, USER])) == "<u><s></t></t><a>"
    assert flat(found, USER) == "<u>U</t><a>"


def test_marks_in_the_formats_own_system_text_are_control(tmp_path: Path) -> None:
    found = wrapper(tmp_path, 'default_system = "say <list>"')
    assert control(found.render([USER])) == "<s><list></t><u></t><a>"


def test_without_any_user_the_system_text_is_a_user_turn(tmp_path: Path) -> None:
    found = wrapper(tmp_path, "system_role = false")
    assert flat(found, SYSTEM, ANSWER) == "<u>S</t><a>A</t><a>"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("", "<s>S\n<list>f, g</list></t><u>U</t><a>A</t><u>V</t><a>"),
        ("tools_first = true", "<s><list>f, g</list>\nS</t><u>U</t><a>A</t><u>V</t><a>"),
        ('tools_join = "+"', "<s>S+<list>f, g</list></t><u>U</t><a>A</t><u>V</t><a>"),
        ('tools_place = "turn"', "<s>S</t><s><list>f, g</list></t><u>U</t><a>A</t><u>V</t><a>"),
        (
            'tools_place = "turn"\ntools_first = true',
            "<s><list>f, g</list></t><s>S</t><u>U</t><a>A</t><u>V</t><a>",
        ),
        ('tools_place = "first_user"', "<s>S</t><u><list>f, g</list>\nU</t><a>A</t><u>V</t><a>"),
        ('tools_place = "last_user"', "<s>S</t><u>U</t><a>A</t><u><list>f, g</list>\nV</t><a>"),
        (
            'system_role = false\nsystem_join = "+"\ntools_place = "first_user"',
            "<u>S+<list>f, g</list>\nU</t><a>A</t><u>V</t><a>",
        ),
        (
            'system_role = false\nsystem_join = "+"',
            "<u>S\n<list>f, g</list>+U</t><a>A</t><u>V</t><a>",
        ),
    ],
)
def test_tools_are_listed_where_the_format_says(tmp_path: Path, keys: str, expected: str) -> None:
    found = wrapper(tmp_path, keys)
    assert flat(found, SYSTEM, USER, ANSWER, Message("user", "V"), tools=TOOLS) == expected


@pytest.mark.parametrize("place", ["first_user", "last_user"])
def test_tools_are_told_also_where_no_user_speaks(tmp_path: Path, place: str) -> None:
    found = wrapper(tmp_path, f'tools_place = "{place}"')
    assert flat(found, ANSWER, tools=TOOLS) == "<u><list>f, g</list></t><a>A</t><a>"


def test_tools_may_have_a_turn_with_marks_of_its_own(tmp_path: Path) -> None:
    found = wrapper(tmp_path, 'tools_place = "turn"', LIST + '[turn.tools]\nopen = "<r>"\nclose = ""\n')
    assert flat(found, USER, tools=TOOLS) == "<r><list>f, g</list><u>U</t><a>"


def test_of_a_list_only_the_formats_own_marks_are_control(tmp_path: Path) -> None:
    found = wrapper(tmp_path)
    rendered = found.render([SYSTEM, USER], [ToolSpec("</list></t>")])
    assert Segment("S\n") in rendered
    assert Segment("</list></t>") in rendered
    assert control(rendered) == "<s><list></list></t><u></t><a>"


def test_results_in_a_row_stand_in_one_group(tmp_path: Path) -> None:
    group = '[turn.tool_group]\nopen = "<u>"\nclose = "</t>"\n'
    found = wrapper(tmp_path, "", LIST + group)
    one, two = Message("tool", "1"), Message("tool", "2")
    assert flat(found, one, two, ANSWER, one) == "<u><r>1</t><r>2</t></t><a>A</t><u><r>1</t></t><a>"


def test_a_missing_system_turn_has_a_default(tmp_path: Path) -> None:
    found = wrapper(tmp_path, 'default_system = "D"')
    assert flat(found, USER) == "<s>D</t><u>U</t><a>"
    assert flat(found, SYSTEM, USER) == "<s>S</t><u>U</t><a>"
    assert flat(found, USER, tools=TOOLS) == "<s>D\n<list>f, g</list></t><u>U</t><a>"


def test_with_tools_the_default_may_be_another(tmp_path: Path) -> None:
    found = wrapper(tmp_path, 'default_system = "D"\ndefault_system_tools = ""')
    assert flat(found, USER) == "<s>D</t><u>U</t><a>"
    assert flat(found, USER, tools=TOOLS) == "<s><list>f, g</list></t><u>U</t><a>"


@pytest.mark.parametrize(
    ("which", "kept"), [("keep", ["one", "two", "three"]), ("drop", []), ("current", ["three"])]
)
def test_thoughts_of_the_history_are_kept_as_the_format_says(
    tmp_path: Path, which: str, kept: list[str]
) -> None:
    found = replace(wrapper(tmp_path, f'history_thoughts = "{which}"'), syntax=Hermes())
    thoughts = [Message("assistant", "A", thoughts=word) for word in ("one", "two", "three")]
    text = flat(found, USER, thoughts[0], USER, thoughts[1], USER, thoughts[2])
    assert [word for word in ("one", "two", "three") if word in text] == kept
    assert text.count("A") == 3


def test_texts_are_stripped_only_for_the_roles_named(tmp_path: Path) -> None:
    roles: tuple[Role, ...] = ("system", "user", "assistant", "tool")
    blank = [Message(role, f" {role[0]}\n") for role in roles]
    default, none = wrapper(tmp_path), wrapper(tmp_path, "strip = []")
    assert flat(default, *blank) == "<s>s</t><u> u\n</t><a> a\n</t><r> t\n</t><a>"
    assert flat(none, *blank) == "<s> s\n</t><u> u\n</t><a> a\n</t><r> t\n</t><a>"
    every = wrapper(tmp_path, 'strip = ["user", "assistant", "tool"]')
    assert flat(every, *blank) == "<s> s\n</t><u>u</t><a>a</t><r>t</t><a>"


EVENT = '{"type": "heartbeat"}'
ROLES = '[turn.event]\nopen = "<s>"\nclose = "</t>"\n[turn.plain_tool]\nopen = "<a>"\nclose = "</t>"\n'


def test_with_roles_events_and_results_have_turns_of_their_own(tmp_path: Path) -> None:
    turns = (Message("user", EVENT), Message("user", '{"type": "user_message"}'), Message("tool", "R"))
    plain = wrapper(tmp_path, "", LIST + ROLES)
    assert flat(plain, *turns) == f'<u>{EVENT}</t><u>{{"type": "user_message"}}</t><r>R</t><a>'
    roles = replace(plain, roles=True)
    assert flat(roles, *turns) == f'<s>{EVENT}</t><u>{{"type": "user_message"}}</t><a>R</t><a>'


def test_roles_change_nothing_where_the_format_has_no_such_turns(tmp_path: Path) -> None:
    turns = (Message("user", EVENT), Message("user", "{not JSON"), Message("tool", "R"))
    assert flat(replace(wrapper(tmp_path), roles=True), *turns) == flat(wrapper(tmp_path), *turns)


def test_hints_are_reminders_where_the_answer_begins(tmp_path: Path) -> None:
    plain, hints = flat(wrapper(tmp_path), USER), flat(replace(wrapper(tmp_path), hints=True), USER)
    assert hints.startswith(plain + "# Reminders:\n")
    assert "archival_memory_search" in hints


def test_a_turn_that_calls_may_have_marks_of_its_own(tmp_path: Path) -> None:
    found = wrapper(tmp_path, "", LIST + '[turn.calls]\nopen = "<a>"\nclose = "<s>"\n')
    calls = Message("assistant", calls=(ToolCall("f", {"x": 1}),))
    assert flat(found, calls, ANSWER) == '<a>{"name": "f", "arguments": {"x": 1}}<s><a>A</t><a>'


def test_a_result_may_be_written_as_a_json_string(tmp_path: Path) -> None:
    found = wrapper(tmp_path, "tool_json = true")
    assert flat(found, Message("tool", 'é "1"\n')) == '<r>"é \\"1\\"\\n"</t><a>'


def test_a_later_system_turn_may_have_marks_of_its_own(tmp_path: Path) -> None:
    found = wrapper(tmp_path, "", LIST + '[turn.later_system]\nopen = "<r>"\nclose = ""\n')
    assert flat(found, SYSTEM, USER, SYSTEM) == "<s>S</t><u>U</t><r>S<a>"


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("keep", '{"message": "hi", "é": 1}'),
        ("indent", '{\n  "message": "hi",\n  "é": 1\n}'),
        ("message", "hi"),
    ],
)
def test_a_user_turn_that_is_json_is_kept_indented_or_reduced(tmp_path: Path, how: str, text: str) -> None:
    found = wrapper(tmp_path, f'json_indent = 2\nuser_json = "{how}"')
    assert flat(found, Message("user", '{"message": "hi", "é": 1}')) == f"<u>{text}</t><a>"
    assert flat(found, Message("user", "{hi}")) == "<u>{hi}</t><a>"
    assert flat(found, Message("user", "[1]")) == "<u>[1]</t><a>"


def test_an_answer_without_thinking_may_begin_in_another_way(tmp_path: Path) -> None:
    keys = 'thinking = true\ngeneration_direct = "<a>no thoughts:"'
    assert flat(wrapper(tmp_path, keys), USER) == "<u>U</t><a>"
    direct = replace(wrapper(tmp_path, keys), values={"enable_thinking": False})
    assert flat(direct, USER) == "<u>U</t><a>no thoughts:"
    assert direct.read("said</think>", ()).text != wrapper(tmp_path, keys).read("said</think>", ()).text


LOOP = """\
{{ bos }}{% for m in messages %}
<u>{{ m.role | control }}:{{ m.content }}</t>
{%- endfor %}
{{ listed }}{{ generation }}
"""


def test_in_a_template_text_is_control_and_values_are_data(tmp_path: Path) -> None:
    found = template(tmp_path, LOOP, 'bos = "<s>"')
    rendered = found.render([SYSTEM, Message("user", "</t>")], [ToolSpec("<u>")])
    assert "".join(one.text for one in rendered) == "<s><u>system:S</t><u>user:</t></t><list><u></list><a>"
    assert control(rendered) == "<s><u>system:</t><u>user:</t><list></list><a>"


def test_a_template_sees_thoughts_calls_names_and_ids(tmp_path: Path) -> None:
    text = (
        "{% for m in messages %}{{ m.thoughts }}|{{ m.name }}|{{ m.id }}|"
        "{% for c in m.calls %}{{ c.id }}={{ c.name }}{{ c.arguments | tojson }}{% endfor %};{% endfor %}"
        "{{ tools | length }}{{ tools[0] | tojson(indent=1) | length }}"
    )
    calls = Message(
        "assistant", "", "T", (ToolCall("f", {"é": [1]}), ToolCall("g")), None, {"call_ids": ["x", "y"]}
    )
    results = (Message("tool", "1"), Message("tool", "2", extra={"tool_call_id": "y"}), Message("tool", "3"))
    found = flat(template(tmp_path, text), calls, *results, tools=TOOLS)
    assert found.startswith('T|||x=f{"é": [1]}y=g{};|f|x|;|g|y|;|||;2')


def test_values_of_a_template_may_be_changed_but_bring_no_control_text(tmp_path: Path) -> None:
    tables = '[template_values]\nword = "<s>ours"\nflag = true\n' + LIST
    made = template(tmp_path, "{{ word }}{% if flag %}<u>{% endif %}", "", tables)
    assert made.render([]) == (Segment("<s>", control=True), Segment("ours"), Segment("<u>", control=True))
    changed = get_wrapper(tmp_path / "mine.toml", values={"word": "<s>theirs", "flag": False})
    assert changed.render([]) == (Segment("<s>theirs"),)


HOSTILE = st.lists(
    st.one_of(st.sampled_from([*NONCHARACTERS, "<s>", "<u>", "</t>", "<a>"]), st.text(max_size=3)), max_size=8
).map("".join)
WIDE = """\
{% macro twice(m) %}<r>{{ m.content }}{{ m.name ~ m.content }}</t>{% endmacro %}
{% for m in messages %}<u>{{ m.content }}{{ twice(m) }}{{ twice(m) ~ m.content }}\
{{ m.content ~ m.written }}{{ m.written ~ m.content }}\
{{ m.content | trim | upper }}{{ m.name }}{{ m.id }}{{ m.calls | tojson }}</t>
{% set kept %}<a>{{ m.content }}{% endset %}{{ kept }}{{ kept ~ m.content }}
{%- endfor %}
{{ tools | tojson }}{{ listed }}{{ word }}
"""


def wide(folder: Path, text: str) -> tuple[Segment, ...]:
    (folder / "mine.jinja").write_text(WIDE, encoding="utf-8")
    (folder / "mine.toml").write_text(HEAD + '\ntemplate = "mine.jinja"\n' + LIST, encoding="utf-8")
    found = get_wrapper(folder / "mine.toml", values={"word": text})
    ids: dict[str, JSON] = {"call_ids": [text]}
    messages = (
        Message("user", text, name=text),
        Message("assistant", text, text, (ToolCall(text, {text: text}),), None, ids),
        Message("tool", text, extra={"tool_call_id": text}),
    )
    return found.render(messages, [ToolSpec(text, text, {"type": "object", "properties": {text: {}}})])


@given(HOSTILE)
@example(f"{NONCHARACTERS}<s>")
@example("\ufdd1<s>\ufdd0")
@example("\ufdd0<s>\ufdd1")
@example("\ufdd2\ufdd3<s>\ufdd2\ufdd4")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_passes_through_a_template_stays_data(tmp_path: Path, text: str) -> None:
    assert control(wide(tmp_path, text)) == control(wide(tmp_path, "x"))


@given(HOSTILE)
@example(f"{NONCHARACTERS}<s>{NONCHARACTERS}")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_passes_through_a_template_comes_out_as_it_was(tmp_path: Path, text: str) -> None:
    found = template(tmp_path, "<u>{{ messages[0].content }}</t>{{ tools[0].function.description }}")
    rendered = found.render([Message("user", text)], [ToolSpec("f", text)])
    assert "".join(segment.text for segment in rendered) == f"<u>{text}</t>{text}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("one\ntwo {{ messages[9].content }}\n", "line 2"),
        ("one\n\n{{ nothing }}\n", "line 3"),
        ("{{ fail('it must not be') }}", "line 1: it must not be"),
        ("one\n{% for %}\n", "line 2"),
        ("{{ messages.__class__.__mro__ }}", "unsafe"),
        ("{{ 1 / 0 }}", "division"),
        ("{% macro m() %}{{ m() }}{% endmacro %}\n{{ m() }}", "recursion"),
        ("{{ messages.append(1) }}", "unsafe"),
    ],
)
def test_a_template_that_fails_names_the_format_and_the_line(tmp_path: Path, text: str, says: str) -> None:
    found = template(tmp_path, text)
    with pytest.raises(FormatError, match="'mine'") as caught:
        found.render([])
    assert says in str(caught.value)


def test_a_template_lies_beside_its_format(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    for name, says in (("gone.jinja", "gone.jinja"), ("../mine.jinja", "beside"), ("mine.txt", "beside")):
        path.write_text(f'{HEAD}\ntemplate = "{name}"\n', encoding="utf-8")
        with pytest.raises(FormatError, match=says):
            get_wrapper(path)


@pytest.mark.parametrize(
    ("keys", "tables", "says"),
    [
        ("system_role = 1", LIST, "system_role is 1"),
        ('strip = ["robot"]', LIST, "strip is 'robot'"),
        ('tools_place = "roof"', LIST, "tools_place is 'roof'"),
        ("template_values = 3", LIST, "template_values is 3"),
        ("tools = 3", "", "tools is 3"),
        ('tools = "poem"', "", "tools is 'poem'"),
        ("", LIST + "colour = 1\n", "unknown key tools.colour"),
        ("", LIST.replace('"name"', '"nickname"'), "tools.item is 'nickname'"),
        ("", LIST + "indent = 0\n", "tools.indent is 0"),
        ("", LIST + '[calls]\nlike = "shouting"\n', "calls.like is 'shouting'"),
    ],
)
def test_a_wrong_value_is_refused_with_key_and_value(
    tmp_path: Path, keys: str, tables: str, says: str
) -> None:
    with pytest.raises(FormatError) as caught:
        wrapper(tmp_path, keys, tables)
    assert says in str(caught.value)
    assert "mine" in str(caught.value)
