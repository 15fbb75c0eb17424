"""What an agent remembers as a text: written, edited, read again, and put back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridle.agent.archival.archive import Archive
from bridle.agent.exporting.memory_copy import Changes, copy_memory, put_memory
from bridle.agent.exporting.memory_text import (
    MemoryBlock,
    MemoryCopy,
    MemoryNote,
    read_memory,
    write_json,
    write_text,
)
from bridle.agent.prompt import FULL
from bridle.agent.state import new_state
from bridle.agent.store import Store
from bridle.errors import InputError

TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.text("#\\ \n\ra")
NAME = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1)
COPY = st.builds(
    MemoryCopy,
    NAME,
    st.lists(st.builds(MemoryBlock, NAME, TEXT, st.integers(1, 10**18 - 1)), max_size=3).map(tuple),
    st.lists(st.builds(MemoryNote, TEXT, st.integers(-(2**63), 2**63 - 1)), max_size=3).map(tuple),
)
MINE = MemoryCopy(
    "ada",
    (MemoryBlock("persona", "I am Sam.", 2000), MemoryBlock("bees", "## not a heading\n\\x", 50)),
    (MemoryNote("Ada keeps bees.", 1_795_161_900_000_000_000),),
)


@given(COPY)
def test_both_forms_are_read_as_they_were_written(memory: MemoryCopy) -> None:
    assert read_memory(write_text(memory), "f") == memory
    assert read_memory(write_json(memory), "f") == memory


def test_the_text_is_what_a_person_would_write() -> None:
    assert write_text(MINE).splitlines() == [
        "# memory of ada",
        "",
        "## block persona (at most 2000 characters)",
        "",
        "I am Sam.",
        "",
        "## block bees (at most 50 characters)",
        "",
        "\\## not a heading",
        "\\\\x",
        "",
        "## note 2026-11-20T08:05:00Z",
        "",
        "Ada keeps bees.",
    ]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_what_an_editor_does_to_blank_lines_does_not_matter(ending: str) -> None:
    lines = ["# memory of ada", "## block b (at most 9 characters)", "x", "## note 2026-11-20", "", "n"]
    assert read_memory(ending.join(lines), "f") == MemoryCopy(
        "ada", (MemoryBlock("b", "x", 9),), (MemoryNote("n", 1_795_132_800_000_000_000),)
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "f does not begin with `# memory of NAME`"),
        ("# memory of a\nstray", "f has 'stray' before the first"),
        ("# memory of a\n\n## blok b", "f, line 3: '## blok b' is neither a block nor a note"),
        ("# memory of a\n## note soon\n\nx", "f, line 2: 'soon' is not a time"),
        ("# memory of a\n## note 1e3ns\n\nx", "f, line 2: '1e3ns' is not a time"),
        ('{"format": "x"}', 'format is "x", not "bridle-memory"'),
        ('{"format": "bridle-memory", "version": 2}', "f has version 2"),
        ('{"format": "bridle-memory", "version": 1}', "agent is missing"),
    ],
)
def test_another_file_is_told_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        read_memory(text, "f")
    assert says in caught.value.message
    assert caught.value.hint


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    store.create(new_state("ada", FULL))
    return store


def test_memory_is_put_in_and_can_be_undone(store: Store) -> None:
    with store, Archive(store) as archive:
        assert put_memory(store, archive, "ada", MINE) == Changes(("persona",), ("bees",), 1)
        assert put_memory(store, archive, "ada", MINE) == Changes((), (), 0)
        copied = copy_memory(store, archive, "ada")
        assert [block.label for block in copied.blocks] == ["persona", "human", "bees"]
        assert copied.notes == MINE.notes
        assert archive.search_for("ada", "bees").total == 1
        assert store.undo("ada", "persona").by == "import"


def test_a_longer_limit_comes_with_a_longer_text(store: Store) -> None:
    long = MemoryCopy("ada", (MemoryBlock("human", "x" * 3000, 4000),))
    with store, Archive(store) as archive:
        put_memory(store, archive, "ada", long)
        assert copy_memory(store, archive, "ada").blocks[1] == long.blocks[0]


@pytest.mark.parametrize(
    ("memory", "says"),
    [
        (MemoryCopy("a", (MemoryBlock("persona", "new", 9), MemoryBlock("b", "xx", 1))), "has 2 characters"),
        (MemoryCopy("a", (MemoryBlock("persona", "new", 9),), (MemoryNote(" ", 1),)), "the note number 1"),
    ],
)
def test_what_cannot_be_put_in_changes_nothing(store: Store, memory: MemoryCopy, says: str) -> None:
    with store, Archive(store) as archive:
        before = copy_memory(store, archive, "ada")
        with pytest.raises(InputError, match=says):
            put_memory(store, archive, "ada", memory)
        assert copy_memory(store, archive, "ada") == before
        with pytest.raises(InputError, match="there is no agent 'bob'"):
            put_memory(store, archive, "bob", memory)
