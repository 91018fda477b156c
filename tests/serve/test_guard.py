"""The guard refuses unknown names, other sites and wrong tokens, and adds headers everywhere."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from semanticmac.serve.guard import HEADERS, Guard, cookie_value
from semanticmac.serve.settings import ServeError, ServeSettings

TOKEN = "0123456789abcdef"


def ask(
    settings: ServeSettings, method: str = "GET", path: str = "/", **headers: str
) -> tuple[int, dict[str, str]]:
    """(status, headers) of the guard around an application that answers 200."""
    answers = []

    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message):
        answers.append(message)

    fields = {"host": "127.0.0.1:8000"} | {k.replace("_", "-"): v for k, v in headers.items()}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "client": ("10.0.0.9", 5),
        "headers": [(name.encode(), value.encode()) for name, value in fields.items()],
    }
    guard = GUARDS.setdefault(id(settings), Guard(application, settings))
    asyncio.run(guard(scope, None, send))
    start = answers[0]
    return start["status"], {k.decode(): v.decode() for k, v in start["headers"]}


GUARDS: dict[int, Guard] = {}


@pytest.fixture
def local(tmp_path: Path):
    yield ServeSettings(tmp_path)
    GUARDS.clear()


@pytest.fixture
def public(tmp_path: Path):
    yield ServeSettings(tmp_path, host="0.0.0.0", token=TOKEN, hosts=("films.example",))
    GUARDS.clear()


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000"])
def test_known_names_pass(local, host):
    assert ask(local, host=host)[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[", "10.0.0.1"])
def test_other_names_are_refused(local, host):
    """A page of evil.example whose name leads to 127.0.0.1 cannot read the answers."""
    assert ask(local, host=host)[0] == 421


def test_a_public_server_has_its_addresses_and_allowed_names(public):
    bearer = {"authorization": f"Bearer {TOKEN}"}
    assert ask(public, host="192.168.1.7:8000", **bearer)[0] == 200
    assert ask(public, host="films.example", **bearer)[0] == 200
    assert ask(public, host="evil.example", **bearer)[0] == 421


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1:8000", "sec_fetch_site": "same-origin"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "null"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
    ],
)
def test_a_page_of_another_site_sends_nothing(local, headers, status):
    assert ask(local, "POST", "/predict", **headers)[0] == status
    assert ask(local, "DELETE", "/jobs/a", **headers)[0] == status
    assert ask(local, "GET", "/", **headers)[0] == 200


def test_the_token_is_asked_for(public):
    assert ask(public)[0] == 401
    assert ask(public, authorization="Bearer wrong")[0] == 401
    assert ask(public, authorization=f"Bearer {TOKEN}")[0] == 200
    assert ask(public, cookie=f"semanticmac={cookie_value(TOKEN)}")[0] == 200
    status, headers = ask(public, accept="text/html")
    assert status == 303 and headers["location"] == "/login"
    assert ask(public, path="/login")[0] == ask(public, path="/health")[0] == 200


def test_wrong_tokens_are_limited(public):
    statuses = [ask(public, authorization=f"Bearer {number}")[0] for number in range(11)]
    assert statuses == [401] * 10 + [429]
    assert ask(public, authorization=f"Bearer {TOKEN}")[0] == 429


def test_every_answer_has_the_headers(public):
    for answer in (ask(public)[1], ask(public, authorization=f"Bearer {TOKEN}")[1]):
        for name, value in HEADERS.items():
            assert answer[name] == value
    policy = HEADERS["content-security-policy"]
    assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy


def test_a_public_server_without_a_token_does_not_start(tmp_path):
    with pytest.raises(ServeError, match=r"0\.0\.0\.0 can be reached.*needs a token"):
        ServeSettings(tmp_path, host="0.0.0.0")
    ServeSettings(tmp_path, host="127.0.0.7")
    ServeSettings(tmp_path, host="::1")
