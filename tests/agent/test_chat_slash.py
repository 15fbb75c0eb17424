"""The slash commands of a conversation: each is run through the real command, in a pipe, on a script."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent_scripts import append, call, say, scripted, written
from bridle.agent import Agent, Store
from bridle.agent.archival import Draft
from bridle.agent.archival.archive import Archive
from bridle.agent.prompt import COMPACT
from bridle.agent.state import new_state
from bridle.agent.store import Logged
from bridle.cli import chat
from bridle.cli.chat.slash import COMMANDS, completions, table
from bridle.endpoints.config import home
from bridle.messages import ToolCall
from chat_sessions import chat_with, session_on, talked
from project import ROOT
from servers.fake import ModelServer, unused_url

ADA = append("Name: Ada")


@dataclass(frozen=True)
class Case:
    """Lines that are typed, what the model answers, and what is shown for it."""

    lines: Sequence[str]
    shown: Sequence[str]
    answers: Sequence[ToolCall] = (ADA, say("Hello, Ada."))
    replies: Sequence[str] = ("Hello, Ada.",)
    hidden: Sequence[str] = ()
    args: Sequence[str] = ()


HI = "I am Ada"
FULL = ("--profile", "full")  # the compact profile's model was never shown that something else happens
CASES: dict[str, Case] = {
    "help": Case(["/help", "/help pop"], ["/systemswap TEXT|FILE", "/pop [n]", "Ctrl-D leaves"], replies=()),
    "exit": Case(["/exit", HI], [], replies=()),
    "quit": Case(["/quit", HI], [], replies=()),
    "memory": Case(
        [HI, "/memory"],
        ["[human] 9 of 600 characters, about 3 tokens\n  Name: Ada\n", "[stored] 2 messages, 0 notes"],
    ),
    "search": Case(
        [HI, "/search ada"],
        ["[human] Name: Ada", "[conversation] 2 of 2", "user: I am Ada", "[notes and sources] No results."],
    ),
    "attach": Case(["/attach", "/attach papers"], ["  papers: 1 passage", "Attached 1 passage"], replies=()),
    "undo": Case(
        [HI, "/undo human", "/memory"],
        ["[human] is again what it was before turn 1:\n  - Name: Ada\n", "[human] 0 of 600"],
    ),
    "diff": Case(
        ["/diff", HI, "/diff human"],
        ["Nothing has changed", "[human]\n  + Name: Ada\n"],
        hidden=["[persona]"],
    ),
    "context": Case([HI, "/context"], ["tokens; the window is not known", "instructions", "conversation"]),
    "/": Case(["//", "/etc is", "  a folder", "//"], ["> /etc is\n>   a folder\n"], [say("Yes.")], ["Yes."]),
    "retry": Case(["hi", "/retry"], [], [say("Hm."), say("Hello.")], ["Hm.", "Hello."]),
    "pop": Case(
        [HI, "/pop", "/memory", "/pop 7"],
        ["1 turn taken back", "Name: Ada", "[stored] 0 messages", "error: 7 turns cannot be taken back"],
    ),
    "rethink": Case([HI, "/rethink She is nice.", "/dumpraw 2"], ["The agent's last thoughts are replaced"]),
    "rewrite": Case([HI, "/rewrite Good day.", "/dump 1"], ["assistant: Good day."]),
    "summarize": Case(["/summarize"], ["There is nothing to sum up yet."], (), ()),
    "heartbeat": Case(["/heartbeat"], ["  hm"], [say("Still here.")], ["Still here."], args=FULL),
    "memorywarning": Case(
        ["/memorywarning"], [], [say("I will keep that.")], ["I will keep that."], args=FULL
    ),
    "systemswap": Case(["/systemswap Be brief."], ["new instructions: 9 characters"], (), ()),
    "model": Case(["/model"], ["window not known", "/model SPEC or NAME goes on"], (), ()),
    "wrapper": Case(["/wrapper", "/wrapper chatml"], ["chatml-compact: given", "chatml: given"], (), ()),
    "tools": Case(["/tools"], ["send_message(message): ", "conversation_search(query, [page]): "], (), ()),
    "grammar": Case(
        [HI, "/grammar"], ["rung text; functions that were allowed: ", "Nothing was sent that holds"]
    ),
    "why": Case(
        [HI, "/why"], ["1. core_memory_append: held as off", "2. send_message: held as off", " written; "]
    ),
    "stats": Case(
        [HI, "/stats"], ["1 turn in this conversation, 1 with default", "2 answers", "send_message 1"]
    ),
    "dump": Case([HI, "/dump", "/dump 1"], [" user: I am Ada", " assistant: Hello, Ada."]),
    "dumpraw": Case([HI, "/dumpraw 1"], []),
    "save": Case(["/save"], ["Everything is saved already, step by step, in "], (), ()),
    "fork": Case([HI, "/fork eve"], ["eve is a copy of default as it is now: bridle chat --agent eve"]),
    "export": Case([HI, "/export FILE", "/export FILE"], ["default is written to ", "is there already"]),
}


def test_every_command_has_a_case() -> None:
    assert set(CASES) == set(COMMANDS)


@pytest.mark.parametrize("name", CASES)
def test_a_command_does_what_it_says(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    with Store(home()) as store, Archive(store) as archive:
        source = archive.create_source("papers", "")
        archive.add(source, [Draft("Memory has tiers.")])
    lines = [line.replace("FILE", str(tmp_path / "ada.json")) for line in case.lines]
    result = chat_with(tmp_path, case.answers, *case.args, stdin="\n".join(lines) + "\n")
    assert result.exit_code == 0, result.exception
    replies = [line for line in result.stdout.splitlines() if not line.startswith("{")]
    assert replies == list(case.replies)
    for text in case.shown:
        assert text in result.stderr
    for text in case.hidden:
        assert text not in result.stderr


def test_what_the_last_call_was_held_to_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store(tmp_path) as store:
        agent = Agent.open(store, "ada", scripted([say("Hello.")]), wrapper="chatml-compact")
        session = session_on(agent, ["hi", "/grammar", "/why"])
        from bridle.cli.chat.talking import talk
        from bridle.endpoints.observing import observed_by

        with observed_by(session.observe):
            talk(session)
    shown = capsys.readouterr().err
    assert "rung grammar; functions that were allowed: send_message, " in shown
    assert "root ::=" in shown
    assert "1. send_message: held as grammar" in shown
    assert "(proven)" in shown


def test_the_constraint_of_a_call_is_shown_after_a_summary_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from bridle.cli.chat.talking import talk
    from bridle.endpoints.observing import observed_by

    with Store(tmp_path) as store:
        answers: list[ToolCall | str] = [say(f"Hello {n}.") for n in range(8)]
        answers.append("They said hello.")
        agent = Agent.open(store, "ada", scripted(answers), wrapper="chatml-compact")
        said = [f"hi {n}" for n in range(8)]
        with observed_by((session := session_on(agent, [*said, "/summarize", "/grammar"])).observe):
            talk(session)
    shown = capsys.readouterr().err.partition("Summed up: ")[2]
    assert "rung grammar; functions that were allowed: send_message, " in shown


def test_raw_messages_are_json_on_standard_output(tmp_path: Path) -> None:
    stdin = f"{HI}\n/rethink Sh\x1b[2Je.\n/dumpraw 2\n"
    result = chat_with(tmp_path, [ADA, say("Hello, Ada.")], stdin=stdin)
    assert "\x1b" not in result.stdout + result.stderr
    messages = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    assert len(messages) == 2
    assert "Sh\x1b[2Je." in [message.get("reasoning_content") for message in messages]


@pytest.mark.parametrize(
    ("line", "error", "hint"),
    [
        ("/memroy", "there is no command /memroy", "did you mean /memory? /help lists them"),
        ("/xyzzy", "there is no command /xyzzy", "/help lists them"),
        ("/exit now", "/exit takes nothing after it, not 'now'", "/exit: leave"),
        ("/search", "/search needs QUERY", "/search QUERY: look through"),
        ("/pop two", "/pop takes a number from 1 on, not 'two'", "/pop [n]: take the last n"),
        ("/dump 0", "/dump takes a number from 1 on, not '0'", "/dump [n]: the last n messages"),
        ("/diff mood", "there is no block 'mood'", "the blocks are persona, human"),
        ("/attach notes", "there are no sources yet", "bridle load directory --name NAME"),
        ("/retry", "nothing has been said yet", "say something first"),
        ("/why", "there was no turn yet", "say something first"),
        ("/grammar", "the model has not been asked for a call yet", "say something first"),
        ("/model nowhere", "'nowhere' is no endpoint", "give embedded, auto"),
        ("/wrapper chatlm", "there is no wrapper 'chatlm'", "chatml"),
        ("/export /nowhere/at/all.json", "/nowhere/at/all.json cannot be written", "name another file"),
    ],
)
def test_wrong_use_is_one_line_and_the_right_one(tmp_path: Path, line: str, error: str, hint: str) -> None:
    result = chat_with(tmp_path, [say("Hello.")], stdin=f"{line}\nhi\n")
    assert (result.exit_code, result.stdout) == (0, "Hello.\n")
    shown = result.stderr.splitlines()
    at = next(number for number, one in enumerate(shown) if one.startswith("error: "))
    assert error in shown[at]
    assert shown[at + 1].startswith("hint: ")
    assert hint in shown[at + 1]


def test_a_wrong_source_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with Store(home()) as store, Archive(store) as archive:
        archive.create_source("papers", "")
    result = chat_with(tmp_path, [], stdin="/attach paper\n")
    assert "there is no source 'paper'" in result.stderr
    assert "did you mean 'papers'?" in result.stderr


def test_an_attached_source_is_searched_by_the_agent(tmp_path: Path) -> None:
    with Store(home()) as store, Archive(store) as archive:
        archive.add(archive.create_source("papers", ""), [Draft("Memory has tiers.")])
    asked = call("archival_memory_search", query="tiers", request_heartbeat=True)
    result = chat_with(tmp_path, [asked, say("Tiers.")], stdin="/attach papers\nwhat has memory?\n/memory\n")
    assert "Memory has tiers." in result.stderr
    assert "[attached] papers" in result.stderr


def test_instructions_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "new.txt"
    file.write_text("Be very brief.\n", "utf-8")
    result = chat_with(tmp_path, [say("Yes.")], stdin=f"/systemswap {file}\nhi\n/grammar\n")
    assert f"new instructions from {file}: 14 characters" in result.stderr
    with Store(home()) as store:
        state = store.load("default")
    assert state is not None
    assert state.system == "Be very brief."


def test_another_endpoint_goes_on_with_the_conversation(tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    other.write_text('{"function": 1}\nI am another one.\n', "utf-8")
    result = chat_with(tmp_path, [say("One.")], stdin=f"hi\n/model scripted:{other}\nand now?\n/wrapper\n")
    assert f"Now scripted:{other} (scripted)" in result.stderr
    assert result.stdout.startswith("One.\n")


def test_a_model_of_the_same_server_is_chosen_by_its_name(tmp_path: Path) -> None:
    server = ModelServer("lmstudio")
    try:
        server.text = written(say("Hello."))
        given = ["--endpoint", f"lmstudio@{server.url}", "--wrapper", "chatml-compact"]
        stdin = "/model\n/model other\n/model nothing\nhi\n"
        result = CliRunner().invoke(chat.command, given, input=stdin)
    finally:
        server.close()
    assert result.exit_code == 0, result.stderr
    assert result.stdout == "Hello.\n"
    assert "it has other, m" in result.stderr
    assert "(other), wrapper " in result.stderr
    assert "error: 'nothing' is no endpoint" in result.stderr
    assert server.asked["model"] == "other"


def test_an_endpoint_that_is_not_there_leaves_the_one_in_use(tmp_path: Path) -> None:
    stdin = f"/model openai@{unused_url()}\nhi\n"
    result = chat_with(tmp_path, [say("Hello.")], stdin=stdin)
    assert result.exit_code != 0  # in a pipe nobody could choose another one
    with Store(tmp_path) as store:
        agent = Agent.open(store, "ada", scripted([say("Hello.")]), wrapper="chatml-compact")
        talked(agent, [f"/model openai@{unused_url()}", "hi"])
        assert agent.state.turn == 1


def test_a_fork_is_an_agent_of_its_own(tmp_path: Path) -> None:
    chat_with(tmp_path, [ADA, say("Hello, Ada.")], stdin=f"{HI}\n/fork eve\n")
    with Store(home()) as store:
        state = store.load("eve")
        logged = store.messages("eve")
    assert state is not None
    assert state.core.block("human").lines == ("Name: Ada",)
    assert [one.text for one in logged] == [HI, "Hello, Ada."]
    assert all(isinstance(one, Logged) for one in logged)


def test_ctrl_c_forgets_a_message_of_several_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store(tmp_path) as store:
        agent = Agent.open(store, "ada", scripted([say("Yes.")]), wrapper="chatml-compact")
        talked(agent, ["//", "one", KeyboardInterrupt, "//", "two", "three", "//"])
        assert agent.state.turn == 1
        (said, _) = store.messages("ada")
    assert said.text == "two\nthree"
    assert "// ends the message" in capsys.readouterr().err


def test_the_tab_key_completes_commands_and_what_they_take(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        session = session_on(Agent.open(store, "ada", scripted([]), wrapper="chatml-compact"))
        assert completions(session, "/me") == ["/memory", "/memorywarning"]
        assert completions(session, "/undo h") == ["/undo human"]
        assert "/wrapper chatml-compact" in completions(session, "/wrapper chatml-c")
        assert completions(session, "/help mem") == ["/help memory", "/help memorywarning"]
        assert not completions(session, "hello")
        assert not completions(session, "/exit x")


def test_the_documentation_has_the_table_of_commands() -> None:
    page = (ROOT / "docs" / "chat.md").read_text("utf-8")
    assert f"\n\n{table()}\n\n" in page.replace("two -->\n", "two -->\n\n")
    assert len(page.splitlines()) <= 90


def test_a_path_without_a_file_is_not_taken_for_instructions(tmp_path: Path) -> None:
    missing = tmp_path / "none.txt"
    result = chat_with(tmp_path, [], stdin=f"/systemswap {missing}\n")
    assert f"error: there is no file '{missing}'\n" in result.stderr.replace("\n  ", " ")


def test_memory_counts_notes_without_the_sources(tmp_path: Path) -> None:
    with Store(home()) as store, Archive(store) as archive:
        store.create(new_state("default", COMPACT))
        archive.add(archive.create_source("papers"), [Draft("Bees sleep.")])
        archive.attach("default", "papers")
    result = chat_with(tmp_path, [], stdin="/memory\n")
    assert "[stored] 0 messages, 0 notes" in result.stderr
