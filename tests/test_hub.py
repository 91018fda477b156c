"""A hub that cannot be asked is known at once, and a reachable one is asked."""

import socket
from typing import ClassVar

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


class FakeApi:
    """Stands in for huggingface_hub.HfApi and remembers what it was asked."""

    calls: ClassVar[list[tuple[str, dict[str, object]]]] = []

    def create_repo(self, name: str, **options: object) -> str:
        self.calls.append(("create", {"name": name, **options}))
        return f"https://hub/{name}"

    def upload_folder(self, **options: object) -> None:
        self.calls.append(("upload", options))


def test_an_upload_creates_the_repository_and_replaces_its_files(monkeypatch, tmp_path):
    FakeApi.calls.clear()
    monkeypatch.setattr("huggingface_hub.HfApi", FakeApi)
    address = hub.HuggingFaceHub().upload(tmp_path, "me/features", "dataset", private=True)
    assert address == "https://hub/me/features"
    (_, created), (_, uploaded) = FakeApi.calls
    assert created == {
        "name": "me/features",
        "repo_type": "dataset",
        "private": True,
        "exist_ok": True,
    }
    assert uploaded["repo_id"] == "me/features" and uploaded["folder_path"] == tmp_path
    assert uploaded["delete_patterns"] == "*"


def test_a_download_asks_for_the_revision(monkeypatch, tmp_path):
    asked = {}

    def snapshot(name: str, **options: object) -> str:
        asked.update(options, name=name)
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    assert hub.HuggingFaceHub().download("me/model", "model", "v1") == tmp_path
    assert asked == {"name": "me/model", "repo_type": "model", "revision": "v1"}


def test_a_missing_login_and_a_refusal_are_said(monkeypatch, tmp_path):
    from huggingface_hub.errors import LocalTokenNotFoundError

    def no_token(name: str, **options: object) -> str:
        raise LocalTokenNotFoundError("no token")

    monkeypatch.setattr("huggingface_hub.snapshot_download", no_token)
    with pytest.raises(hub.HubError, match="hf auth login"):
        hub.HuggingFaceHub().download("me/model", "model", None)

    def broken(name: str, **options: object) -> str:
        raise ConnectionError("reset by peer")

    monkeypatch.setattr("huggingface_hub.snapshot_download", broken)
    with pytest.raises(hub.HubError, match="could not be transferred: reset by peer"):
        hub.HuggingFaceHub().download("me/model", "model", None)


def test_a_hub_that_is_forbidden_is_not_opened(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(hub.HubError, match="HF_HUB_OFFLINE forbids"):
        hub.open_hub()


@pytest.mark.parametrize("name", ["features", "a/b/c", "me/", "../x/y", "me/a b"])
def test_a_name_that_is_no_repository_is_refused(name):
    with pytest.raises(hub.HubError, match="expected USER/NAME"):
        hub.require_repository(name)
