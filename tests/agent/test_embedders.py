"""What makes vectors: servers with embeddings, a GGUF in this process, hashed words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bridle.agent.archival import Draft, Embedder
from bridle.agent.archival.embedders import BATCH, open_embedder
from bridle.agent.archival.hashing import HashingEmbedder
from bridle.agent.archival.indexes import open_archive
from bridle.agent.store import Store
from bridle.endpoints.config_values import ArchivalConfig, Config, EmbeddingConfig, EndpointConfig
from bridle.errors import ConfigError, EmbedderUnavailable, ModelFileError
from project import run_python
from servers.fake import Response, Seen, Server, json_response, unused_url
from servers.fake_ollama import FakeModel, FakeOllama
from tiny_bert import write_tiny_bert
from tiny_gguf import write_tiny_llama


class Embedding(Server):
    """A server with OpenAI's routes whose model takes `window` characters. It remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.window = 1000
        self.dimensions = 3
        self.given: list[list[str]] = []
        self.routes |= {
            "POST /v1/embeddings": self._embed,
            "GET /v1/models": lambda _: json_response({"object": "list", "data": [{"id": "m"}]}),
        }

    def _embed(self, seen: Seen) -> Response:
        texts: list[str] = seen.body["input"]
        if longest := max((len(text) for text in texts if len(text) > self.window), default=0):
            limit = f"This model's maximum context length is {self.window} tokens"
            said = f"{limit}, however you requested {longest}"
            return json_response({"error": {"message": said, "type": "invalid_request_error"}}, 400)
        self.given.append(texts)
        found: list[dict[str, Any]] = [
            {"index": at, "embedding": self.vector(text)} for at, text in enumerate(texts)
        ]
        return json_response({"model": "served-model", "data": found[::-1]})

    def vector(self, text: str) -> list[float]:
        """Counts of letters: the same for the same text, and of any length."""
        return [float(text.count(letter)) + 0.1 for letter in "abcdef"[: self.dimensions]]


@pytest.fixture
def served() -> Iterator[Embedding]:
    one = Embedding()
    yield one
    one.close()


def configured(spec: str, model: str = "", **more: Any) -> Config:
    return Config(Path("config.toml"), embedding=EmbeddingConfig(spec, model), **more)


def opened(spec: str, model: str = "", **more: Any) -> Embedder:
    found = open_embedder(configured(spec, model, **more))
    assert found is not None
    return found


