"""What model servers run here: looked for at the usual ports, and at the addresses that are configured.

Plain sockets are tried first, all at once; only where one opens is HTTP spoken, so that nothing large is
imported while nothing runs. A port says nothing about what listens there: `bridle.endpoints.recognise` asks.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bridle.endpoints.config import EndpointConfig
from bridle.endpoints.connect import open_http, open_server
from bridle.endpoints.environment import usual_url
from bridle.endpoints.places import NO_ENTRY, Place, listening, local_address, places
from bridle.endpoints.specs import short_url, spec_of
from bridle.endpoints.transport.http import is_loopback
from bridle.errors import BridleError, ConfigError, EndpointError, TimedOut, Unreachable

if TYPE_CHECKING:
    from bridle.endpoints.base import Endpoint, ModelInfo, Supports
    from bridle.endpoints.recognise import Identified
    from bridle.endpoints.transport.http import Http

__all__ = ["Discovered", "Server", "discover", "first_server"]

FOREIGN_HOST_S = 1.5
"""How long another machine is waited for."""
ANSWERS_WITHIN_S = 3.0
"""How long an answer is waited for at an address that was not given."""
THREADS = 12
GIVEN = "given"
"""Who named an address that the caller gave."""
NOTHING = "nothing answers there"
NOT_ASKED = "it is not this machine, and was not asked while offline"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Server:
    """A server that was found. `problem` says why it could not be asked just now; empty when it could.

    `reason` says by what its kind was seen. `models` lists the loaded ones first. `context_tokens` is the
    window in force and `trained_tokens` the one that the model was made for; None where the server does not
    say. `holds` names the constraints that this kind of server, or this very one, claims to hold. `entry`
    opens it, and names a model where several could answer and none is the only one that is loaded; `saved_as`
    is the name of an entry of the config file that does.
    """

    kind: str
    url: str
    reason: str
    named_by: str = ""
    version: str = ""
    model: str = ""
    models: tuple[ModelInfo, ...] = ()
    context_tokens: int | None = None
    trained_tokens: int | None = None
    wrapper: str = ""
    wrapper_reason: str = ""
    holds: tuple[str, ...] = ()
    problem: str = ""
    hint: str = ""
    entry: EndpointConfig = NO_ENTRY
    saved_as: str = ""

    @property
    def spec(self) -> str:
        """The spec that opens this server, in the shortest way."""
        return self.saved_as or spec_of(self.entry)


@dataclass(frozen=True, slots=True)
class Discovered:
    """What was found: the servers in the order of the places, and words about what else listens, by URL."""

    servers: tuple[Server, ...] = ()
    others: Mapping[str, str] = field(default_factory=dict[str, str])


def discover(given: Sequence[str] = (), *, offline: bool = False) -> Discovered:
    """Look for model servers, by default wherever one is likely; else at the URLs that are `given`.

    Addresses where nothing listens are left out unless they are given, or named in the environment or the
    config file. With `offline` only this machine is asked.

    Raises:
        ConfigError: for what is no address, and for a bad config file.
    """
    wanted = [Place(_checked(url), GIVEN) for url in given] or places(offline=offline)
    open_places = [place for place in listening(wanted) if not offline or is_loopback(place.url)]
    shut = [place for place in wanted if place.named_by and place not in open_places]
    words = {one.url: NOT_ASKED if offline and not is_loopback(one.url) else _nothing(one) for one in shut}
    if not open_places:
        return Discovered(others=words)
    from concurrent.futures import ThreadPoolExecutor

    def look(place: Place) -> Server | str:
        return _look(place, bool(given), offline)

    with ThreadPoolExecutor(min(THREADS, len(open_places))) as pool:
        seen = list(pool.map(look, open_places))
    words |= {place.url: one for place, one in zip(open_places, seen, strict=True) if isinstance(one, str)}
    servers = tuple(one for one in seen if isinstance(one, Server))
    return Discovered(servers, {url: one for url, one in words.items() if one})


def first_server(*, offline: bool = False) -> Server:
    """Find the first server that can be asked.

    Raises:
        Unreachable: when there is none.
    """
    servers = discover(offline=offline).servers
    able = [one for one in servers if not one.problem and one.model] or [s for s in servers if not s.problem]
    if able:
        return able[0]
    if servers:
        one = servers[0]
        raise Unreachable(f"{one.url} ({one.kind}) cannot be asked: {one.problem}", hint=one.hint)
    raise Unreachable(
        "no model server was found on this machine",
        hint="`bridle discover` tells how to start one; the endpoint embedded needs none",
    )


def _nothing(place: Place) -> str:
    return NOTHING if place.named_by == GIVEN else f"{NOTHING} ({place.named_by} names it)"


def _look(place: Place, given: bool, offline: bool) -> Server | str:
    """Look at one address: a server, or words about what else listens there; no words when nothing does."""
    from bridle.endpoints.recognise import QUICK, Identified, identify
    from bridle.endpoints.transport.http import Timeouts

    timeouts = QUICK if given else Timeouts(FOREIGN_HOST_S, ANSWERS_WITHIN_S, ANSWERS_WITHIN_S)
    key = None if given or place.named_by else ""  # a key is for an address that somebody named
    entry = place.entry
    try:
        url, http = open_http(
            place.url,
            kind=entry.kind,
            api_key_env=entry.api_key_env,
            api_key=key,
            offline=offline,
            options=entry,
        )
        seen = identify(url, http, timeouts=timeouts)
        if seen is None and entry.model:
            seen = Identified(entry.kind, f"{place.named_by} says so", url)
    except Unreachable:
        return _nothing(place) if place.named_by else ""
    except TimedOut:
        return "something listens there and does not answer"
    except BridleError as error:
        return f"{error.message}" + (f" ({error.hint})" if error.hint else "")
    if seen is None:
        return "a server that is no model server of a kind that is known"
    return _described(place, seen, http)


def _described(place: Place, seen: Identified, http: Http) -> Server:
    entry = replace(place.entry, kind=seen.kind, url=seen.url)
    is_saved = bool(place.name) and place.entry.kind == seen.kind
    found = Server(
        seen.kind,
        seen.url,
        seen.reason,
        place.named_by,
        entry=replace(place.entry, url=seen.url)
        if is_saved
        else EndpointConfig(seen.kind, _needed_url(seen)),
        saved_as=place.name if is_saved else "",
    )
    http.timeouts = replace(http.timeouts, connect_s=3.0, first_byte_s=10.0, idle_s=10.0)
    endpoint = open_server(entry, http)
    try:
        endpoint.discover()
        return _with_facts(found, endpoint)
    except EndpointError as error:
        return replace(found, problem=error.message, hint=error.hint)
    finally:
        endpoint.close()


def _with_facts(server: Server, endpoint: Endpoint) -> Server:
    from bridle.endpoints.base import ListsModels
    from bridle.endpoints.choose import choose_wrapper
    from bridle.endpoints.http_endpoint import HttpEndpoint

    models: tuple[ModelInfo, ...] = ()
    try:
        models = endpoint.models() if isinstance(endpoint, ListsModels) else ()
    except EndpointError as error:
        _log.info("%s: the models were not listed: %s", endpoint.name, error)
    models = tuple(sorted(models, key=lambda one: (not one.loaded, one.embedding)))
    told = endpoint.found if isinstance(endpoint, HttpEndpoint) else None
    wrapper, reason = choose_wrapper(endpoint)
    talkers = [one for one in models if not one.embedding]
    is_open = len(talkers) > 1 and sum(one.loaded is True for one in talkers) != 1
    return replace(
        server,
        version=told.version if told else "",
        model=endpoint.model,
        models=models,
        context_tokens=endpoint.context_tokens,
        trained_tokens=told.trained_tokens if told else None,
        wrapper=wrapper.name,
        wrapper_reason=reason,
        holds=_holds(endpoint.supports),
        entry=replace(server.entry, model=endpoint.model if is_open else server.entry.model),
    )


def _holds(supports: Supports) -> tuple[str, ...]:
    """Say what can be held, the surest first."""
    schema = (supports.prompt_schema and "with our prompt") or (supports.json_schema and "in its chat")
    words = (
        (supports.grammar, "a grammar of the whole turn"),
        (bool(schema), f"a JSON Schema {schema}"),
        (supports.regex, "a regular expression"),
        (supports.tools and supports.forced, "a forced tool call"),
        (supports.tools and not supports.forced, "native tools (not forced)"),
        (supports.json_mode, "any JSON object"),
    )
    return tuple(text for is_held, text in words if is_held)


def _checked(url: str) -> str:
    if "://" not in url:
        url = f"http://{url}"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{url!r} is no address of a server", hint="write http://HOST:PORT")
    return url


def _needed_url(seen: Identified) -> str:
    """The URL that a spec needs; none where the kind's name alone means this server."""
    usual = usual_url(seen.kind)
    is_usual = is_loopback(usual) and local_address(seen.url) == local_address(usual)
    return "" if is_usual else short_url(seen.url)
