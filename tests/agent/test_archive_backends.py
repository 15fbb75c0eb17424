"""A whole archive on each kind of index: text and vectors stay in step through it all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from archives import Moody, drafts
from bridle.agent.archival.archive import Archive
from bridle.agent.archival.kept import Space
from bridle.agent.store import Store
from vector_indexes import KINDS

Opens = Callable[[int], Archive]


@pytest.fixture(params=[kind for kind in KINDS if kind != "sqlite"])
def opens(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opens]:
    """Open an archive whose vectors have so many dimensions; one at a time."""
    kind = KINDS[request.param]
    if reason := kind.missing():
        pytest.skip(reason)
    opened: list[Archive] = []
    with Store(tmp_path) as store:

        def opening(dimensions: int) -> Archive:
            while opened:
                opened.pop().close()
            opened.append(
                Archive(
                    store,
                    embedder=Moody(dimensions),
                    index=lambda _, space: kind.open(tmp_path, _short(space), space.dimensions),
                )
            )
            return opened[-1]

        yield opening
        for archive in opened:
            archive.close()


def _short(space: Space) -> str:
    return f"s_{space.name[-12:]}"


def test_passages_come_go_and_move_to_another_embedder(opens: Opens) -> None:
    archive = opens(64)
    source, other = archive.create_source("s"), archive.create_source("t")
    stored = archive.add(source, drafts(40))
    archive.add(other, drafts(40, first=100))
    assert (archive.warning, archive.status().vectors, archive.status().waiting) == ("", 80, 0)
    results = archive.search([source], "number7", size=100)
    assert (results.total, len(results.found), results.warning) == (40, 40, "")
    assert results.found[0].passage.text == "passage number7 of a book"
    archive.delete(stored[:10])
    assert (archive.status().vectors, archive.search([source], "numbr7").total) == (70, 30)

    archive = opens(32)
    assert "bridle memory reembed" in archive.search([source], "number20").warning
    assert archive.reembed() == 70
    assert (archive.status().vectors, archive.status().warning) == (70, "")
    assert archive.search([source], "numbr20").total == 30
    assert archive.reindex() == 0
    assert archive.search([other], "number7", where={"since": "2001-01-01"}).total == 40

    assert "bridle memory reembed" in opens(64).search([source], "number20").warning
