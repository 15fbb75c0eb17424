"""What a conversation is given: flags, MemGPT's ones among them, the first run, history, and the toolbar."""

from __future__ import annotations

import json
import random
import stat
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent_scripts import append, call, say, scripted, written
from bridle.agent import Agent, Store
from bridle.cli import chat, main, run
from bridle.cli.chat.first_run import choose_agent
from bridle.cli.chat.history import MOST, TypedHistory
from bridle.cli.chat.names import FIRST, SECOND, friendly_name
from bridle.cli.chat.options import ChatOptions, endpoint_of
from bridle.cli.chat.toolbar import Standing, bar, context_lines, toolbar
from bridle.endpoints.config import home
from bridle.errors import ConfigError, InputError
from bridle.messages import ToolCall
from chat_sessions import script_of, session_on
from servers.fake import ModelServer

ADA = append("Name: Ada")


def run_with(folder: Path, answers: list[ToolCall], *args: str, stdin: str = "") -> Result:
    given = [
        "--endpoint",
        script_of(folder, answers),
        "--wrapper",
        "chatml-compact",
        "--profile",
        "full",
        *args,
    ]
    return CliRunner().invoke(run.command, given, input=stdin)


def test_a_new_agent_of_run_has_a_friendly_name_and_speaks_first(tmp_path: Path) -> None:
    result = run_with(tmp_path, [say("Greetings!"), say("Fine.")], stdin="how are you?\n")
    assert (result.exit_code, result.stdout) == (0, "Greetings!\nFine.\n")
    lines = result.stderr.splitlines()
    assert lines[:3] == [
        "A new agent is made.",
        "-> persona: that of the profile full",
        "-> human: that of the profile full",
    ]
    with Store(home()) as store:
        (info,) = store.agents()
    assert lines[3] == f"Agent {info.name} (new), kept in {home() / 'bridle.db'}"
    assert any(info.name == one + two for one in FIRST for two in SECOND)


def test_with_first_the_user_speaks_first_and_a_known_agent_does_not_begin(tmp_path: Path) -> None:
    result = run_with(tmp_path, [say("Fine.")], "--first", "--agent", "ada", stdin="how are you?\n")
    assert result.stdout == "Fine.\n"
    result = run_with(tmp_path, [say("Again.")], "--agent", "ada", stdin="and now?\n")
    assert result.stdout == "Again.\n"
    assert "A new agent" not in result.stderr


def test_the_first_message_is_one_json_object_too(tmp_path: Path) -> None:
    result = run_with(tmp_path, [say("Greetings!")], "--json")
    (turn,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert (turn["user"], turn["reply"]) == ("", "Greetings!")


@pytest.mark.parametrize(("flags", "replies"), [([], 1), (["--no-verify"], 2)])
def test_no_verify_lets_the_agent_begin_with_any_function(
    tmp_path: Path, flags: list[str], replies: int
) -> None:
    server = ModelServer("webui")
    try:
        server.text = written(say("Greetings!"))
        given = ["--endpoint", f"webui@{server.url}", "--wrapper", "chatml-compact"]
        given += ["--profile", "full", *flags]
        result = CliRunner().invoke(run.command, given)
    finally:
        server.close()
    assert result.stdout == "Greetings!\n"
    assert ("archival_memory_search" in server.asked["grammar_string"]) == (replies == 2)


def test_the_texts_of_a_preset_a_persona_and_a_file_become_the_agent(tmp_path: Path) -> None:
    system = tmp_path / "system.txt"
    system.write_text("You are brief.\n", "utf-8")
    result = run_with(
        tmp_path,
        [say("Yes.")],
        *("--agent", "doc", "--preset", "memgpt_docs", "--human", "I am Ada.", "--system", str(system)),
        *("--core-memory-limit", "3000", "--profile", "full", "--first"),
        stdin="hi\n",
    )
    assert result.exit_code == 0, result.stderr
    assert "-> persona: that of the preset memgpt_docs\n-> human: I am Ada.\n" in result.stderr
    with Store(home()) as store:
        state = store.load("doc")
    assert state is not None
    assert state.system == "You are brief."
    assert state.core.block("human").lines == ("I am Ada.",)
    assert "documents" in state.core.block("persona").value
    assert {block.limit for block in state.core.blocks} == {3000}
    again = run_with(tmp_path, [say("Yes.")], "--agent", "doc", "--persona", "sam_pov", stdin="hi\n")
    assert "doc was made before and keeps what it is: --persona is for new agents" in again.stderr


def test_limits_end_a_turn(tmp_path: Path) -> None:
    searches = [call("archival_memory_search", query=f"q{n}", request_heartbeat=True) for n in range(5)]
    said = CliRunner().invoke(
        chat.command,
        [
            *("--endpoint", script_of(tmp_path, [searches[0], say("I found nothing.")])),
            *("--wrapper", "chatml-compact", "--max-steps", "2", "--json"),
        ],
        input="search\n",
    )
    assert json.loads(said.stdout)["reply"] == "I found nothing."
    assert len(json.loads(said.stdout)["steps"]) == 2


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--persona", "nobody"], "nobody"),
        (["--preset", "nothing"], "nothing"),
        (["--system", "/nowhere.txt"], "'/nowhere.txt' does not exist"),
        (["--profile", "huge"], "'huge' is not one of"),
        (["--max-seconds", "0"], "0"),
        (["--heartbeat", "-1"], "-1"),
        (["--context-window", "255"], "255 is not in the range x>=256"),
        (["--model-endpoint-type", "webui"], "--endpoint and --model-endpoint were both given"),
    ],
)
def test_a_wrong_flag_is_named_and_no_agent_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], args: list[str], text: str
) -> None:
    assert main(["run", "--endpoint", script_of(tmp_path, []), *args]) == 2
    err = capsys.readouterr().err
    assert text in err
    assert "Traceback" not in err
    if (home() / "bridle.db").exists():
        with Store(home()) as store:
            assert store.agents() == ()


