"""Pages of the web, from a real server of this machine: what is read of them, and what ends a fetch."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bridle.agent import Store
from bridle.agent.archival.archive import Archive
from bridle.agent.loading import LoadReport, load_webpages, source_files
from bridle.agent.loading.documents import Findings
from bridle.agent.loading.web import WebItem, web_address
from bridle.endpoints.transport.http_watch import Timeouts
from bridle.errors import InputError, MissingExtra, SourceUnreadable
from document_files import pdf_bytes
from servers.fake import Response, Seen, Server

HTML = "text/html; charset=utf-8"
IMPATIENT = Timeouts(connect_s=2.0, first_byte_s=0.3, idle_s=0.3, total_s=0.6)


@pytest.fixture
def server() -> Iterator[Server]:
    one = Server()
    yield one
    one.close()


def serve(
    server: Server, path: str, body: bytes | Sequence[bytes], content_type: str = HTML, **more: object
) -> str:
    chunks = [body] if isinstance(body, bytes) else body
    response = Response(200, chunks, content_type, **more)  # type: ignore[arg-type]  # pyright: ignore
    server.routes[f"GET {path}"] = lambda _: response
    return f"{server.url}{path}"


def redirect(server: Server, path: str, target: str, status: int = 302) -> str:
    server.routes[f"GET {path}"] = lambda _: Response(status, (b"",), headers={"Location": target})
    return f"{server.url}{path}"


def fetched(item: WebItem) -> list[str]:
    content = item.fetch()
    return [part.text for document in content.documents(Findings()) for part in document.parts]


def refused(item: WebItem) -> SourceUnreadable:
    with pytest.raises(SourceUnreadable) as caught:
        item.fetch()
    assert caught.value.hint
    return caught.value


def loaded(home: Path, urls: Sequence[str], *, offline: bool = False) -> tuple[LoadReport, list[str]]:
    with Store(home) as store, Archive(store) as archive:
        report = load_webpages(archive, "pages", urls, offline=offline)
        source = archive.source("pages")
        found = archive.search([source], "", size=100).found if source else ()
        return report, sorted(one.passage.text for one in found)


def test_a_page_is_loaded_once_and_its_address_is_its_file(server: Server, tmp_path: Path) -> None:
    url = serve(server, "/cats", b"<title>Cats</title><nav>x</nav><p>They purr.</p>")
    report, texts = loaded(tmp_path, [url, f"{url}#top"])
    assert texts == ["They purr."]
    assert [(one.address, one.status) for one in report.outcomes] == [(url, "loaded")]
    assert loaded(tmp_path, [url])[0].outcomes[0].status == "unchanged"


def test_what_goes_wrong_with_one_page_is_told_and_the_others_alone_are_kept(
    server: Server, tmp_path: Path
) -> None:
    good = serve(server, "/good", b"<p>Good.")
    closed = Server()
    closed.close()
    report, texts = loaded(tmp_path, [f"{server.url}/nowhere", closed.url, good])
    assert texts == ["Good."]
    assert [one.status for one in report.outcomes] == ["failed", "failed", "loaded"]
    assert report.outcomes[0].reason == "the server answered 404 Not Found"
    assert "refused" in report.outcomes[1].reason
    assert not report.is_complete
    loaded(tmp_path, [f"{server.url}/nowhere"])
    with Store(tmp_path) as store, Archive(store) as archive:
        assert [one.address for one in source_files(archive, "pages")] == [good]


def test_redirects_are_followed_and_the_asked_address_stays(server: Server, tmp_path: Path) -> None:
    serve(server, "/b/end", b"<p>Here.")
    start = redirect(server, "/a", "b/end#x", 301)
    report, texts = loaded(tmp_path, [start])
    assert texts == ["Here."]
    assert report.outcomes[0].address == start


def test_a_redirect_without_end_is_refused(server: Server) -> None:
    assert "redirects more than 10 times" in refused(WebItem(redirect(server, "/a", "/a"))).message
    assert len(server.seen) == 11


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://x/y", "http://[", "http://x:nope/"])
def test_a_redirect_to_what_is_no_web_address_is_refused(server: Server, target: str) -> None:
    assert "no web address" in refused(WebItem(redirect(server, "/a", target))).message


def test_offline_asks_this_machine_only_and_follows_nothing_out_of_it(server: Server) -> None:
    assert "is not this machine" in refused(WebItem("https://example.org/x", offline=True)).message
    out = redirect(server, "/a", "http://192.0.2.1/x")
    assert "is not this machine" in refused(WebItem(out, offline=True)).message
    assert fetched(WebItem(serve(server, "/b", b"<p>Here."), offline=True)) == ["Here."]


def test_a_packed_page_is_unpacked(server: Server) -> None:
    url = serve(server, "/z", gzip.compress(b"<p>Packed."), headers={"Content-Encoding": "gzip"})
    assert fetched(WebItem(url)) == ["Packed."]


def test_a_page_that_is_packed_wrongly_is_refused(server: Server) -> None:
    url = serve(server, "/z", b"<p>not gzip", headers={"Content-Encoding": "gzip"})
    assert "cannot be fetched" in refused(WebItem(url)).message


@pytest.mark.parametrize("packed", [False, True])
def test_a_body_without_end_is_refused_at_the_limit(server: Server, packed: bool) -> None:
    if packed:
        headers = {"Content-Encoding": "gzip"}
        url = serve(server, "/z", gzip.compress(b"x" * 3_000_000), headers=headers)
    else:
        url = serve(server, "/z", [b"x" * 65536] * 2000, framing="chunked")
    assert "larger than 1,000,000 bytes" in refused(WebItem(url, most_bytes=1_000_000)).message


@pytest.mark.parametrize("framing", ["chunked", "close"])
def test_a_body_that_only_drips_is_ended_by_the_clock(server: Server, framing: str) -> None:
    url = serve(server, "/z", [b"x"] * 200, framing=framing, pause_s=0.05)
    began = time.monotonic()
    assert "did not end its answer" in refused(WebItem(url, timeouts=IMPATIENT)).message
    assert time.monotonic() - began < 5


def test_a_server_that_never_answers_is_left(server: Server) -> None:
    def answer(_: Seen) -> Response:
        server.hold(3)
        return Response()

    server.routes["GET /z"] = answer
    began = time.monotonic()
    assert "cannot be fetched" in refused(WebItem(f"{server.url}/z", timeouts=IMPATIENT)).message
    assert time.monotonic() - began < 2


def test_a_body_that_breaks_off_is_refused(server: Server) -> None:
    url = serve(server, "/z", [b"<p>half"], framing="chunked", cut=True)
    assert "cannot be fetched" in refused(WebItem(url)).message


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("<p>Grüße".encode(), "text/html; charset=utf-8", "Grüße"),
        ("<p>Grüße".encode("cp1252"), "text/html; charset=windows-1252", "Grüße"),
        ("<p>Grüße".encode(), "text/html; charset=us-ascii", "Grüße"),
        ("<p>Grüße".encode("cp1252"), "text/html; charset=utf-8", "Grüße"),
        ("<p>Grüße".encode(), "text/html; charset=klingon", "Grüße"),
        ("<p>今日".encode("shift_jis"), "text/html; charset=shift_jis", "今日"),
        ("今日".encode("euc_jp"), "text/plain; charset=euc-jp", "今日"),
        (b"<!DOCTYPE html><p>x", "", "x"),
        (b"<html><p>x", "text/plain", "x"),
        (b"words", "text/plain", "words"),
        (b'{"a": 1}', "application/json; charset=utf-8", "a: 1"),
        (b"a,b\n1,2\n", "text/csv", "a: 1\nb: 2"),
        (pdf_bytes([["Foxes."]]), "application/pdf", "Foxes."),
        (pdf_bytes([["Foxes."]]), "application/octet-stream", "Foxes."),
    ],
)
def test_a_body_is_read_as_what_it_is(server: Server, body: bytes, content_type: str, text: str) -> None:
    assert fetched(WebItem(serve(server, "/z", body, content_type))) == [text]


@pytest.mark.parametrize("content_type", ["image/png", "video/mp4", "application/octet-stream", "audio/x"])
def test_what_is_no_text_is_refused_by_its_kind(server: Server, content_type: str) -> None:
    url = serve(server, "/z", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", content_type)
    assert refused(WebItem(url)).message == f"it is {content_type}, not text"


@pytest.mark.parametrize("url", ["x", "file:///x", "http://", "http://a:b/", "http://[", "javascript:x"])
def test_what_is_no_web_address_is_refused_before_anything_is_loaded(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError, match="no web address"):
        loaded(tmp_path, [url])


def test_a_login_is_sent_and_not_kept(server: Server, tmp_path: Path) -> None:
    url = serve(server, "/cats", b"<p>They purr.").replace("//", "//ann:secret@")
    report, _ = loaded(tmp_path, [url])
    assert report.outcomes[0].address == web_address(url) == f"{server.url}/cats"
    assert server.seen[0].headers["authorization"].startswith("Basic ")


def test_without_the_package_for_html_the_extra_is_named(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "bs4", None)
    url = serve(server, "/cats", b"<p>They purr.")
    with pytest.raises(MissingExtra):
        fetched(WebItem(url))
    assert "docs" in loaded(tmp_path, [url])[0].outcomes[0].hint
