"""Bytes on which servers could disagree where a request ends, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: shop\r\n\r\n"
"""Stands behind each of them, and must never be taken for a request."""

_GET = b"GET /livez HTTP/1.1\r\nHost: shop\r\n"
_POST = b"{post} HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n{token}\r\n"
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n"


@dataclass(frozen=True)
class Framing:
    """What is sent, in which `{post}` and `{token}` are filled in, and the code it gets."""

    name: str
    raw: bytes
    code: str = "invalid_request"


def heads() -> Iterator[Framing]:
    """First lines and headers that are not those of HTTP/1.1."""
    for name, line in (
        ("HTTP/1.2", b"GET /livez HTTP/1.2\r\nHost: shop\r\n"),
        ("HTTP/3", b"GET /livez HTTP/3\r\nHost: shop\r\n"),
        ("HTTP/1.1 in small letters", b"GET /livez http/1.1\r\nHost: shop\r\n"),
        ("a version of three digits", b"GET /livez HTTP/1.10\r\nHost: shop\r\n"),
        ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n"),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n"),
        ("a line that ends in LF", b"GET /livez HTTP/1.1\nHost: shop\r\n"),
        ("a line that ends in CR", b"GET /livez HTTP/1.1\rHost: shop\r\n"),
        ("a tab", b"GET\t/livez HTTP/1.1\r\nHost: shop\r\n"),
        ("a blank before the method", b" GET /livez HTTP/1.1\r\nHost: shop\r\n"),
        ("another host", b"GET http://elsewhere/livez HTTP/1.1\r\nHost: shop\r\n"),
        ("a tunnel", b"CONNECT shop:443 HTTP/1.1\r\nHost: shop\r\n"),
        ("an asterisk", b"GET * HTTP/1.1\r\nHost: shop\r\n"),
        ("no host", b"GET /livez HTTP/1.1\r\n"),
        ("two hosts", _GET + b"Host: shop\r\n"),
        ("a folded header", _GET + b"X-Thing: 1\r\n 2\r\n"),
        ("a header folded by a tab", _GET + b"X-Thing: 1\r\n\t2\r\n"),
        ("a fold before the first header", b"GET /livez HTTP/1.1\r\n X: 1\r\nHost: shop\r\n"),
        ("a blank before the colon", _GET + b"X-Thing : 1\r\n"),
        ("a tab before the colon", _GET + b"X-Thing\t: 1\r\n"),
        ("no colon", _GET + b"X-Thing\r\n"),
        ("no name", _GET + b": 1\r\n"),
        ("a bare CR", _GET + b"X-Thing: 1\rX-Other: 2\r\n"),
        ("a bare LF", _GET + b"X-Thing: 1\nX-Other: 2\r\n"),
        ("NUL", _GET + b"X-Thing: 1\x002\r\n"),
        ("a name in UTF-8", _GET + "Ünder: 1\r\n".encode()),
    ):
        yield Framing(name, line + b"\r\n")
    for name, line in (
        ("HTTP/0.9", b"GET /livez\r\n"),
        ("HTTP/0.9 by name", b"GET /livez HTTP/0.9\r\nHost: shop\r\n"),
        ("HTTP/2.0", b"GET /livez HTTP/2.0\r\nHost: shop\r\n"),
    ):
        yield Framing(name, line + b"\r\n", "http_version")
    yield Framing("a long line", b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", "uri_too_long")
    yield Framing("a long header", _GET + b"X: " + b"x" * 9000 + b"\r\n\r\n", "head_too_large")
    many = b"".join(b"X-%d: 1\r\n" % number for number in range(200))
    yield Framing("many headers", _GET + many + b"\r\n", "head_too_large")


def lengths() -> Iterator[Framing]:
    """Bodies whose end is told twice, or not at all."""
    for name, lines in (
        ("length and chunks", b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n"),
        ("chunks and length", b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n"),
        ("two lengths", b"Content-Length: 2\r\nContent-Length: 40\r\n"),
        ("one length twice", b"Content-Length: 2\r\nContent-Length: 2\r\n"),
        ("a list of lengths", b"Content-Length: 2, 2\r\n"),
        ("a signed length", b"Content-Length: +2\r\n"),
        ("a negative length", b"Content-Length: -2\r\n"),
        ("a length in hexadecimal", b"Content-Length: 0x2\r\n"),
        ("a length with a blank in it", b"Content-Length: 2 0\r\n"),
        ("an empty length", b"Content-Length:\r\n"),
        ("a length beyond all numbers", b"Content-Length: " + b"9" * 40 + b"\r\n"),
        ("a length of 2^64", b"Content-Length: 18446744073709551616\r\n"),
        ("a length of thousands of digits", b"Content-Length: " + b"9" * 5000 + b"\r\n"),
        ("a length in quotes", b'Content-Length: "2"\r\n'),
        ("a length with more behind it", b"Content-Length: 2;\r\n"),
        ("a length of minus nothing", b"Content-Length: -0\r\n"),
        ("a length with an underscore", b"Content-Length: 2_0\r\n"),
        ("a length in floating point", b"Content-Length: 2e0\r\n"),
        ("three lengths alike", b"Content-Length: 2\r\n" * 3),
        ("two lengths, one in zeros", b"Content-Length: 2\r\nContent-Length: 02\r\n"),
        ("chunks that are not last", b"Transfer-Encoding: chunked, gzip\r\n"),
        ("chunks twice", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        ("another coding", b"Transfer-Encoding: identity\r\n"),
        ("no coding", b"Transfer-Encoding:\r\n"),
        ("no coding beside a length", b"Content-Length: 2\r\nTransfer-Encoding: \r\n"),
        ("chunks and no coding", b"Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n"),
        ("nearly chunks", b"Transfer-Encoding: xchunked\r\n"),
        ("a blank before the colon", b"Transfer-Encoding : chunked\r\n"),
    ):
        yield Framing(f"a body of {name}", _POST + lines + b"\r\n{}")
    old = _POST.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Transfer-Encoding: chunked\r\n\r\n"
    yield Framing("chunks in HTTP/1.0", old + b"2\r\n{}\r\n0\r\n\r\n")
    kept = old.replace(b"\r\n", b"\r\nConnection: keep-alive\r\n", 1)
    yield Framing("chunks in HTTP/1.0 that stays", kept + b"2\r\n{}\r\n0\r\n\r\n")


def chunks() -> Iterator[Framing]:
    """Chunks that are none."""
    for name, body in (
        ("no number", b"zz\r\n{}\r\n0\r\n\r\n"),
        ("a signed number", b"+2\r\n{}\r\n0\r\n\r\n"),
        ("a number with 0x", b"0x2\r\n{}\r\n0\r\n\r\n"),
        ("a number with a blank before", b" 2\r\n{}\r\n0\r\n\r\n"),
        ("a number beyond all", b"f" * 20 + b"\r\n{}\r\n0\r\n\r\n"),
        ("an empty number", b"\r\n{}\r\n0\r\n\r\n"),
        ("a line that ends in LF", b"2\n{}\r\n0\r\n\r\n"),
        ("data that ends in LF", b"2\r\n{}\n0\r\n\r\n"),
        ("more data than said", b"2\r\n{}xx\r\n0\r\n\r\n"),
        ("a bare LF in an extension", b"2;a\nb\r\n{}\r\n0\r\n\r\n"),
        ("a bare CR in an extension", b"2;a\rb\r\n{}\r\n0\r\n\r\n"),
        ("NUL in an extension", b"2;a=\x00\r\n{}\r\n0\r\n\r\n"),
        ("a trailer that is no header", b"2\r\n{}\r\n0\r\nnonsense\r\n\r\n"),
        ("a trailer with a blank", b"2\r\n{}\r\n0\r\nX-Thing : 1\r\n\r\n"),
    ):
        yield Framing(f"chunks with {name}", _CHUNKED + b"\r\n" + body)


def bodies() -> Iterator[Framing]:
    """Bodies that are refused before they are read: what follows is body, not request."""
    for bits, length in ((63, 2**63), (64, 2**64 - 1), (64, 2**64 - 2)):
        lines = b"Content-Length: %d\r\n" % length
        name = f"a body of {length}, of {bits} bits"
        yield Framing(name, _POST + lines + b"\r\n", "body_too_large")
        yield Framing(f"{name}, a part of it", _POST + lines + b"\r\n{}", "body_too_large")
    endless = b"Content-Length: 00018446744073709551615\r\n\r\n"
    yield Framing("a look with a body of 2^64 - 1", _GET + endless, "body_too_large")
    large = b"Content-Length: 10000000\r\n"
    yield Framing("a large body", _POST + large + b"\r\n{", "body_too_large")
    waits = large + b"Expect: 100-continue\r\n"
    yield Framing("a large body that waits", _POST + waits + b"\r\n", "body_too_large")
    coded = b"Content-Length: 500\r\nContent-Encoding: gzip\r\n"
    yield Framing("a coded body", _POST + coded + b"\r\n{", "unsupported_media_type")
    expects = b"Content-Length: 500\r\nExpect: a miracle\r\n"
    yield Framing("a body that expects a miracle", _POST + expects + b"\r\n{")


def all_framings() -> list[Framing]:
    """Return all of them."""
    return [*heads(), *lengths(), *chunks(), *bodies()]