def expected(served: Embedding, texts: Sequence[str]) -> Any:
    rows = np.array([served.vector(text) for text in texts], np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_a_server_embeds_in_batches_and_rows_have_length_1(served: Embedding) -> None:
    texts = [f"a{'b' * (at % 7)}c" for at in range(BATCH + 5)]
    with closing(opened(f"openai:embed-1@{served.url}/v1")) as embedder:
        assert served.given == []
        assert embedder.fingerprint == "openai embed-1 3 unit"
        rows = embedder.passages(texts)
        assert rows.dtype == np.float32
        assert np.allclose(rows, expected(served, texts), atol=1e-6)
        assert np.allclose(embedder.query("abba"), expected(served, ["abba"])[0], atol=1e-6)
        assert embedder.passages([]).shape == (0, 3)
    assert [len(batch) for batch in served.given] == [1, BATCH, 5, 1]


def test_the_configured_model_is_asked_for(served: Embedding) -> None:
    with closing(opened("mine", "other-model", endpoints={"mine": entry(served)})) as embedder:
        embedder.query("a")
    assert served.seen[-1].body["model"] == "other-model"


def entry(served: Embedding) -> EndpointConfig:
    return EndpointConfig("openai", f"{served.url}/v1", model="chat-model", embedding_model="saved-model")


def test_the_saved_embedding_model_is_asked_for(served: Embedding) -> None:
    with closing(opened("mine", endpoints={"mine": entry(served)})) as embedder:
        assert embedder.fingerprint == "openai saved-model 3 unit"
    assert served.seen[-1].body["model"] == "saved-model"


def test_a_model_that_was_not_named_is_the_one_that_answers(served: Embedding) -> None:
    with closing(opened(f"openai@{served.url}/v1")) as embedder:
        assert "served-model" in embedder.fingerprint or " m " in embedder.fingerprint


@pytest.mark.parametrize(
    ("model", "passage", "question"),
    [
        ("nomic-embed-text:v1.5", "search_document: ab", "search_query: ab"),
        ("intfloat/e5-small-v2", "passage: ab", "query: ab"),
        ("mxbai-embed-large", "ab", "Represent this sentence for searching relevant passages: ab"),
        ("all-minilm", "ab", "ab"),
    ],
)
def test_the_prefixes_that_a_model_was_trained_with_are_written(
    served: Embedding, model: str, passage: str, question: str
) -> None:
    with closing(opened(f"openai:{model}@{served.url}/v1")) as embedder:
        embedder.passages(["ab"])
        embedder.query("ab")
        assert served.given[-2:] == [[passage], [question]]
        assert passage.removesuffix("ab") in embedder.fingerprint
        assert question.removesuffix("ab") in embedder.fingerprint


def test_a_text_that_is_too_long_is_embedded_by_its_parts(served: Embedding) -> None:
    served.window = 40
    long = "aaaa bbbb " * 12
    with closing(opened(f"openai:m@{served.url}/v1")) as embedder:
        rows = embedder.passages(["abc", long, "c"])
        assert np.allclose(rows[[0, 2]], expected(served, ["abc", "c"]), atol=1e-6)
        assert np.linalg.norm(rows[1]) == pytest.approx(1.0, abs=1e-5)
        assert np.allclose(rows[1], expected(served, [long])[0], atol=0.02)
        assert rows.shape == (3, 3)
    assert max(len(text) for batch in served.given for text in batch) <= 40


def test_a_model_that_takes_nothing_ends_in_an_error(served: Embedding) -> None:
    served.window = 3
    with closing(opened(f"openai:m@{served.url}/v1")) as embedder:
        assert embedder.dimensions == 3
        with pytest.raises(EmbedderUnavailable, match="too long"):
            embedder.query("x" * 100)


def test_a_text_of_spaces_has_a_vector(served: Embedding) -> None:
    with closing(opened(f"openai:m@{served.url}/v1")) as embedder:
        assert embedder.passages([" \n"]).shape == (1, 3)
    assert served.given[-1] == ["-"]


def test_a_server_that_changes_its_dimensions_is_noticed(served: Embedding) -> None:
    with closing(opened(f"openai:m@{served.url}/v1")) as embedder:
        embedder.query("a")
        served.dimensions = 5
        with pytest.raises(EmbedderUnavailable, match="shape") as caught:
            embedder.query("a")
        assert "3" in caught.value.hint


def test_ollama_embeds_and_refuses_what_is_too_long() -> None:
    with closing(FakeOllama()) as server:
        server.models["nomic-embed-text:latest"] = FakeModel(
            "nomic-bert", trained=64, capabilities=("embedding",)
        )
        with closing(opened(f"ollama:nomic-embed-text@{server.url}")) as embedder:
            rows = embedder.passages(["a text", "word " * 40])
            assert embedder.fingerprint.startswith("ollama nomic-embed-text 3 'search_document: '")
        assert np.allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)
        asked = [seen.body for seen in server.seen if seen.path == "/api/embed"]
        assert all(body["truncate"] is False for body in asked)


def test_where_nothing_listens_words_are_searched_and_the_passages_wait(tmp_path: Path) -> None:
    config = configured(f"openai:m@{unused_url()}/v1")
    with Store(tmp_path) as store, open_archive(store, config) as archive:
        source = archive.create_source("s")
        archive.add(source, [Draft("a dog")])
        assert "openai m makes no vectors now" in archive.warning
        assert archive.search([source], "dog").total == 1
        assert (archive.status().waiting, archive.status().embedder) == (1, "")


def test_a_server_that_comes_back_gets_what_waits(tmp_path: Path, served: Embedding) -> None:
    answering = served.routes.pop("POST /v1/embeddings")
    config = configured(f"openai:m@{served.url}/v1")
    with Store(tmp_path) as store, open_archive(store, config) as archive:
        source = archive.create_source("s")
        archive.add(source, [Draft("a dog"), Draft("abc")])
        assert "makes no vectors now" in archive.warning
        served.routes["POST /v1/embeddings"] = answering
        assert (archive.pump(), archive.warning) == (2, "")
        results = archive.search([source], "dog")
        assert (results.total, results.warning) == (2, "")


