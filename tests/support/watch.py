"""Watches which files are opened, and whether anything connects to a port of this machine.

Both see every process and every library, also those written in C: the kernel reports the opens
(inotify), and the port accepts whoever calls.
"""

import ctypes
import os
import socket
import threading
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_IN_NONBLOCK, _IN_OPEN = os.O_NONBLOCK, 0x20


class FileWatch:
    """The files of one folder that were opened since the last question."""

    def __init__(self, folder: Path) -> None:
        self._handle = _LIBC.inotify_init1(_IN_NONBLOCK)
        added = _LIBC.inotify_add_watch(self._handle, os.fsencode(folder), _IN_OPEN)
        assert self._handle >= 0 and added >= 0, os.strerror(ctypes.get_errno())

    def opened(self) -> list[str]:
        try:
            events = os.read(self._handle, 1 << 16)
        except BlockingIOError:
            return []
        names = []
        while events:
            length = int.from_bytes(events[12:16], "little")
            names.append(events[16 : 16 + length].rstrip(b"\0").decode())
            events = events[16 + length :]
        return [name for name in names if name]

    def close(self) -> None:
        os.close(self._handle)


class PortWatch:
    """A port of this machine on which nobody should call."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._calls = 0
        threading.Thread(target=self._hang_up, daemon=True).start()

    def _hang_up(self) -> None:
        """Counts each caller and closes the connection at once, so that nobody waits."""
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._calls += 1
            connection.close()

    def calls(self) -> int:
        """The calls since the last question."""
        count, self._calls = self._calls, 0
        return count

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