def test_the_flags_of_memgpt_name_an_endpoint() -> None:
    entry = endpoint_of(ChatOptions(model_endpoint_type="koboldcpp", model_endpoint="http://127.0.0.1:5001"))
    assert not isinstance(entry, str | None)
    assert (entry.kind, entry.url) == ("koboldcpp", "http://127.0.0.1:5001")
    assert endpoint_of(ChatOptions(endpoint="embedded")) == "embedded"
    with pytest.raises(ConfigError, match="'kobold' is not spoken here"):
        endpoint_of(ChatOptions(model_endpoint_type="kobold"))


def test_debug_says_after_each_turn_how_it_was_held(tmp_path: Path) -> None:
    result = run_with(tmp_path, [ADA, say("Hello.")], "--first", "--debug", stdin="I am Ada\n")
    assert "1. core_memory_append: held as off" in result.stderr
    assert "2. send_message: held as off" in result.stderr


def test_tools_are_switched_on_by_flags_and_listed(tmp_path: Path) -> None:
    args = ["--first", "--files", str(tmp_path), "--allow-host", "example.org"]
    result = run_with(tmp_path, [], *args, stdin="/tools\n")
    for name in ("read_from_text_file(", "append_to_text_file(", "http_request("):
        assert name in result.stderr
    preset = home() / "presets" / "mine.toml"
    preset.parent.mkdir(parents=True)
    preset.write_text('tools = ["files", "http"]\n', "utf-8")
    without = run_with(tmp_path, [], "--first", "--preset", "mine", stdin="/tools\n")
    assert "read_from_text_file(" in without.stderr
    assert "http_request stays off: --allow-host HOST" in without.stderr
    assert "http_request(" not in without.stderr


def test_an_agent_is_chosen_only_by_somebody_who_can_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path) as store:
        assert choose_agent(store, ChatOptions(agent="ada"), asks=True) == "ada"
        for name in ("ada", "bob"):
            Agent.open(store, name, scripted([]), wrapper="chatml-compact")
        asked: list[str] = []
        answers = iter(["y", "2", "n"])

        def answer(text: str, *args: object, **options: object) -> str:
            asked.append(text)
            return next(answers)

        monkeypatch.setattr("click.prompt", answer)
        assert choose_agent(store, ChatOptions(), asks=True) == "ada"
        assert choose_agent(store, ChatOptions(), asks=True) not in ("ada", "bob")
        assert len(asked) == 3
        for options, asks in ((ChatOptions(yes=True), True), (ChatOptions(), False)):
            assert choose_agent(store, options, asks=asks) not in ("ada", "bob")
    assert len(asked) == 3


def test_a_name_is_not_given_twice() -> None:
    taken = {one + two for one in FIRST for two in SECOND if (one, two) != ("Calm", "Otter")}
    for seed in range(5):
        name = friendly_name(taken, chance=random.Random(seed))
        assert name not in taken
        assert name.isalnum()


def test_history_is_private_bounded_and_never_in_the_way(tmp_path: Path) -> None:
    file = tmp_path / "chat_history"
    history = TypedHistory(file)
    for text in ("one", "one", "two\nlines", "  ", "three"):
        history.add(text)
    assert TypedHistory(file).entries == ["one", "two\nlines", "three"]
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("not json\n7\n" + '"x"\n"y"\n' * MOST, "utf-8")
    assert len(TypedHistory(file).entries) == MOST
    assert len(file.read_text("utf-8").splitlines()) == MOST
    lost = TypedHistory(tmp_path / "no" / "folder")
    lost.add("kept in this process")
    assert lost.entries == ["kept in this process"]


def test_the_toolbar_leaves_out_what_has_no_room() -> None:
    standing = Standing("ada", "big\x1b[2J", "chatml", 500, 1000, 12.6)
    whole = toolbar(standing, 100)
    assert whole == "ada | big\\x1b[2J | chatml | ██████······ 500 of 1,000 | 13 tokens/s"
    for columns in range(3, 100):
        assert len(toolbar(standing, columns)) <= columns
        assert toolbar(standing, columns).startswith("ada")


def test_a_token_map_adds_up_and_is_ascii_where_it_must_be(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [("instructions", 100), ("summary", 0), ("memory", 100), ("free", 200)]
    assert bar([100, 100], 400, 8) == "██▓▓····"
    assert bar([300, 300], 400, 4) == "███▓"
    lines = context_lines(parts, 400, 80)
    assert [line.split() for line in lines[1:]] == [
        ["█", "instructions", "100", "25%"],
        ["▓", "memory", "100", "25%"],
        ["free", "200", "50%"],
    ]
    assert context_lines(parts[:1], None, 80)[1].split() == ["█", "instructions", "100", "100%"]
    monkeypatch.setattr(sys, "stderr", type("Ascii", (), {"encoding": "ascii"})())
    assert context_lines(parts, 400, 22)[0] == "#####=====.........."


def test_the_toolbar_of_a_session_has_the_context_and_no_number_that_is_not_known(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        agent = Agent.open(store, "ada", scripted([say("Hi.")], window=4096), wrapper="chatml-compact")
        session = session_on(agent)
        assert session.toolbar(100) == "ada | scripted | chatml-compact"
        session.say("hello")
        assert " of 4,096 | " in session.toolbar(100)
        assert session.toolbar(100).endswith(" tokens/s")


def test_a_wrong_choice_of_endpoint_is_an_input_error() -> None:
    with pytest.raises(InputError, match="both given"):
        endpoint_of(ChatOptions(endpoint="embedded", model_endpoint="http://127.0.0.1:1"))
