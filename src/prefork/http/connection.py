"""The requests of one connection: bytes in, exchanges out, and who is to blame if that fails.

Complete heads become exchanges in `ready`; bodies grow inside them. The outcome does not depend on
how the bytes were split. llhttp does the tokens; what it lets through is checked here.
"""

from collections.abc import Callable

import httptools

from prefork.http import rules
from prefork.http.backlog import E
from prefork.http.errors import Refused
from prefork.http.fields import HASH, HOSTS, METHODS, NOTABLE, PATHS, SLASH, learn_host, learn_path
from prefork.http.forwarded import FORWARDING, Proxy
from prefork.http.head import Beginning, Head
from prefork.http.limits import Limits
from prefork.http.meter import Meter
from prefork.http.rules import CODING, CONNECTION, EXPECT, HOST, LENGTH, NO_FACTS, UPGRADE, Field
from prefork.http.upgrade import Switch, Upgrading

Make = Callable[[str, str, bytes, bytes, list[Field], str, bool], E]


class Connection(Upgrading[E]):
    """The parser's callback object. *make* is the class of its exchanges."""

    # fmt: off
    __slots__ = (
        "_body", "_cheap", "_fed", "_first", "_length", "_limits", "_make", "_meter", "_most",
        "proxy",
    )
    # fmt: on

    def __init__(self, limits: Limits, make: Make[E], switch: Switch[E] | None = None) -> None:
        super().__init__(switch)
        self._limits = limits
        self._make = make
        # Where no more than this was fed, no limit on a head can be exceeded, and none is measured.
        self._cheap = min(limits.request_line, limits.header_field, limits.headers_size)
        self._most = limits.headers
        self._parser = httptools.HttpRequestParser(self)
        self._fed = 0  # no less than what was fed of the current head, and
        self._first = 0  # of that, what may have belonged to the messages before
        self._body: E | None = None  # whose body is arriving
        self._length = 0  # of that body, as announced; or
        self._meter: Meter | None = None  # where it is chunked
        self.proxy: Proxy | None = None  # the peer, where it is trusted to say whose a request is

    @property
    def in_body(self) -> bool:
        """Whether the latest request's body is incomplete."""
        return self._body is not None

    @property
    def unbegun(self) -> Head | None:
        """What is known of a request that was refused, or whose head is incomplete."""
        if self._unbegun is not None or not self._fields:
            return self._unbegun
        return Beginning.parsed(self._parser, self._target, self._fields)

    def close(self) -> None:
        """Part from the parser, which refers back to us."""
        self.ended = True
        del self._parser

    def feed(self, data: bytes | memoryview) -> None:
        """Parse what arrived."""
        if self.ended or len(data) > self._at_once:
            self._slice(data)
            return
        if self.in_head:
            self._fed += len(data)
        else:
            self._fed = len(data)
        rest = None
        try:
            self._parser.feed_data(data)
            if self._meter is not None or (self.in_head and self._fed > self._cheap):
                self._check_unfinished(len(data))
        except httptools.HttpParserUpgrade as pause:
            rest = memoryview(data)[pause.args[0] :]
        except httptools.HttpParserError as error:
            self._stop(error)
        except Refused as refusal:
            self._refuse(refusal)
        if rest is not None:
            self._upgrade(rest)

    def on_message_begin(self) -> None:
        self.in_head = True
        self._first = self._fed

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        field = (name, value.rstrip())  # llhttp keeps trailing blanks
        self._fields.append(field)
        if name in NOTABLE:
            self._notable.append(field)

    def on_headers_complete(self) -> None:  # noqa: C901, PLR0912, PLR0915 - a call costs 0.05 µs
        if self._detached:
            self._rejoin()
            return
        if self._fed > self._cheap or len(self._fields) > self._most:
            self._measure()
        method = METHODS.get(self._parser.get_method())
        if method is None:
            raise Refused(501, "method not implemented")
        keep_alive = self._parser.should_keep_alive()
        notable = self._notable
        # Without a Connection header only 1.1 is kept alive; asking for the version costs 0.13 µs.
        if keep_alive and len(notable) == 1 and notable[0][0] == HOST:
            version, facts, host, forwarded = "1.1", NO_FACTS, notable[0][1], None
        else:
            facts = dict(notable)
            is_plain = keep_alive and CONNECTION not in facts
            version = "1.1" if is_plain else self._parser.get_http_version()
            rules.check(notable, facts, version)
            host = facts.get(HOST, b"")
            proxy, forwarded = self.proxy, None
            if proxy is not None and not facts.keys().isdisjoint(FORWARDING):
                forwarded = proxy.forwarded(notable)
        if host not in HOSTS:
            learn_host(host)
        target = self._target
        raw_path, _, query = target.partition(b"?")
        if target[0] != SLASH:
            raw_path = rules.path_of(method, target, host)
        path = PATHS.get(raw_path)
        if path is None:
            path = learn_path(raw_path)
        if query and HASH in query:
            raise Refused(400, "a fragment in the target")
        exchange = self._make(method, path, raw_path, query, self._fields, version, keep_alive)
        exchange.target = target
        exchange.forwarded = forwarded
        if facts and (LENGTH in facts or CODING in facts):
            self._frame(exchange, facts)
        self._fields, self._notable, self._target = [], [], b""  # of trailers, then of a head
        self.in_head = False
        self._body = exchange
        self.ready.append(exchange)

    def on_chunk_header(self) -> None:
        if self._meter is not None:
            self._meter.chunk()

    def on_body(self, data: bytes) -> None:
        exchange = self._body
        assert exchange is not None
        exchange.store(data)
        if 0 < self._limits.body < exchange.received:
            raise Refused(413, "the body is too large")
        if self._meter is not None:
            self._meter.data(len(data))

    def on_message_complete(self) -> None:
        if self._detached:
            return  # not yet: its body follows
        exchange = self._body
        assert exchange is not None
        if self._fields:
            rules.check_trailers(self._fields, self._limits)
            self._fields, self._notable = [], []
        exchange.body_complete = True
        self._body = None
        self._meter = None
        self.ended = not exchange.keep_alive

    def _frame(self, exchange: E, facts: dict[bytes, bytes]) -> None:
        """Prepare for the body that these headers announce."""
        self._length = length = int(facts.get(LENGTH, 0))
        if 0 < self._limits.body < length:
            raise Refused(413, "the body is too large")
        self._meter = Meter(self._limits.headers_size) if CODING in facts else None
        if self._meter is None and length == 0:
            return
        exchange.expects_continue = EXPECT in facts and exchange.version == "1.1"
        if UPGRADE in facts and self._parser.should_upgrade():
            self._detach(facts)

    def _announced(self) -> int:
        if self._body is None or self._meter is not None:
            return 0
        return self._length - self._body.received

    def _measure(self) -> None:
        """Raise Refused where what is known of the head is over a limit."""
        rules.measure_line(self._parser.get_method(), self._target, self._limits)
        rules.measure_fields(self._fields, self._limits)

    def _check_unfinished(self, fed: int) -> None:
        """Raise Refused where a head, or the lines of a chunked body, can only get too large."""
        if self.in_head:
            self._measure()
            if self._fed - self._first > self._limits.headers_size + self._limits.request_line:
                raise Refused(431, "the header fields are too large")
        elif self._meter is not None:
            rules.measure_fields(self._fields, self._limits)
            self._meter.fed(fed)

    def _stop(self, error: Exception) -> None:
        """Find out whose fault a failed parse is."""
        if self.ended:
            return  # data after the last request: not ours to judge
        refusal = rules.verdict(error)
        try:  # as it would have been, had the bytes before the culprit come alone
            if self.in_head:
                self._measure()
            else:
                rules.measure_fields(self._fields, self._limits)
        except Refused as larger:
            refusal = larger
        self._refuse(refusal)

    def _refuse(self, refusal: Refused) -> None:
        self.refusal = refusal
        self.ended = True
        if self._body is not None and self.ready and self.ready[-1] is self._body:
            self._unbegun = self.ready.pop()
            self._body = None
