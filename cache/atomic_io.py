"""Writing a file so that a reader sees all of it or none of it."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ASIDE = ".part"


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside `path`; when the block ends, flushes it to disk and renames it into place.

    When the block raises, the temporary file goes and whatever stood at `path` before stays. A full
    disk is an OSError that names `path`, whoever was writing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}{_ASIDE}")
    try:
        aside.touch()
        # that others may read it, say; safetensors would make a file for its owner alone
        mode = aside.stat().st_mode
        yield aside
        with aside.open("rb+") as file:
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        aside.replace(path)
        _flush_folder(path.parent)
    except Exception as error:
        if full := disk_full_error(error, path):
            raise full from error
        raise
    finally:
        aside.unlink(missing_ok=True)


def disk_full_error(error: Exception, path: Path) -> OSError | None:
    """The error as one that names `path`, where it says that the disk is full or a quota of it used up; else None.

    LMDB, and safetensors in Rust, pass on the words alone of what the disk says.
    """
    for code in (errno.ENOSPC, errno.EDQUOT):
        if getattr(error, "errno", None) == code or os.strerror(code) in str(error):
            return OSError(code, os.strerror(code), str(path))
    return None


def write_text(path: Path, text: str) -> None:
    """`Path.write_text`, but whole or not at all."""
    with atomic_write(path) as aside:
        aside.write_text(text, encoding="utf-8")


def remove_partial_files(root: Path) -> None:
    """Removes what a killed process was writing aside, `.NAME.PID.part`.

    Only for the one who may write below root.
    """
    for leftover in root.rglob(f".*{_ASIDE}"):
        if (
            re.fullmatch(rf"\..+\.\d+{re.escape(_ASIDE)}", leftover.name, re.DOTALL)
            and leftover.is_file()
        ):
            leftover.unlink()


def as_text(name: str) -> str:
    """A name that any file and any screen takes: bytes that are no UTF-8 (lone surrogates) become `\\udcff`."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def _flush_folder(folder: Path) -> None:
    # A rename is only on disk once the folder that holds the name is.
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
