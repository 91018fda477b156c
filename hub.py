"""Whether the model hub can be asked, so that a machine without network is answered at once.

Without this check the hub's own library tries every file again for half a minute.
"""

from __future__ import annotations

import os
import socket
from functools import cache
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
