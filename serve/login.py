"""Login: a browser exchanges the token for a cookie."""

from __future__ import annotations

import hmac
from urllib.parse import parse_qs

from fastapi import FastAPI, Request
from fastapi.responses import Response

from semanticmac.serve.guard import COOKIE, client_address, cookie_value
from semanticmac.serve.limits import RateLimit
from semanticmac.serve.pages import error_page, render
from semanticmac.serve.settings import WRONG_TOKENS_PER_MINUTE, ServeSettings

_MAX_BODY_BYTES = 4096


def add_login(app: FastAPI, settings: ServeSettings) -> None:
    """Adds the page that asks for the token. Without a token it leads to the start page."""
    wrong_tokens = RateLimit(WRONG_TOKENS_PER_MINUTE)

    @app.get("/login", include_in_schema=False)
    async def form() -> Response:
        return render("login.html", title="Token")

    @app.post("/login", include_in_schema=False)
    async def login(request: Request) -> Response:
        address = client_address(request.scope)
        if wrong_tokens.wait_s(address):
            return error_page(429, "too many wrong tokens: wait a minute", {})
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MAX_BODY_BYTES:
                return error_page(413, "the form is too long", {"connection": "close"})
        given = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[-1].strip()
        token = settings.token or ""
        if not hmac.compare_digest(given.encode(), token.encode()):
            wrong_tokens.add(address)
            return error_page(401, "the token is wrong", {})
        response = Response(status_code=303, headers={"location": "/"})
        response.set_cookie(COOKIE, cookie_value(token), httponly=True, samesite="strict")
        return response
