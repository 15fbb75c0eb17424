"""Embeddings are asked for in one way, and an endpoint without them says so."""

from __future__ import annotations

import pytest

from bridle.endpoints import connect, embed
from bridle.errors import InputError
from servers.kinds import make_fake


@pytest.mark.parametrize("kind", ["vllm", "ollama", "lmstudio"])
def test_each_text_gets_a_vector(kind: str) -> None:
    server = make_fake(kind)
    endpoint = connect(f"{kind}@{server.url}")
    found = embed(endpoint, ["one", "another"])
    endpoint.close()
    server.close()
    assert len(found.vectors) == 2
    assert len(set(map(len, found.vectors))) == 1


def test_an_endpoint_without_embeddings_says_so() -> None:
    endpoint = connect("embedded")
    with pytest.raises(InputError, match="embedded makes no embeddings") as caught:
        embed(endpoint, ["one"])
    assert "ollama" in caught.value.hint
    with pytest.raises(InputError, match="one text"):
        embed(endpoint, "one")
    endpoint.close()
