"""Guard: every request passes it before the application sees it.

It refuses unknown host names (DNS rebinding), requests from pages of other sites (CSRF) and
requests without the token, and it adds the security headers to every answer.
"""

from __future__ import annotations

import hashlib
import hmac
import html
import ipaddress
import json
import socket
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from semanticmac.serve.limits import RateLimit
from semanticmac.serve.settings import (
    MAX_HEAD_BYTES,
    WRONG_TOKENS_PER_MINUTE,
    ServeSettings,
    is_loopback,
)

COOKIE = "semanticmac"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
# Sent with every answer that does not bring its own.
HEADERS = {
    "content-security-policy": PAGE_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
# Paths that need no token.
OPEN_PATHS = ("/login", "/health")
OPEN_PREFIX = "/static/"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class Guard:
    """An ASGI application around another one."""

    def __init__(self, app: ASGIApp, settings: ServeSettings) -> None:
        self._app = app
        self._token = settings.token
        self._hosts = {"localhost", "127.0.0.1", "::1"}
        self._hosts.update(name.lower() for name in (settings.host, *settings.hosts))
        # Rebinding needs a name: an address in the header is always the true one.
        self._any_address = not is_loopback(settings.host)
        if self._any_address:
            self._hosts.add(socket.gethostname().lower())
        self._wrong_tokens = RateLimit(WRONG_TOKENS_PER_MINUTE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # No other protocol is served.
            return
        headers = Headers(scope=scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    answer.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self._app(scope, receive, send_with_headers)
            return
        status, reason = refusal
        if status == 401 and wants_page(headers) and scope["method"] == "GET":
            await _redirect(send_with_headers, "/login")
            return
        await _answer(send_with_headers, status, reason, wants_page(headers))

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """(status, reason), or None for a request that may pass."""
        if sum(len(name) + len(value) for name, value in scope["headers"]) > MAX_HEAD_BYTES:
            return 431, f"the headers are longer than {MAX_HEAD_BYTES:,} bytes"
        if not self._knows_host(headers.get("host", "")):
            return 421, (
                "this server is not known under that name: open it as it was printed at its "
                "start, or start it with --allow-host NAME"
            )
        if scope["method"] not in SAFE_METHODS and _is_foreign(headers):
            return 403, "the request comes from a page of another site and is refused"
        if self._token is None or _is_open(scope["path"]):
            return None
        address = client_address(scope)
        if self._wrong_tokens.wait_s(address):
            return 429, "too many wrong tokens: wait a minute"
        given = _given_token(headers)
        if given is None:
            return 401, "this server needs its token: send `Authorization: Bearer TOKEN`"
        if not self.accepts(given):
            self._wrong_tokens.add(address)
            return 401, "the token is wrong"
        return None

    def _knows_host(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        return name in self._hosts or (self._any_address and _is_address(name or ""))

    def accepts(self, given: str) -> bool:
        """Whether a bearer token or the value of a cookie is right."""
        assert self._token is not None
        for expected in (self._token, cookie_value(self._token)):
            if hmac.compare_digest(given.encode(), expected.encode()):
                return True
        return False


def cookie_value(token: str) -> str:
    """What a browser keeps after a login: it does not show the token."""
    return "c-" + hashlib.sha256(b"semanticmac cookie " + token.encode()).hexdigest()


def client_address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else "unknown"


def wants_page(headers: Headers) -> bool:
    """Whether the client is a browser that opens a page."""
    return "text/html" in headers.get("accept", "")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_PREFIX)


def _is_foreign(headers: Headers) -> bool:
    """Whether a page of another site sent the request. Programs send neither header."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = headers.get("origin")
    if origin is None:
        return False
    return urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


def _given_token(headers: Headers) -> str | None:
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and token.strip():
        return token.strip()
    return cookie_parser(headers.get("cookie", "")).get(COOKIE)


async def _redirect(send: Send, path: str) -> None:
    location = [(b"location", path.encode()), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 303, "headers": location})
    await send({"type": "http.response.body", "body": b""})


async def _answer(send: Send, status: int, reason: str, page: bool) -> None:
    kind, body = b"application/json", json.dumps({"error": reason})
    if page:
        kind = b"text/html; charset=utf-8"
        body = (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>Refused</title>'
            f"<h1>Refused</h1><p>{html.escape(reason)}.</p></html>"
        )
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body.encode())).encode()),
        (b"connection", b"close"),
    ]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})
