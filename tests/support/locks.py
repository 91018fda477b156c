"""File systems that refuse a lock or a write."""

import errno
import fcntl
import os

import pytest

NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)


def refuse(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, code: int) -> None:
    """Every call of owner.name fails with the error of this number."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(owner, name, fail)


def refuse_locks(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    refuse(monkeypatch, fcntl, "flock", code)
