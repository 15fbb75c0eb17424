"""A server with many personalities: each breaks the rules of HTTP, of streams or of OpenAI's API otherwise.

The first part of a path names one: `/pings/v1/completions`. All of them say `TEXT` where they say anything
right. `PERSONALITIES` tells what a careful client makes of each: the text, or an error.
"""

from __future__ import annotations

import gzip
import json
from typing import Any

from bridle.errors import (
    BadResponse,
    ContentFiltered,
    RateLimited,
    RequestRefused,
    ServerCrashed,
    StreamTruncated,
    TimedOut,
)
from servers.chaos_stage import (
    LATIN,
    LONG,
    PERSONALITIES,
    TEXT,
    ChaosServer,
    Personality,
    Play,
    is_heard_as,
)

__all__ = ["PERSONALITIES", "TEXT", "ChaosServer", "Personality"]


# Right answers, oddly sent.


@is_heard_as()
def ok(play: Play) -> None:
    """Nothing odd."""
    play.chunked(play.right())


@is_heard_as()
def slow_first_token(play: Play) -> None:
    """The head comes at once, the first byte of the body later."""
    play.head(200, None, Transfer_Encoding="chunked")
    play.handler.wfile.flush()
    play.server.hold(0.15)
    body = b"".join(play.right())
    play.raw(f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")


@is_heard_as()
def byte_by_byte(play: Play) -> None:
    """Characters of several bytes are split."""
    play.chunked([bytes([byte]) for byte in b"".join(play.right())])


@is_heard_as()
def split_line_ends(play: Play) -> None:
    """CR and LF come in chunks of their own."""
    written = b"".join(play.written(play.bodies(), end="\r\n"))
    parts = written.replace(b"\r", b"\0\r\0").replace(b"\n", b"\0\n\0").split(b"\0")
    play.chunked([part for part in parts if part])


@is_heard_as()
def lone_carriage_returns(play: Play) -> None:
    """Lines end at CR alone, which events may."""
    play.chunked(play.written(play.bodies(), end="\r"))


@is_heard_as()
def pings(play: Play) -> None:
    """Comments between events, or white space before a document, keep the connection alive."""
    ping = b": ping - now\n\n" if play.stream else b" \n"
    play.chunked([part for one in play.right() for part in (ping, one)])


@is_heard_as()
def until_the_end(play: Play) -> None:
    """Neither a length nor chunks: the body ends with the connection."""
    play.until_closed(b"".join(play.right()))


@is_heard_as()
def old_http(play: Play) -> None:
    """HTTP 1.0."""
    play.hang_up()
    play.raw(f"HTTP/1.0 200 OK\r\nContent-Type: {play.content_type}\r\n\r\n".encode(), *play.right())


@is_heard_as()
def with_a_length(play: Play) -> None:
    """A length is told, for a stream, too."""
    play.whole(b"".join(play.right()))


@is_heard_as()
def chunk_extensions(play: Play) -> None:
    """Chunks have extensions, and the body has a trailer."""
    play.head(200, None, Transfer_Encoding="chunked")
    for part in play.right():
        play.raw(f"{len(part):x};name=value\r\n".encode() + part + b"\r\n")
    play.raw(b"0\r\nX-Trailer: 1\r\n\r\n")


@is_heard_as()
def continues_first(play: Play) -> None:
    """An informational answer (100) comes before."""
    play.raw(b"HTTP/1.1 100 Continue\r\n\r\n")
    play.chunked(play.right())


@is_heard_as()
def zipped(play: Play) -> None:
    """The body is compressed, though nobody asked for that."""
    body = gzip.compress(b"".join(play.right()))
    play.chunked([body[at : at + 9] for at in range(0, len(body), 9)], None, Content_Encoding="gzip")


@is_heard_as()
def byte_order_mark(play: Play) -> None:
    """The body begins with one."""
    play.chunked([b"\xef\xbb\xbf", *play.right()])


@is_heard_as()
def plain_text(play: Play) -> None:
    """The content type is wrong."""
    play.chunked(play.right(), "text/plain; charset=utf-8")


@is_heard_as()
def says_html(play: Play) -> None:
    """The content type is that of a page; the body is right."""
    play.chunked(play.right(), "text/html")


@is_heard_as()
def no_type(play: Play) -> None:
    """There is no content type."""
    body = b"".join(play.right())
    play.raw(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode(), body)


@is_heard_as()
def says_latin_1(play: Play) -> None:
    """UTF-8 is declared as Latin-1, as some frameworks do for text."""
    play.chunked(play.right(), f"{play.content_type}; charset=ISO-8859-1")


@is_heard_as(LATIN)
def is_latin_1(play: Play) -> None:
    """The body is Latin-1, and declared so."""
    play.text = LATIN
    parts = [part.decode().encode("latin-1") for part in play.right()]
    play.chunked(parts, f"{play.content_type}; charset=ISO-8859-1")


@is_heard_as(TEXT.replace("世", "\ufffd\ufffd\ufffd"))
def broken_utf_8(play: Play) -> None:
    """A character's bytes are none."""
    play.chunked([part.replace("世".encode(), b"\xff\xfe\xfd") for part in play.right()])


@is_heard_as()
def ndjson(play: Play) -> None:
    """A stream is lines of JSON."""
    if not play.stream:
        return play.chunked(play.right())
    lines = [json.dumps(body, ensure_ascii=False).encode() + b"\n" for body in play.bodies()]
    return play.chunked(lines, "application/x-ndjson")


@is_heard_as()
def does_not_stream(play: Play) -> None:
    """A stream was asked for, and a document comes."""
    play.stream = False
    play.chunked(play.right())


@is_heard_as()
def always_streams(play: Play) -> None:
    """A document was asked for, and a stream comes."""
    play.stream = True
    play.chunked(play.right())


@is_heard_as(LONG)
def long_lines(play: Play) -> None:
    """One event, or document, of 300 kB, in small pieces."""
    play.text = LONG
    choice = {"choices": [play.choice(LONG, "stop")]}
    body = b"".join(play.written([choice]))
    play.chunked([body[at : at + 1000] for at in range(0, len(body), 1000)])


@is_heard_as()
def junk_behind(play: Play) -> None:
    """Something stands behind the end."""
    play.chunked([*play.right(), b"data: junk that is no JSON\n\n" if play.stream else b"\n \n"])


# Right answers in odd words.


@is_heard_as()
def no_done(play: Play) -> None:
    """The finish reason ends the stream; `[DONE]` never comes."""
    play.chunked(play.written(play.bodies(), done=False))


@is_heard_as()
def no_finish(play: Play) -> None:
    """There is no finish reason."""
    bodies = play.bodies()
    for body in bodies:
        for choice in body["choices"]:
            choice["finish_reason"] = None
    play.chunked(play.written(bodies))


@is_heard_as()
def nulls(play: Play) -> None:
    """Members that have nothing to say are null."""
    bodies = play.bodies()
    nothing = play.choice(None)
    if play.chat:
        nothing["delta"] = {"role": None, "content": None, "tool_calls": None, "function_call": None}
    play.chunked(play.written([{"choices": [nothing], "usage": None}, *bodies] if play.stream else bodies))


@is_heard_as()
def usage_null(play: Play) -> None:
    """`usage` is null in each chunk."""
    play.chunked(play.written([{"usage": None} | body for body in play.bodies()]))


@is_heard_as(TEXT, BadResponse)
def no_choices(play: Play) -> None:
    """Chunks without a choice come between; a whole answer has none."""
    bodies = play.bodies()
    play.chunked(play.written([{"choices": []}, *bodies] if play.stream else [{"choices": []}]))


@is_heard_as(TEXT, BadResponse)
def null_choices(play: Play) -> None:
    """The same, with null."""
    bodies = play.bodies()
    play.chunked(play.written([{"choices": None}, *bodies] if play.stream else [{"choices": None}]))


@is_heard_as()
def same_index(play: Play) -> None:
    """Two calls have the same index, and arguments are objects."""
    bodies = play.bodies()
    if play.chat:
        function = {"name": "add", "arguments": {"a": 1}}
        calls = [{"index": 0, "id": name, "function": function} for name in ("a", "b")]
        said = bodies[0]["choices"][0]["delta" if play.stream else "message"]
        said["tool_calls"] = calls
    play.chunked(play.written(bodies))


@is_heard_as()
def not_a_number(play: Play) -> None:
    """The JSON has NaN in it."""
    choice = play.bodies()
    choice[0]["choices"][0]["logprobs"] = {"token_logprobs": [float("nan")], "tokens": ["x"]}
    play.chunked(play.written(choice))


@is_heard_as()
def other_reason(play: Play) -> None:
    """The finish reason has another name."""
    bodies = play.bodies()
    for body in bodies:
        for choice in body["choices"]:
            choice["finish_reason"] = choice["finish_reason"] and "eos_token"
    play.chunked(play.written(bodies))


# Not now.


@is_heard_as()
def too_many_then_ok(play: Play) -> None:
    """Every other request is one too many (429)."""
    if play.nth % 2:
        return play.refuse(429, {"error": {"message": "slow down"}}, Retry_After="0")
    return play.chunked(play.right())


@is_heard_as(RateLimited)
def too_many(play: Play) -> None:
    """Each request is one too many."""
    play.refuse(429, {"error": {"message": "slow down"}}, Retry_After="0")


@is_heard_as(RateLimited)
def no_quota(play: Play) -> None:
    """The account has nothing left."""
    play.refuse(429, {"error": {"message": "pay", "code": "insufficient_quota"}})


@is_heard_as()
def loading(play: Play) -> None:
    """The model is loaded at the fourth request."""
    if play.nth % 4:
        return play.refuse(503, {"error": {"code": 503, "message": "Loading model"}}, Retry_After="0")
    return play.chunked(play.right())


@is_heard_as(RequestRefused)
def internal_error(play: Play) -> None:
    """A failure without any words but these."""
    play.whole(b"Internal Server Error", 500, "text/plain")


@is_heard_as(BadResponse)
def bad_gateway(play: Play) -> None:
    """A proxy's page says that the server is away."""
    play.whole(b"<html><title>502 Bad Gateway</title></html>", 502, "text/html")


@is_heard_as(TimedOut)
def never_begins(play: Play) -> None:
    """The request is taken and nothing comes."""
    play.hang_up()
    play.server.hold(30)


@is_heard_as(TimedOut)
def stops_halfway(play: Play) -> None:
    """The answer begins and does not go on."""
    play.hang_up()
    body = b"".join(play.right())
    play.head(200, None, Content_Length=str(len(body)))
    play.raw(body[:60])
    play.server.hold(30)


# Failures in an answer that seemed good.


@is_heard_as(RequestRefused)
def error_inside(play: Play) -> None:
    """An error takes the place of the answer's second half."""
    failure = {"error": {"message": "it broke", "type": "server_error", "code": 500}}
    play.chunked(play.written([*play.bodies()[:2], failure] if play.stream else [failure], done=False))


@is_heard_as(RequestRefused)
def error_event(play: Play) -> None:
    """The same, as an event of that name."""
    if not play.stream:
        return play.chunked([b'{"error": "it broke"}'])
    return play.chunked([*play.right()[:2], b'event: error\ndata: {"message": "it broke"}\n\n'])


@is_heard_as(RateLimited)
def error_in_200(play: Play) -> None:
    """The status is 200, and all of the body is an error."""
    play.refuse(200, {"error": {"message": "slow down", "code": 429}})


@is_heard_as(ContentFiltered)
def filtered(play: Play) -> None:
    """A filter left nothing: the choice has no message."""
    choice: dict[str, Any] = {"index": 0, "finish_reason": "content_filter", "content_filter_results": {}}
    play.chunked(play.written([{"choices": [choice]}]))


@is_heard_as(StreamTruncated, TEXT)
def neither_end(play: Play) -> None:
    """The stream ends in good order without saying that the answer does."""
    bodies = play.bodies()[:-2] if play.stream else play.bodies()
    play.chunked(play.written(bodies, done=False))


@is_heard_as(StreamTruncated, BadResponse)
def half_json(play: Play) -> None:
    """The body ends inside its JSON."""
    body = b"".join(play.right())
    play.whole(body[: len(body) // 2 - 3])


@is_heard_as(StreamTruncated)
def half_chunks(play: Play) -> None:
    """The connection ends inside the body."""
    play.hang_up()
    play.head(200, None, Transfer_Encoding="chunked")
    part = b"".join(play.right())[:50]
    play.raw(f"{len(part):x}\r\n".encode() + part + b"\r\n")


@is_heard_as(StreamTruncated)
def too_great_a_length(play: Play) -> None:
    """The length that is told is never reached. A stream ends before its end, so that this matters."""
    play.hang_up()
    body = play.right()[0]
    play.head(200, None, Content_Length=str(len(body) + 50))
    play.raw(body)


@is_heard_as(ServerCrashed)
def crashes(play: Play) -> None:
    """The process dies of the request, as llama-cpp-python's server does of a bad grammar."""
    play.reset()


@is_heard_as(ServerCrashed)
def crashes_halfway(play: Play) -> None:
    """The process dies within the answer."""
    body = b"".join(play.right())
    play.head(200, None, Content_Length=str(len(body)))
    play.raw(body[:60])
    play.server.hold(0.05)
    play.reset()


# What is no answer at all.


@is_heard_as(StreamTruncated, BadResponse)
def empty(play: Play) -> None:
    """A body without a byte."""
    play.whole(b"")


@is_heard_as(BadResponse)
def no_content(play: Play) -> None:
    """Status 204."""
    play.raw(b"HTTP/1.1 204 No Content\r\n\r\n")


@is_heard_as(BadResponse)
def page(play: Play) -> None:
    """A page to log in."""
    play.whole(b"<!doctype html><title>Log in</title>", 200, "text/html")


@is_heard_as(BadResponse)
def early_hints(play: Play) -> None:
    """Status 103, which nobody asked for, and the answer behind it."""
    play.raw(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    play.server.hold(0.05)
    play.chunked(play.right())


@is_heard_as(BadResponse)
def other_protocol(play: Play) -> None:
    """What answers speaks another protocol."""
    play.hang_up()
    play.raw(b"SSH-2.0-OpenSSH_9.6\r\n")


@is_heard_as(BadResponse)
def bad_chunks(play: Play) -> None:
    """The length of a chunk is no number."""
    play.hang_up()
    play.head(200, None, Transfer_Encoding="chunked")
    play.raw(b"zz\r\n", *play.right())


@is_heard_as(BadResponse)
def bad_zip(play: Play) -> None:
    """The body is said to be compressed, and is not."""
    play.whole(b"".join(play.right()), 200, None, Content_Encoding="gzip")


@is_heard_as(BadResponse)
def too_long_a_header(play: Play) -> None:
    """A line of the head has 100 kB."""
    play.hang_up()
    play.head(200, None, X_Long="x" * 100_000, Content_Length="2")


@is_heard_as(BadResponse)
def too_many_headers(play: Play) -> None:
    """The head has 300 lines."""
    play.hang_up()
    play.head(200, None, **{f"X_{n}": "x" for n in range(300)})


@is_heard_as(BadResponse)
def endless(play: Play) -> None:
    """The body has no end."""
    play.head(200, None, Transfer_Encoding="chunked")
    part = b": ping\n" * 5000 if play.stream else b" " * 35_000
    while not play.server.is_closed:
        play.raw(f"{len(part):x}\r\n".encode() + part + b"\r\n")


@is_heard_as(BadResponse)
def huge(play: Play) -> None:
    """The body has more bytes than any answer."""
    play.hang_up()
    play.head(200, None, Content_Length=str(1 << 40))
    while not play.server.is_closed:
        play.raw(b"x" * 65536)


@is_heard_as(BadResponse)
def deep(play: Play) -> None:
    """The JSON is nested a hundred thousand times."""
    body = b"[" * 100_000 + b"]" * 100_000
    play.whole(b"data: " + body + b"\n\n" if play.stream else body)


@is_heard_as(BadResponse)
def other_json(play: Play) -> None:
    """The JSON is not that of an answer."""
    body = b'{"hello": "world"}'
    play.whole(b"data: " + body + b"\n\n" if play.stream else body)


# Elsewhere.


@is_heard_as(BadResponse)
def circle(play: Play) -> None:
    """It moved to where it is."""
    play.whole(b"", 307, None, Location=play.handler.path)


@is_heard_as()
def moved(play: Play) -> None:
    """It moved to another host, for now."""
    there = play.handler.path.replace("/moved/", "/ok/")
    play.whole(b"", 307, None, Location=play.server.url.replace("127.0.0.1", "localhost") + there)


@is_heard_as(RequestRefused)
def moved_for_good(play: Play) -> None:
    """It moved in a way that would lose the body."""
    play.whole(b"", 301, None, Location=play.server.url + "/ok/v1/completions")
