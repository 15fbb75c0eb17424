"""What an endpoint costs over bare HTTP: milliseconds per request, and microseconds per streamed token.

    python benchmarks/overhead.py [--requests N] [--streams N] [--tokens N] [--clock cpu]

1. `HttpEndpoint.complete` without streaming, against `requests.Session.post(...).json()` of the same body.
2. `HttpEndpoint.complete` with `on_text`, against reading the bytes of the same stream with a bare session.
   The server sends each token as a chunk with an event of its own, so that both read as many chunks.
3. The same with a caller that may cancel (`should_stop`), which is asked at each token.

The server runs in another process and answers at once from memory. Both sides keep their connection and ask
in turn, the order changing from pair to pair; the difference of a pair is what the endpoint costs. Printed
are the medians of the differences, with the quartiles in brackets. The last line says whether the limits
hold. Other programs disturb the wall clock; `--clock cpu` counts this process's CPU time in its place.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / part) for part in ("wrappers", "grammars", "endpoints", "agent")]

import requests  # noqa: E402

from bridle.endpoints.base import Request  # noqa: E402
from bridle.endpoints.drivers.openai_compat import OpenAICompat  # noqa: E402
from bridle.endpoints.http_endpoint import HttpEndpoint  # noqa: E402
from bridle.endpoints.transport.http import Http, HttpCall  # noqa: E402
from bridle.messages import JSON, Message  # noqa: E402

REQUEST_MS, TOKEN_US = 1.0, 30.0
"""What a request and a token may cost."""
CLOCKS = {"cpu": time.process_time, "wall": time.perf_counter}
clock = time.perf_counter
CHAT = Request(messages=(Message("user", "Hello"),), max_tokens=200, stop=("</s>", "<|im_end|>"))


def main() -> None:
    """Measure and print; exit with 1 where a limit is exceeded."""
    parser = argparse.ArgumentParser(description="What an endpoint costs over bare HTTP.")
    parser.add_argument("--requests", type=int, default=400, help="pairs of requests")
    parser.add_argument("--streams", type=int, default=30, help="pairs of streams")
    parser.add_argument("--tokens", type=int, default=2000, help="tokens of a stream")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    options = parser.parse_args()
    global clock  # noqa: PLW0603 - chosen once, before anything is measured
    clock = CLOCKS[options.clock]
    if options.serve:
        return serve(options.tokens)
    command = [sys.executable, __file__, "--serve", "--tokens", str(options.tokens)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        sys.exit(measure(f"http://127.0.0.1:{server.stdout.readline().strip()}", options))
    finally:
        server.terminate()
        server.wait()


def measure(url: str, options: argparse.Namespace) -> int:
    """Run all parts against a server; return 1 where a limit is exceeded."""
    endpoint = HttpEndpoint(OpenAICompat(url), Http(), model="m")
    session = requests.Session()
    whole, stream = body_of(endpoint, stream=False), body_of(endpoint, stream=True)
    target = f"{url}/v1/chat/completions"

    def bare_whole() -> None:
        assert session.post(target, json=whole).json()["choices"]

    def bare_stream() -> None:
        with session.post(target, json=stream, stream=True) as response:
            assert sum(map(len, response.raw.stream(1 << 16)))

    def never() -> bool:
        return False

    pieces: list[str] = []
    parts: list[tuple[str, Callable[[], object], Callable[[], object], int, int, float, float]] = [
        ("request", lambda: endpoint.complete(CHAT), bare_whole, options.requests, 1, 1e3, REQUEST_MS),
        (
            "streamed token",
            lambda: endpoint.complete(CHAT, pieces.append),
            bare_stream,
            options.streams,
            options.tokens,
            1e6,
            TOKEN_US,
        ),
        (
            "streamed token, may be cancelled",
            lambda: endpoint.complete(CHAT, pieces.append, never),
            bare_stream,
            options.streams,
            options.tokens,
            1e6,
            TOKEN_US,
        ),
    ]
    holds = True
    for name, ours, bare, n_pairs, n_parts, scale, limit in parts:
        costs, alone = paired(ours, bare, n_pairs)
        costs, alone = ([scale * one / n_parts for one in many] for many in (costs, alone))
        unit = "ms" if scale == 1e3 else "µs"
        print(f"{name}: {shown(costs)} {unit} over {shown(alone)} {unit} bare; limit {limit:g} {unit}")
        holds = holds and statistics.median(costs) <= limit
    print("the limits hold" if holds else "a limit is exceeded")
    session.close()
    endpoint.close()
    return 0 if holds else 1


def body_of(endpoint: HttpEndpoint, *, stream: bool) -> JSON:
    """The body that the endpoint sends, for the bare side to send the same."""
    call: HttpCall = endpoint.driver.build(CHAT, endpoint.model, stream)
    return dict(call.body or {})


def paired(
    ours: Callable[[], object], bare: Callable[[], object], n_pairs: int
) -> tuple[list[float], list[float]]:
    """Time both in turn; return the differences and the bare times, in seconds."""
    for _ in range(3):
        ours()
        bare()
    costs: list[float] = []
    alone: list[float] = []
    for at in range(n_pairs):
        first, second = (ours, bare) if at % 2 else (bare, ours)
        times = timed(first), timed(second)
        mine, theirs = times if at % 2 else times[::-1]
        costs.append(mine - theirs)
        alone.append(theirs)
    return costs, alone


def timed(run: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    start = clock()
    run()
    return clock() - start


def shown(values: Sequence[float]) -> str:
    """Write a median with its quartiles."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.3f} [{low:.3f}, {high:.3f}]"


def serve(n_tokens: int) -> None:
    """Answer one request after another on each connection, from memory; the port is printed first."""
    usage = {"prompt_tokens": 9, "completion_tokens": n_tokens}
    said = {"role": "assistant", "content": "word " * 40}
    body = json.dumps({"choices": [{"index": 0, "message": said, "finish_reason": "stop"}], "usage": usage})
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    whole = (head + body).encode()
    begin = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    token: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
    }
    token |= {"choices": [{"index": 0, "delta": {"content": " word"}, "finish_reason": None}]}
    last: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage}
    events = [f"data: {json.dumps(one)}\n\n".encode() for one in [*[token] * n_tokens, last]]
    chunks = b"".join(chunk(event) for event in [*events, b"data: [DONE]\n\n"])
    streamed = begin + chunks + b"0\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        waiting: dict[socket.socket, bytes] = {}
        listener.setblocking(False)
        while True:
            serve_once(listener, waiting, whole, streamed)


def chunk(part: bytes) -> bytes:
    """Write one chunk of a body."""
    return f"{len(part):x}\r\n".encode() + part + b"\r\n"


def serve_once(
    listener: socket.socket, waiting: dict[socket.socket, bytes], whole: bytes, streamed: bytes
) -> None:
    """Take what is there to read, and answer each request that is complete."""
    import select

    for one in select.select([listener, *waiting], [], [])[0]:
        if one is listener:
            accepted, _ = listener.accept()
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            waiting[accepted] = b""
            continue
        received = one.recv(65536)
        waiting[one] += received
        head, _, body = waiting[one].partition(b"\r\n\r\n")
        if not received:
            del waiting[one]
            one.close()
        elif len(body) >= length_in(head):
            waiting[one] = b""
            one.sendall(streamed if b'"stream": true' in body or b'"stream":true' in body else whole)


def length_in(head: bytes) -> int:
    """The length that a request's head tells; more than any where the head is not complete."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 1 << 30


if __name__ == "__main__":
    main()
