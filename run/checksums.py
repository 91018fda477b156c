"""SHA256SUMS: the checksum of every file of an exported model, as `sha256sum --check` reads it."""

from __future__ import annotations

from pathlib import Path

from semanticmac.cache.atomic_io import write_text
from semanticmac.cache.keys import file_digest
from semanticmac.run.folder import RunError

SUMS = "SHA256SUMS"
# What the hub adds to a repository or a download by itself.
NOT_LISTED = (SUMS, ".gitattributes")


def write_checksums(folder: Path) -> None:
    """Writes the checksums of all files of a folder."""
    lines = []
    for name in _files(folder):
        lines.append(f"{file_digest(folder / name)}  {name}\n")
    write_text(folder / SUMS, "".join(lines))


def check_checksums(folder: Path) -> None:
    """Raises RunError where a file is missing, changed, or not listed."""
    path = folder / SUMS
    if not path.exists():
        raise RunError(
            f"{folder} has no {SUMS}: it is no exported model, or of an older version. "
            "`semanticmac export RUN DIR` writes one"
        )
    expected: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        expected[name] = digest
    actual = _files(folder)
    problems = [f"{name} is missing" for name in sorted(expected.keys() - set(actual))]
    for name in actual:
        if name not in expected:
            problems.append(f"{name} is not listed")
        elif file_digest(folder / name) != expected[name]:
            problems.append(f"{name} has changed")
    if problems:
        raise RunError(f"{folder} is not as it was exported: {'; '.join(problems)}")


def _files(folder: Path) -> list[str]:
    """The files below a folder that are listed."""
    names = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in NOT_LISTED and not name.startswith(".cache/"):
            names.append(name)
    return names
