"""Locks between processes, and one sentence for a folder that cannot be written or locked."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR)


def try_lock(file: IO[str] | int) -> bool:
    """Locks a file for this process; False if another process holds the lock.

    The system releases the lock of a process that was killed.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_for_lock(file: IO[str]) -> None:
    """Locks a file for this process as soon as no other process holds the lock."""
    fcntl.flock(file, fcntl.LOCK_EX)


@contextmanager
def writable(folder: Path, exception: type[Exception], option: str) -> Iterator[None]:
    """Turns the errors of a folder that cannot be written or locked into one sentence.

    option: the option that names another folder, for the message. Raises `exception`.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_LOCKS:
            raise exception(
                f"the file system of {folder} does not support locks (NFS?), and without one two "
                f"processes could damage the files: give {option} a folder on another disk"
            ) from None
        if error.errno in _NOT_WRITABLE:
            raise exception(
                f"{folder} cannot be written ({error.strerror}): give {option} another folder, or "
                "change its permissions"
            ) from None
        raise
