# SPDX-License-Identifier: Apache-2.0
"""What no HTTP library sends. The server says 400 and closes, once, and goes on serving."""

import socket

import pytest

HEAD = b"Host: a\r\nContent-Type: application/json\r\n"
BODY = b'{"network":{}}'


def talk(port, data, timeout=10):
    """Everything that comes until the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as s:
        s.sendall(data)
        got = b""
        try:
            while True:
                more = s.recv(65536)
                if not more:
                    return got
                got += more
        except ConnectionResetError:
            return got


def post(*headers, body=BODY, host=HEAD):
    return b"POST /v2.0/networks HTTP/1.1\r\n" + host + b"".join(h + b"\r\n" for h in headers) + b"\r\n" + body


ABUSE = {
    "length twice, equal": post(b"Content-Length: 14", b"Content-Length: 14"),
    "length twice, different": post(b"Content-Length: 14", b"Content-Length: 15"),
    "length and chunked": post(b"Content-Length: 14", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "chunked and length": post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n"),
    "gzip": post(b"Transfer-Encoding: gzip"),
    "chunked after gzip": post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    "chunked twice": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    "two hosts": post(b"Host: b", b"Content-Length: 14"),
    "space before the colon": post(b"Content-Length : 14"),
    "folded": post(b"Content-Length: 1", b" 4"),
    "folded elsewhere": post(b"X-A: b", b"\tc", b"Content-Length: 14"),
    "folded, hidden by missing blanks": post(b"A:b", b"B:c", b"C:d", b"Content-Length:", b" 14"),
    "NUL in a value": post(b"X-A: b\0c", b"Content-Length: 14"),
    "bare LF": post(b"Content-Length: 14").replace(b"\r\n", b"\n"),
    "a blank in a name": post(b"X A: b", b"Content-Length: 14"),
}


@pytest.mark.parametrize("case", ABUSE)
def test_abuse(server, api, case):
    before = len(api.list("network"))
    got = talk(server.port, ABUSE[case])
    assert got.startswith(b"HTTP/1.1 400 "), got[:200]
    assert got.count(b"HTTP/1.1") == 1, got
    assert len(api.list("network")) == before


@pytest.mark.parametrize("length", [b"+14", b"0xe", b"", b"1" * 30])
def test_length_that_is_no_number(server, length):
    """The HTTP library's own answer: its code and the end of the connection are what counts."""
    got = talk(server.port, post(b"Content-Length: " + length))
    assert got[:13] in (b"HTTP/1.1 400 ", b"HTTP/1.1 413 ")


LONG = {
    "arguments": "?" + "name=x&" * 1500,
    "empty arguments": "?" + "&" * 60000,
    "question marks": "?a&" * 15000,
    "path": "/" + "x" * 40000,
}


@pytest.mark.parametrize("case", LONG)
def test_long_url(server, case):
    """Also one with more arguments than the HTTP library has memory for is answered."""
    got = talk(server.port, b"GET /v2.0/networks" + LONG[case].encode() + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert got[:13] in (b"HTTP/1.1 400 ", b"HTTP/1.1 404 "), got[:200]


def test_pipelined(server):
    get = b"GET /v2.0/extensions/dvr HTTP/1.1\r\nHost: a\r\n\r\n"
    got = talk(server.port, get * 4 + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert got.count(b"HTTP/1.1 200 OK") == 5
    assert got.count(b'"versions"') == 1


def test_chunked(server):
    body = b"5\r\n" + BODY[:5] + b"\r\n9\r\n" + BODY[5:] + b"\r\n0\r\n\r\n"
    got = talk(server.port, post(b"Transfer-Encoding: chunked", b"Connection: close", body=body))
    assert got.startswith(b"HTTP/1.1 201 "), got


def test_too_long_announced(server):
    got = talk(server.port, post(b"Content-Length: 1048577", b"Expect: 100-continue", body=b""))
    assert got.startswith(b"HTTP/1.1 413 ") and b"100 Continue" not in got


def test_too_long_chunked(server):
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    got = talk(server.port, post(b"Transfer-Encoding: chunked", b"Connection: close", body=chunk * 20 + b"0\r\n\r\n"))
    assert got.startswith(b"HTTP/1.1 413 "), got[:200]


def test_continue(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
        s.sendall(post(b"Content-Length: 14", b"Expect: 100-continue", b"Connection: close", body=b""))
        assert s.recv(100).startswith(b"HTTP/1.1 100 ")
        s.sendall(BODY)
        assert s.recv(1000).startswith(b"HTTP/1.1 201 ")


def test_long_head(server):
    assert b" 431 " in talk(server.port, b"GET / HTTP/1.1\r\nHost: a\r\nX-A: " + b"b" * 80000 + b"\r\n\r\n")[:20]
    assert b" 414 " in talk(server.port, b"GET /" + b"b" * 80000 + b" HTTP/1.1\r\nHost: a\r\n\r\n")[:20]


def test_half_close(server):
    """A client that says it will send no more still gets the answer of a read."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
        s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        s.shutdown(socket.SHUT_WR)
        assert s.recv(1000).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("data", [b"", b"GET", b"GET / HTTP/1.1\r\nHost: a\r\n", post(b"Content-Length: 14", body=b"{"),
                                  b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64, b"\r\n" * 100,
                                  b"\0" * 100])
def test_left_in_the_middle(server, api, data):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
        s.sendall(data)
    assert api.get("/").status == 200


@pytest.mark.parametrize("size", [2**20 + 1, 3 * 2**20])
def test_large_body_is_read_before_it_is_refused(server, size):
    """Most clients send all before they read the answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as s:
        s.sendall(post(b"Content-Length: %d" % size, b"Connection: close", body=b" " * size))
        got = s.makefile("rb").read()
    assert got.startswith(b"HTTP/1.1 413 ") and b"HTTPRequestEntityTooLarge" in got, got[:200]
