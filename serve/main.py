"""Runs the server until it is stopped."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable

import uvicorn

from semanticmac.serve.app import create_app
from semanticmac.serve.protocol import TimedProtocol
from semanticmac.serve.server import Server
from semanticmac.serve.settings import MAX_CONNECTIONS, MAX_HEAD_BYTES, ServeError, ServeSettings

STOP_S = 3


def run(settings: ServeSettings, on_ready: Callable[[str], None]) -> None:
    """Serves until Ctrl-C or SIGTERM. on_ready receives the address when it answers.

    Raises ServeError where there is no model, the folder of jobs is in use, or the address is not
    free.
    """
    server = Server(settings)
    server.catalogue.require_any()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    with server.store.opened(), _listening(settings) as listener:
        TimedProtocol.head_timeout_s = settings.head_timeout_s
        config = uvicorn.Config(
            create_app(server),
            http=TimedProtocol,
            ws="none",
            lifespan="on",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=MAX_CONNECTIONS,
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            timeout_keep_alive=int(settings.head_timeout_s),
            timeout_graceful_shutdown=STOP_S,
        )
        on_ready(address(settings, listener.getsockname()[1]))
        uvicorn.Server(config).run([listener])


def address(settings: ServeSettings, port: int) -> str:
    """The address to open. A token stands after `#`, so that no browser sends or logs it."""
    host = settings.host
    if host in ("0.0.0.0", "::"):
        host = socket.gethostname()
    elif ":" in host:
        host = f"[{host}]"
    page = f"http://{host}:{port}/"
    return page if settings.token is None else f"{page}login#{settings.token}"


def _listening(settings: ServeSettings) -> socket.socket:
    """A socket that listens at the address. Raises ServeError."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=128)
    except OSError as error:
        raise ServeError(
            f"the address {settings.host}:{settings.port} cannot be used ({error.strerror}): "
            "give another --port or --host"
        ) from None
