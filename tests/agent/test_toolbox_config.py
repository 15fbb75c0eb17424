"""Tools by the config file, and `bridle tools`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from bridle.agent.functions import FUNCTIONS
from bridle.agent.toolbox import open_tools, run_tool_limited
from bridle.cli import main
from bridle.endpoints.config import ToolsConfig, home, load_config, save_config
from bridle.errors import BridleError, ConfigError, InputError
from bridle.messages import JSON

SERVER = str(Path(__file__).parent.parent / "servers" / "mcp_server.py")
TOOLS = '''
from __future__ import annotations
from dataclasses import dataclass
from bridle.agent.toolbox import tool_from_schema

@dataclass
class Place:
    city: str

def weather(place: Place, tags: set[str] = frozenset()) -> str:
    """Tell the weather.

    Args:
        place: Where.
    """
    return f"fine in {place.city}"

made = tool_from_schema({"name": "made"}, lambda: "by hand")
unsaid = lambda x: x
'''


def configured(text: str) -> Path:
    file = home() / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"schema = 1\n{text}", "utf-8")
    return file


def written(name: str = "my_tools.py", text: str = TOOLS) -> str:
    home().mkdir(parents=True, exist_ok=True)
    (home() / name).write_text(text, "utf-8")
    return name


def test_the_table_of_tools_is_read_and_written_again() -> None:
    file = configured(
        '[tools]\nfiles_folder = "~/n"\nhttp_hosts = ["a.org", "*.b.org:80"]\n'
        'python = ["m:f"]\n[tools.mcp]\none = "run \\"a b\\" \\\\n"\n"t.w-o" = "http://127.0.0.1:1/mcp"\n'
    )
    config = load_config()
    servers = (("one", 'run "a b" \\n'), ("t.w-o", "http://127.0.0.1:1/mcp"))
    assert config.tools == ToolsConfig("~/n", ("a.org", "*.b.org:80"), ("m:f",), servers)
    save_config(config)
    assert load_config(file) == config


@pytest.mark.parametrize(
    "line",
    [
        'http_hosts = "a.org"',
        "http_hosts = [1]",
        "python = {}",
        'mcp = "run"',
        "mcp = { a = 1 }",
        'mcp = { "a b" = "run" }',
        'files = "x"',
        "files_folder = 1",
    ],
)
def test_a_table_of_tools_that_is_wrong_is_told_with_its_value(line: str) -> None:
    configured(f"[tools]\n{line}\n")
    with pytest.raises(ConfigError, match=r"\[tools\]") as raised:
        load_config()
    assert raised.value.hint


def test_config_show_has_the_tools_and_no_passwords(capsys: pytest.CaptureFixture[str]) -> None:
    configured('[tools]\nhttp_hosts = ["a.org", "b.org"]\nmcp = { far = "https://me:secret@x.org/mcp" }\n')
    assert main(["config", "show"]) == 0
    shown = capsys.readouterr().out
    assert "tools.http_hosts = a.org, b.org\n" in shown
    assert "tools.mcp = far = https://me:***@x.org/mcp\n" in shown
    assert "tools.files_folder = not set\n" in shown


def test_without_a_table_there_are_no_tools_and_nothing_is_imported() -> None:
    for name in ("bridle.agent.toolbox.mcp", "bridle.agent.toolbox.web"):
        sys.modules.pop(name, None)
    with open_tools(load_config()) as tools:
        assert tools == ()
    assert "bridle.agent.toolbox.web" not in sys.modules


def test_all_kinds_are_opened_together(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("a note", "utf-8")
    name = written()
    server = f"'{sys.executable}' '{SERVER}' stdio"
    configured(
        f"[tools]\nfiles_folder = {json.dumps(str(tmp_path))}\nhttp_hosts = ['127.0.0.1:9']\n"
        f"python = ['{name}:weather', '{name}:made']\nmcp = {{ small = {json.dumps(server)} }}\n"
    )
    with open_tools(load_config(), offline=True) as tools:
        named = {tool.name: tool for tool in tools}
        assert list(named)[:5] == [
            "weather",
            "made",
            "read_from_text_file",
            "append_to_text_file",
            "http_request",
        ]
        assert run_tool_limited(named["weather"], {"place": {"city": "Oslo"}}) == "fine in Oslo"
        assert run_tool_limited(named["made"], {}) == "by hand"
        assert run_tool_limited(named["read_from_text_file"], {"filename": "notes.txt"}).endswith("a note")
        assert run_tool_limited(named["add"], {"first": 1}) == "2"
        assert named["weather"].source == "my_tools.py:weather"


def test_a_module_that_is_installed_is_named_with_dots() -> None:
    configured('[tools]\npython = ["os.path:basename"]\n')
    with (
        pytest.raises(BridleError, match="the parameter 'p' of basename: it has no type"),
        open_tools(load_config()),
    ):
        pass


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("weather", "names 'weather'"),
        (":weather", "names ':weather'"),
        ("none.py:weather", "fails to load"),
        ("no_such_module:f", "fails to load"),
        ("broken.py:f", "fails to load: ZeroDivisionError"),
        ("my_tools.py:none", "there is no 'none' in my_tools.py"),
        ("my_tools.py:unsaid", "a tool has the name '<lambda>'"),
        ("my_tools.py:__doc__", "there is no '__doc__'"),
        ("my_tools.py:TOOLS", "there is no 'TOOLS'"),
    ],
)
def test_a_function_that_is_not_there_is_told(named: str, said: str) -> None:
    written()
    written("broken.py", "1 / 0")
    configured(f"[tools]\npython = ['{named}']\n")
    with pytest.raises(InputError, match=said) as raised, open_tools(load_config()):
        pass
    assert raised.value.hint


def test_a_name_that_memory_has_is_refused() -> None:
    written("mine.py", "def send_message(message: str) -> str: return message")
    configured("[tools]\npython = ['mine.py:send_message']\n")
    said = r"'send_message' of mine\.py:send_message is taken by a memory function"
    with pytest.raises(InputError, match=said), open_tools(load_config()):
        pass


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, JSON]]:
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {one["name"]: one for one in found}


def test_tools_lists_what_an_agent_can_call(capsys: pytest.CaptureFixture[str]) -> None:
    written()
    configured("[tools]\npython = ['my_tools.py:weather']\n")
    assert main(["tools", "--json"]) == 0
    found = listed(capsys)
    assert list(found) == [*(spec.name for spec in FUNCTIONS), "weather"]
    assert (found["send_message"]["source"], found["weather"]["source"]) == ("memory", "my_tools.py:weather")
    assert found["weather"]["exact"] is True
    assert main(["tools"]) == 0
    out, err = capsys.readouterr()
    assert "weather(place, tags?)  my_tools.py:weather  Tell the weather.\n" in out
    assert err == ""
    configured("")
    assert main(["tools"]) == 0
    assert "no other ones" in capsys.readouterr().err


def test_tools_looks_at_an_mcp_server_before_it_is_configured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tools", "--json", "--mcp", f"'{sys.executable}' '{SERVER}' stdio", "--offline"]) == 0
    assert listed(capsys)["add"]["source"] == "MCP server mcp"
    assert main(["tools", "--mcp", "no-such-program"]) == 3
    assert "cannot be started" in capsys.readouterr().err
    assert main(["tools", "--mcp", "https://example.org/mcp", "--offline"]) == 2
    assert "not this machine, and this runs offline" in capsys.readouterr().err


def test_looking_makes_no_file() -> None:
    assert main(["tools"]) == 0
    assert not home().exists()