def test_a_server_that_takes_long_to_fail_is_left_alone_for_a_while(
    served: Embedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(_seen: Seen) -> Response:
        served.hold(0.2)
        return json_response({"error": {"message": "no model is loaded"}}, 404)

    monkeypatch.setattr("bridle.agent.archival.embedders.SLOW_S", 0.1)
    monkeypatch.setattr("bridle.agent.archival.embedders.PAUSE", 1000.0)
    answering = served.routes["POST /v1/embeddings"]
    served.routes["POST /v1/embeddings"] = slow
    with closing(opened(f"openai:m@{served.url}/v1")) as embedder:
        for _ in range(3):
            with pytest.raises(EmbedderUnavailable, match="makes no vectors now"):
                embedder.query("a")
        assert [seen.path for seen in served.seen].count("/v1/embeddings") == 1
        served.routes["POST /v1/embeddings"] = answering
        monkeypatch.setattr("bridle.agent.archival.embedders.time.monotonic", lambda: 1e12)
        assert embedder.query("a").shape == (3,)


def test_offline_nothing_leaves_this_machine() -> None:
    config = configured("openai:m@https://example.com/v1")
    embedder = open_embedder(config, offline=True)
    assert embedder is not None
    with pytest.raises(EmbedderUnavailable, match=r"example\.com"):
        embedder.query("a")


def test_an_endpoint_without_embeddings_says_so() -> None:
    embedder = opened("embedded")
    with closing(embedder), pytest.raises(EmbedderUnavailable, match="makes no embeddings"):
        embedder.query("a")


@pytest.mark.parametrize("spec", ["olama:m", "hashing:0", "hashing:many", "hashing:100000"])
def test_what_means_no_embedder_is_refused_at_once(spec: str) -> None:
    with pytest.raises(ConfigError):
        open_embedder(configured(spec))


def test_hashed_words_can_have_other_dimensions() -> None:
    assert opened("hashing:1024").dimensions == 1024


def test_no_embedder_is_none() -> None:
    assert open_embedder(configured("")) is None


def test_a_backend_needs_an_address_where_it_is_a_server(tmp_path: Path) -> None:
    config = configured("hashing", archival=ArchivalConfig("postgres"))
    with Store(tmp_path) as store, pytest.raises(ConfigError, match="no uri"):
        open_archive(store, config)


@pytest.mark.parametrize("pooling", [None, 0, 1, 2, 3])
def test_an_encoder_in_a_file_embeds_in_this_process(tmp_path: Path, pooling: int | None) -> None:
    file = write_tiny_bert(tmp_path / "tiny.gguf", pooling=pooling)
    with closing(opened(str(file))) as embedder:
        assert embedder.fingerprint == "gguf tiny 32 unit"
        rows = embedder.passages(["the dog barks", "the cat sleeps", "the dog barks"])
        assert np.allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)
        assert np.allclose(rows[0], rows[2])
        assert not np.allclose(rows[0], rows[1], atol=0.01)
        assert np.allclose(embedder.query("the dog barks"), rows[0])
        long = embedder.passages(["the dog barks " * 40])
        assert np.linalg.norm(long[0]) == pytest.approx(1.0, abs=1e-5)


def test_a_generator_in_a_file_embeds_by_the_mean_of_its_tokens(tmp_path: Path) -> None:
    file = write_tiny_llama(tmp_path / "tiny.gguf", n_ctx=64)
    with closing(opened(f"llamacpp:{file}")) as embedder:
        rows = embedder.passages(["hello world", "the cat"])
        assert rows.shape == (2, 64)
        assert np.allclose(embedder.query("hello world"), rows[0], atol=1e-6)


@pytest.mark.parametrize("what", ["missing", "text", "reranker", "unknown"])
def test_a_file_that_is_no_embedding_model_is_told_when_it_is_needed(tmp_path: Path, what: str) -> None:
    file = tmp_path / "tiny.gguf"
    if what == "text":
        file.write_text("no model")
    if what == "unknown":
        write_tiny_bert(file, architecture="nonsense")
    if what == "reranker":
        write_tiny_bert(file, pooling=4)
    with closing(opened(str(file))) as embedder, pytest.raises(EmbedderUnavailable) as caught:
        embedder.query("a")
    assert isinstance(caught.value.__cause__, ModelFileError)


def test_hashed_words_are_the_same_in_every_process() -> None:
    program = (
        "from bridle.agent.archival.hashing import HashingEmbedder as H;"
        "print(H(16).query('Grüße, a dog').tolist())"
    )
    lines = {run_python("-c", program, env={"PYTHONHASHSEED": seed}).stdout for seed in ("1", "2")}
    assert lines == {f"{HashingEmbedder(16).query('Grüße, a dog').tolist()}\n"}


def test_hashed_words_know_parts_of_words_and_letters_of_either_case() -> None:
    rows = HashingEmbedder().passages(["Programming languages", "a programing language", "quite another"])
    assert float(rows[0] @ rows[1]) > 0.5
    assert float(rows[0] @ rows[2]) < 0.2
    assert np.allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)
    assert np.allclose(HashingEmbedder().passages(["?!"]), 0.0)
    assert HashingEmbedder().passages([]).shape == (0, 512)
