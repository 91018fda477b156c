"""The hub: whether it can be asked, and folders that are pushed to it and pulled from it.

A machine without network is answered at once. The hub's own library would try every file again for
half a minute.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies

TIMEOUT_S = 4.0


def is_offline() -> bool:
    """True if HF_HUB_OFFLINE forbids every request to the hub, or its address does not answer."""
    return _is_forbidden() or bool(_unreachable())


def offline_reason() -> str:
    """Why the hub cannot be asked, as the end of a sentence; empty if it can."""
    if _is_forbidden():
        return "HF_HUB_OFFLINE forbids a download"
    return _unreachable()


def _is_forbidden() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


@cache
def _unreachable() -> str:
    """Why no connection is possible; empty if one is. A proxy is left to the hub's library."""
    address = urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    if address.scheme in getproxies() or not address.hostname:
        return ""
    port = address.port or (80 if address.scheme == "http" else 443)
    try:
        socket.create_connection((address.hostname, port), TIMEOUT_S).close()
    except OSError as error:
        return f"{address.hostname} cannot be reached ({error.strerror or error})"
    return ""


Kind = Literal["model", "dataset"]


class HubError(Exception):
    """The hub cannot be asked, or refuses; the message says what to do."""


class Hub(Protocol):
    """Repositories of folders. Tests put a folder on disk in the place of the network."""

    def upload(self, folder: Path, repository: str, kind: Kind, private: bool) -> str:
        """Makes the repository hold exactly the files of the folder; returns its address."""

    def download(self, repository: str, kind: Kind, revision: str | None) -> Path:
        """A folder with the files of a repository. It may be shared: do not write there."""


class HuggingFaceHub:
    """The hub of Hugging Face, through huggingface_hub. It uses that library's login and cache."""

    def upload(self, folder: Path, repository: str, kind: Kind, private: bool) -> str:
        """Creates the repository if there is none. Files that the folder lacks are removed."""
        from huggingface_hub import HfApi

        api = HfApi()
        with _explained(repository):
            address = api.create_repo(repository, repo_type=kind, private=private, exist_ok=True)
            api.upload_folder(
                repo_id=repository,
                folder_path=folder,
                repo_type=kind,
                delete_patterns="*",
                commit_message="Upload by semanticmac",
            )
        return str(address)

    def download(self, repository: str, kind: Kind, revision: str | None) -> Path:
        """The newest files, or those of a branch, tag or commit."""
        from huggingface_hub import snapshot_download

        with _explained(repository):
            return Path(snapshot_download(repository, repo_type=kind, revision=revision))


def open_hub() -> Hub:
    """The hub. Raises HubError where it cannot be asked."""
    reason = offline_reason()
    if reason:
        raise HubError(f"the hub cannot be asked: {reason}")
    return HuggingFaceHub()


def require_repository(name: str) -> None:
    """Raises HubError for what is no name of a repository."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise HubError(f"{name!r} is no repository: expected USER/NAME")


@contextmanager
def _explained(repository: str) -> Iterator[None]:
    """Turns the errors of the hub's library into sentences."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

    try:
        yield
    except LocalTokenNotFoundError:
        raise HubError(
            f"{repository}: nobody is logged in to the hub. Run `hf auth login`, or set HF_TOKEN"
        ) from None
    except HFValidationError as error:
        raise HubError(f"{repository!r} is no repository: {error}") from None
    except HfHubHTTPError as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403, 404):
            raise HubError(
                f"the hub has no {repository}, or your login may not use it (HTTP {status}). Check "
                "the name, and `hf auth whoami`"
            ) from None
        raise HubError(f"the hub refused {repository}: {error}") from None
    except OSError as error:
        raise HubError(f"{repository} could not be transferred: {error}") from None


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Within the block, transformers shows no progress bars and logs errors only."""
    from transformers.utils import logging as transformers_logging

    logging: Any = transformers_logging  # Its functions have no types.
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
