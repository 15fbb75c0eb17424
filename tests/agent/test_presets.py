"""Personas, humans and presets: shipped texts, a person's own ones, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridle.agent.presets import (
    PROFILE_NAMES,
    TOOLS,
    human_text,
    humans,
    load_preset,
    persona_text,
    personas,
    presets,
)
from bridle.agent.prompt import COMPACT
from bridle.errors import InputError
from cli_runs import saved


def names(shelf: tuple[object, ...]) -> list[str]:
    return [str(getattr(one, "name", "")) for one in shelf]


def test_the_shipped_names_are_those_that_people_know(tmp_path: Path) -> None:
    assert {"sam_pov", "sam", "memgpt_doc", "memgpt_starter", "anna_pa", "basic"} <= set(
        names(personas(tmp_path))
    )
    assert names(humans(tmp_path)) == ["basic", "cs_phd"]
    assert {"memgpt_chat", "memgpt_docs", "memgpt_extras"} <= set(names(presets(tmp_path)))
    assert not any(one.own for one in (*personas(tmp_path), *humans(tmp_path), *presets(tmp_path)))


def test_every_shipped_text_fits_the_smallest_profile(tmp_path: Path) -> None:
    for shelf, read in ((personas, persona_text), (humans, human_text)):
        for one in shelf(tmp_path):
            text = read(one.name, tmp_path)
            assert 0 < len(text) <= COMPACT.block_chars, one
            assert text == text.strip()


def test_every_shipped_preset_can_be_loaded(tmp_path: Path) -> None:
    for one in presets(tmp_path):
        preset = load_preset(one.name, tmp_path)
        assert preset.name == one.name
        assert preset.description
        assert preset.persona
        assert preset.human
        assert preset.profile in PROFILE_NAMES


def test_the_files_are_switched_on_by_the_extras_alone(tmp_path: Path) -> None:
    on = {one.name: load_preset(one.name, tmp_path).tools for one in presets(tmp_path)}
    assert on["memgpt_extras"] == ("files",)
    assert {name for name, tools in on.items() if tools} == {"memgpt_extras"}


def test_an_own_file_wins_over_a_shipped_one_of_its_name(tmp_path: Path) -> None:
    saved(tmp_path / "personas" / "sam.txt", "My name is Samira.\r\nI sing.\n")
    saved(tmp_path / "humans" / "ada.txt", "\ufeffName: Ada")
    assert persona_text("sam", tmp_path) == "My name is Samira.\nI sing."
    assert human_text("ada", tmp_path) == "Name: Ada"
    assert [one.own for one in personas(tmp_path) if one.name == "sam"] == [True]
    assert names(humans(tmp_path)) == ["ada", "basic", "cs_phd"]


def test_a_path_is_read_where_it_lies(tmp_path: Path) -> None:
    file = saved(tmp_path / "else where" / "me.txt", "I am me.")
    assert persona_text(file, tmp_path) == "I am me."


def test_a_name_may_have_its_suffix(tmp_path: Path) -> None:
    assert persona_text("basic.txt", tmp_path) == persona_text("basic", tmp_path)


def test_an_unknown_name_is_told_what_there_is_and_what_is_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        persona_text("sam_pow", tmp_path)
    assert caught.value.message == "there is no persona 'sam_pow'"
    assert "did you mean sam_pov? known: anna_pa, basic, " in caught.value.hint
    assert str(tmp_path / "personas") in caught.value.hint
    with pytest.raises(InputError, match="there is no human 'x'"):
        human_text("x", tmp_path)
    with pytest.raises(InputError, match="there is no preset 'x'"):
        load_preset("x", tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"\xff\xfe\x00", "is not UTF-8 text"), (b"x" * 1_000_001, "has more than 1,000,000 bytes")],
)
def test_what_is_no_short_text_is_refused(content: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "p.txt"
    file.write_bytes(content)
    with pytest.raises(InputError, match=says):
        persona_text(str(file), tmp_path)


def test_a_path_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        persona_text(str(tmp_path / "none.txt"), tmp_path)
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        persona_text(f"{tmp_path}/", tmp_path)
    with pytest.raises(InputError, match="null byte"):
        persona_text("/\0", tmp_path)


def test_an_own_preset_has_all_fields(tmp_path: Path) -> None:
    saved(tmp_path / "personas" / "t.txt", "I teach.")
    text = (
        'description = "d"\npersona = "t"\nhuman = "basic"\nprofile = "full"\ntools = ["http"]\nsystem = "S"'
    )
    saved(tmp_path / "presets" / "mine.toml", text)
    preset = load_preset("mine", tmp_path)
    assert (preset.description, preset.persona, preset.profile, preset.system) == (
        "d",
        "I teach.",
        "full",
        "S",
    )
    assert preset.tools == ("http",)
    assert set(preset.tools) <= set(TOOLS)


def test_a_preset_may_be_empty(tmp_path: Path) -> None:
    preset = load_preset(saved(tmp_path / "e.toml", ""), tmp_path)
    assert (preset.profile, preset.tools, preset.system) == ("auto", (), "")
    assert preset.persona == persona_text("basic", tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1", "'x' is no field of a preset"),
        ("persona = 1", "persona is 1"),
        ('persona = "nobody"', "there is no persona 'nobody'"),
        ('profile = "huge"', "profile has 'huge'"),
        ('tools = "files"', "tools is 'files'"),
        ('tools = ["rm"]', "tools has 'rm'"),
        ("x", "not valid TOML"),
    ],
)
def test_a_wrong_preset_is_told_what_is_wrong(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_preset(saved(tmp_path / "p.toml", text), tmp_path)
    assert says in caught.value.message
    assert caught.value.hint
