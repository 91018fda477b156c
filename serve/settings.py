"""The settings of one server, and its limits."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

# A server holds at most this many uploads open at once.
MAX_UPLOADS = 16
# A transcript or another form field is at most this long.
MAX_FIELD_BYTES = 256 * 1024
# The headers of one part of a form together. Older python-multipart has no limit of its own.
MAX_PART_HEAD_BYTES = 8 * 1024
# Line and headers of a request together.
MAX_HEAD_BYTES = 32 * 1024
HEAD_TIMEOUT_S = 15.0
# An upload that sends fewer bytes within this time is closed.
SLOW_WINDOW_S = 30.0
SLOW_WINDOW_BYTES = 64 * 1024
# Free space that an upload leaves on the disk.
FREE_BYTES = 1 << 30
# A job that ends the model process this often is not tried again.
MAX_ATTEMPTS = 3
MAX_CONNECTIONS = 256
MAX_STREAMS = 64
WRONG_TOKENS_PER_MINUTE = 10


class ServeError(Exception):
    """The server cannot start with these settings; the message says what to change."""


@dataclass(frozen=True)
class ServeSettings:
    """Everything that the user chooses."""

    data: Path  # uploads, jobs and results
    runs: tuple[tuple[str, Path], ...] = ()  # name → run folder, named one by one
    runs_dir: Path | None = None  # every finished run below it is offered too
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None  # None: no token is asked for
    hosts: tuple[str, ...] = ()  # further names under which the server may be reached
    max_bytes: int = 512 << 20  # of one upload
    max_seconds: float = 3600.0  # of one recording
    max_waiting: int = 20  # jobs that wait
    uploads_per_minute: int = 30  # from one address
    keep_hours: float = 24.0  # after its end a job is deleted
    device: str = "auto"
    recogniser: str | None = None  # writes down what is said where no transcript is given
    head_timeout_s: float = HEAD_TIMEOUT_S
    slow_window_s: float = SLOW_WINDOW_S

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_seconds", "max_waiting", "uploads_per_minute", "keep_hours"):
            value = getattr(self, name)
            if not value > 0:
                raise ServeError(f"{name} is {value}: expected a number above 0")
        if self.token is None and not is_loopback(self.host):
            raise ServeError(
                f"a server on {self.host} can be reached from other machines and needs a token: "
                "set SEMANTICMAC_TOKEN or give --token-file"
            )


def is_loopback(host: str) -> bool:
    """True for an address that no other machine can reach."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
