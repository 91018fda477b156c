"""A hub that cannot be asked is known at once, and a reachable one is asked."""

import socket

import pytest

from semanticmac import hub
from semanticmac.model.language.source import LanguageModelError, require_source


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    hub._unreachable.cache_clear()
    yield
    hub._unreachable.cache_clear()


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_an_address_without_an_answer_is_offline(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed_port()}")
    assert hub.is_offline()
    assert "127.0.0.1 cannot be reached (Connection refused)" in hub.offline_reason()
    with pytest.raises(LanguageModelError, match=r"is not on this machine, and 127.0.0.1 cannot"):
        require_source("some-one/some-model")


def test_an_address_that_answers_is_not(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        assert not hub.is_offline()
        assert hub.offline_reason() == ""
        require_source("some-one/some-model")


def test_a_proxy_is_left_to_the_library_of_the_hub(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    assert not hub.is_offline()


def test_the_variable_forbids_without_asking(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(socket, "create_connection", None)
    assert hub.is_offline()
    assert hub.offline_reason() == "HF_HUB_OFFLINE forbids a download"
