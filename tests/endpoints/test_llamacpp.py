"""A model in this process: loading, answering, streaming, stopping and refusing."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridle.endpoints.base import Endpoint, Request, Sampling
from bridle.endpoints.llamacpp import LlamaCpp
from bridle.endpoints.llamacpp import endpoint as endpoint_module
from bridle.endpoints.llamacpp import native as native_module
from bridle.errors import (
    ConfigError,
    ContextOverflow,
    EndpointError,
    InputError,
    ModelFileError,
    RequestRefused,
)
from bridle.messages import Message
from bridle.wrappers import Segment
from project import run_python
from tiny_gguf import write_tiny_llama

WARM = Sampling(temperature=1.5, seed=5)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(
        tmp_path_factory.mktemp("model") / "tiny.gguf", n_ctx=512, chat_template="{{ x }}"
    )


@pytest.fixture(scope="module")
def endpoint(tiny: Path) -> Iterator[LlamaCpp]:
    with LlamaCpp(tiny) as found:
        yield found


def always(answer: object) -> Callable[..., object]:
    """Return a stand-in for a function of llama.cpp."""

    def stand_in(*_: object) -> object:
        return answer

    return stand_in


def prompt(*texts: str) -> tuple[Segment, ...]:
    """Build a chatml prompt of user turns."""
    turns = [
        segment
        for text in texts
        for segment in (
            Segment("<|im_start|>user\n", control=True),
            Segment(text),
            Segment("<|im_end|>\n", control=True),
        )
    ]
    return (*turns, Segment("<|im_start|>assistant\n", control=True))


def ask(
    *texts: str, max_tokens: int | None = 40, sampling: Sampling = WARM, stop: tuple[str, ...] = ()
) -> Request:
    return Request(prompt=prompt(*texts), max_tokens=max_tokens, sampling=sampling, stop=stop)


def test_it_is_an_endpoint_that_knows_its_model(endpoint: LlamaCpp, tiny: Path) -> None:
    found: Endpoint = endpoint
    assert found.name == f"llamacpp:{tiny}"
    assert (found.model, found.context_tokens, found.chat_template) == ("tiny random llama 0", 512, "{{ x }}")
    assert endpoint.metadata["llama.block_count"] == 2
    supports = found.supports
    assert (supports.prompt, supports.grammar, supports.proven, supports.tokenize) == (True, True, True, True)
    assert (supports.chat, supports.json_schema) == (False, False)


def test_a_small_model_loads_at_once(tiny: Path) -> None:
    began = time.perf_counter()
    LlamaCpp(tiny).close()
    assert time.perf_counter() - began < 0.2


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(temperature=1.2, seed=3),
        Sampling(temperature=1, top_k=20, top_p=0.9, min_p=0.01, repeat_penalty=1.2, seed=4),
    ],
)
def test_the_same_seed_gives_the_same_text(tiny: Path, endpoint: LlamaCpp, sampling: Sampling) -> None:
    request = ask("Hello", max_tokens=60, sampling=sampling)
    first = endpoint.complete(request)
    endpoint.complete(ask("something else"))
    with LlamaCpp(tiny) as other:
        assert other.complete(request).text == endpoint.complete(request).text == first.text
    assert first.usage.completion_tokens == first.usage.sampled_tokens > 0


def test_without_a_seed_texts_differ(endpoint: LlamaCpp) -> None:
    request = ask("Hello", sampling=Sampling(temperature=2))
    assert len({endpoint.complete(request).text for _ in range(4)}) > 1


def test_a_prompt_that_goes_on_is_evaluated_from_where_it_differs(tiny: Path, endpoint: LlamaCpp) -> None:
    first = endpoint.complete(ask("one", "two", sampling=Sampling()))
    longer = ask("one", "two", "three", sampling=Sampling())
    again = endpoint.complete(longer)
    shared = endpoint.count_tokens(Request(prompt=prompt("one", "two")[:-1]))
    assert again.usage.cached_tokens >= shared > first.usage.cached_tokens
    assert again.usage.prompt_tokens == endpoint.count_tokens(longer)
    with LlamaCpp(tiny) as fresh:
        alone = fresh.complete(longer)
    assert alone.usage.cached_tokens == 0
    assert again.text == alone.text


def test_an_answer_in_the_next_prompt_is_not_evaluated_again(endpoint: LlamaCpp) -> None:
    for seed in range(20):
        request = Request(prompt=(Segment("a b c"),), max_tokens=20, sampling=replace(WARM, seed=seed))
        answer = endpoint.complete(request)
        more = Request(prompt=(*request.prompt, Segment(answer.text + " and so on")), max_tokens=1)
        n_prompt = answer.usage.prompt_tokens
        if endpoint.complete(more).usage.cached_tokens > n_prompt + 3:
            return
    pytest.fail("no generated token was found again")


def test_the_same_prompt_needs_one_token(endpoint: LlamaCpp) -> None:
    request = ask("again", max_tokens=5)
    endpoint.complete(request)
    usage = endpoint.complete(request).usage
    assert usage.cached_tokens == usage.prompt_tokens - 1


@given(text=st.text(max_size=30), seed=st.integers(0, 99))
@settings(max_examples=40)
def test_what_is_streamed_is_the_text(endpoint: LlamaCpp, text: str, seed: int) -> None:
    pieces: list[str] = []
    answer = endpoint.complete(ask(text, max_tokens=30, sampling=replace(WARM, seed=seed)), pieces.append)
    assert "".join(pieces) == answer.text
    assert all(pieces)
    assert answer.finish == ("length" if answer.usage.completion_tokens == 30 else "stop")


def test_text_is_cut_before_a_stop_string(endpoint: LlamaCpp) -> None:
    whole = endpoint.complete(ask("stop here", max_tokens=60, sampling=Sampling())).text
    assert len(whole) > 12
    for start in range(2, 10):
        stop = whole[start : start + 4]
        pieces: list[str] = []
        answer = endpoint.complete(
            ask("stop here", max_tokens=60, sampling=Sampling(), stop=("never that", stop)), pieces.append
        )
        assert answer.text == whole[: whole.index(stop)] == "".join(pieces)
        assert (answer.finish, answer.finish_reason) == ("stop", "stop string")


def test_an_end_token_ends_the_answer(endpoint: LlamaCpp) -> None:
    answers = [endpoint.complete(ask("x", max_tokens=400, sampling=replace(WARM, seed=s))) for s in range(10)]
    ended = [answer for answer in answers if answer.finish_reason == "end token"]
    assert ended
    assert all(answer.finish == "stop" and "<|im_end|>" not in answer.text for answer in ended)


def test_the_answer_fills_the_window_when_nothing_ends_it(endpoint: LlamaCpp) -> None:
    request = ask("x", max_tokens=None, sampling=Sampling(top_k=1))
    answer = endpoint.complete(request)
    if answer.finish == "length":
        assert answer.usage.prompt_tokens + answer.usage.completion_tokens == endpoint.context_tokens
    assert endpoint.complete(ask("x", max_tokens=0)).usage.completion_tokens == 0


def test_a_caller_can_stop_between_tokens(endpoint: LlamaCpp) -> None:
    pieces: list[str] = []
    answer = endpoint.complete(ask("hello", max_tokens=200), pieces.append, lambda: len(pieces) >= 3)
    assert (answer.finish, answer.finish_reason) == ("cancelled", "cancelled")
    assert answer.text == "".join(pieces)
    assert endpoint.complete(ask("hello")).text == endpoint.complete(ask("hello")).text


def test_a_caller_can_stop_while_the_prompt_is_read(tmp_path: Path) -> None:
    path = write_tiny_llama(tmp_path / "long.gguf", n_ctx=4096)
    calls: list[int] = []

    def stop_at_the_second_batch() -> bool:
        calls.append(1)
        return len(calls) > 1

    with LlamaCpp(path) as endpoint:
        request = Request(prompt=(Segment("x y z " * 400),), max_tokens=5, sampling=WARM)
        assert endpoint.complete(request, None, stop_at_the_second_batch).finish == "cancelled"
        again = endpoint.complete(request)
        assert again.usage.cached_tokens == 128
        assert again.usage.completion_tokens == 5


def test_an_error_of_the_caller_leaves_a_usable_endpoint(endpoint: LlamaCpp) -> None:
    request = ask("hello", sampling=Sampling())
    wanted = endpoint.complete(request).text

    def fail(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        endpoint.complete(request, fail)
    assert endpoint.complete(request).text == wanted


def test_a_prompt_that_does_not_fit_is_refused_with_the_numbers(endpoint: LlamaCpp) -> None:
    long = ask("word " * 600)
    n_prompt = endpoint.count_tokens(long)
    with pytest.raises(ContextOverflow) as caught:
        endpoint.complete(long)
    assert caught.value.facts == {"prompt_tokens": n_prompt, "context_tokens": 512, "max_tokens": 40}
    fits = endpoint.count_tokens(ask("hi"))
    with pytest.raises(ContextOverflow, match="an answer of"):
        endpoint.complete(ask("hi", max_tokens=512 - fits + 1))
    assert endpoint.complete(ask("hi", max_tokens=512 - fits)).usage.prompt_tokens == fits
    with pytest.raises(ContextOverflow, match="no room"):
        endpoint.complete(replace(long, max_tokens=None))


def test_requests_that_mean_nothing_here_are_refused(endpoint: LlamaCpp) -> None:
    with pytest.raises(InputError, match="prompt is empty"):
        endpoint.complete(Request())
    with pytest.raises(InputError, match="max_tokens is -1"):
        endpoint.complete(ask("x", max_tokens=-1))
    with pytest.raises(InputError, match="top_p is 2"):
        endpoint.complete(ask("x", sampling=Sampling(top_p=2)))
    with pytest.raises(RequestRefused, match="takes prompts"):
        endpoint.complete(Request(messages=(Message("user", "hi"),)))
    assert endpoint.complete(replace(ask("x"), schema={"type": "object"})).dropped == ("schema",)


def test_two_at_a_time_and_none_after_closing(tiny: Path) -> None:
    endpoint = LlamaCpp(tiny, name="mine")
    inside, go_on = threading.Event(), threading.Event()

    def wait(_: str) -> None:
        inside.set()
        assert go_on.wait(10)

    thread = threading.Thread(target=endpoint.complete, args=(ask("x"), wait))
    thread.start()
    assert inside.wait(10)
    with pytest.raises(EndpointError, match="mine is already in use"):
        endpoint.complete(ask("y"))
    with pytest.raises(EndpointError, match="in use"):
        endpoint.close()
    go_on.set()
    thread.join()
    endpoint.close()
    endpoint.close()
    with pytest.raises(EndpointError, match="mine is closed"):
        endpoint.complete(ask("y"))


def test_a_failure_of_llama_cpp_is_one_error_and_the_next_prompt_works(
    endpoint: LlamaCpp, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = ask("hello", sampling=Sampling())
    wanted = endpoint.complete(request).text
    lib = native_module.library()
    with monkeypatch.context() as patch:
        patch.setattr(lib, "llama_decode", always(-3))
        with pytest.raises(EndpointError, match="status -3"):
            endpoint.complete(request)
    with monkeypatch.context() as patch:
        patch.setattr(lib, "llama_get_logits_ith", always(None))
        with pytest.raises(EndpointError, match="no logits"):
            endpoint.complete(request)
    assert endpoint.complete(request).text == wanted


def test_a_model_that_cannot_forget_a_part_starts_again(
    endpoint: LlamaCpp, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = ask("hello", sampling=Sampling())
    wanted = endpoint.complete(request).text
    # What llama.cpp says for recurrent models.
    monkeypatch.setattr(native_module.library(), "llama_memory_seq_rm", always(False))
    answer = endpoint.complete(request)
    assert (answer.text, answer.usage.cached_tokens) == (wanted, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "threads is 0"),
        ({"context_tokens": -5}, "context_tokens is -5"),
        ({"engine": "magic"}, "engine is 'magic'"),
    ],
)
def test_an_option_out_of_its_range_is_named(tiny: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LlamaCpp(tiny, **options)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # what is tested


def test_gpu_layers_need_a_gpu_build(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_module.library(), "llama_supports_gpu_offload", lambda: False)
    with pytest.raises(ConfigError, match="without a GPU"):
        LlamaCpp(tiny, gpu_layers=-1)


def test_a_window_of_ones_own(tiny: Path) -> None:
    with LlamaCpp(tiny, context_tokens=40, threads=2) as endpoint:
        assert endpoint.context_tokens == 40
        answer = endpoint.complete(ask("hi", max_tokens=None, sampling=Sampling()))
        assert answer.usage.prompt_tokens + answer.usage.completion_tokens <= 40


@pytest.mark.parametrize("knows_affinity", [True, False])
def test_a_large_model_takes_the_cpus_there_are(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, knows_affinity: bool
) -> None:
    monkeypatch.setattr(endpoint_module, "_TINY_BYTES", 0)
    monkeypatch.setattr(os, "sched_getaffinity", always({0, 1}), raising=False)
    monkeypatch.setattr(os, "cpu_count", always(None))
    if not knows_affinity:
        monkeypatch.delattr(os, "sched_getaffinity")
    with LlamaCpp(tiny) as found:
        assert found.complete(ask("hi", max_tokens=3)).usage.completion_tokens <= 3


def test_the_last_errors_of_llama_cpp_are_kept() -> None:
    keep = native_module._keep_log_line  # pyright: ignore[reportPrivateUsage]
    keep(4, b"one bad\n", None)
    keep(5, b" thing", None)
    keep(2, b"chatter", None)
    assert native_module.last_log_lines()[-1] == "one bad thing"


def other_model(path: Path, architecture: str, **values: object) -> Path:
    """Write a sound GGUF file that is no chat model."""
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in values.items():
        name = key.replace("__", ".")
        if isinstance(value, bool):
            writer.add_bool(name, value)
        elif isinstance(value, int):
            writer.add_uint32(name, value)
        else:
            writer.add_string(name, str(value))
    if not values.get("vocabulary"):
        writer.add_tensor("x", np.zeros((1, 32), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize(
    ("architecture", "values", "message"),
    [
        ("llama", {"general__type": "adapter"}, "an adapter"),
        ("clip", {}, "the image part"),
        ("llama", {}, "no vocabulary"),
        ("llama", {"tokenizer__ggml__model": "gpt2", "vocabulary": True}, "without weights"),
        ("llama", {"tokenizer__ggml__model": "gpt2", "llama__block_count": 0}, "no layer"),
        ("bert", {"tokenizer__ggml__model": "bert", "bert__attention__causal": False}, "an embedding model"),
        (
            "nothing",
            {"tokenizer__ggml__model": "gpt2"},
            "llama.cpp cannot load .* unknown model architecture",
        ),
    ],
)
def test_a_file_that_is_no_chat_model_is_named(
    tmp_path: Path, architecture: str, values: dict[str, object], message: str
) -> None:
    path = other_model(tmp_path / "other.gguf", architecture, **values)
    with pytest.raises(ModelFileError, match=message) as caught:
        LlamaCpp(path)
    assert caught.value.facts["path"] == str(path)


@pytest.mark.parametrize(
    "name",
    ["llama_model_load_from_file", "llama_init_from_model", "llama_get_memory", "llama_model_has_encoder"],
)
def test_a_refusal_of_llama_cpp_frees_what_was_loaded(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    answer = True if name == "llama_model_has_encoder" else None
    monkeypatch.setattr(native_module.library(), name, always(answer))
    with pytest.raises(ModelFileError):
        LlamaCpp(tiny)


@pytest.mark.parametrize("missing", ["llama_cpp", "numpy"])
def test_a_missing_package_is_named_with_its_extra(tiny: Path, missing: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from bridle.endpoints.llamacpp import LlamaCpp\n"
        "from bridle.errors import MissingExtra\n"
        f"try: LlamaCpp({str(tiny)!r})\n"
        "except MissingExtra as error: print(error.facts['extra'], error.hint)"
    )
    done = run_python("-c", program)
    assert done.stdout == "llama in the folder of bridle: pip install '.[llama]'\n", done.stderr


def test_llama_cpp_writes_nothing_to_the_terminal(tiny: Path) -> None:
    program = (
        "from bridle.endpoints.llamacpp import LlamaCpp\n"
        "from bridle.endpoints.base import Request\n"
        "from bridle.wrappers import Segment\n"
        f"e = LlamaCpp({str(tiny)!r}); e.complete(Request((Segment('a'),), max_tokens=3))"
    )
    done = run_python("-c", program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
