"""A lock belongs to one process; a folder that cannot be locked or written is named."""

import errno

import pytest
from support.locks import NO_LOCKS, NOT_WRITABLE

from semanticmac.cache.file_locks import try_lock, wait_for_lock, writable


class Refused(Exception):
    pass


def test_a_lock_is_held_once_until_its_file_is_closed(tmp_path):
    path = tmp_path / ".lock"
    with path.open("a") as first, path.open("a") as second:
        assert try_lock(first)
        assert not try_lock(second)
        first.close()
        wait_for_lock(second)
        with path.open("a") as third:
            assert not try_lock(third)


@pytest.mark.parametrize("code", NO_LOCKS)
def test_a_file_system_without_locks_is_named(tmp_path, code):
    with (
        pytest.raises(Refused, match=r"does not support locks \(NFS\?\).*give --run a folder"),
        writable(tmp_path, Refused, "--run"),
    ):
        raise OSError(code, "no locks")


@pytest.mark.parametrize("code", NOT_WRITABLE)
def test_a_folder_that_cannot_be_written_is_named(tmp_path, code):
    with (
        pytest.raises(Refused, match=r"cannot be written \(no\): give --run another folder"),
        writable(tmp_path, Refused, "--run"),
    ):
        raise OSError(code, "no")


def test_every_other_error_stays_as_it_is(tmp_path):
    with pytest.raises(OSError, match="full"), writable(tmp_path, Refused, "--run"):
        raise OSError(errno.ENOSPC, "full")
