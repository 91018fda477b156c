"""ImageBind's encoders by name. This file loads no torch: a wrong name is answered at once."""

from __future__ import annotations

from pathlib import Path

ENCODERS = ("imagebind-tiny", "imagebind-huge")
SUFFIXES = (".pth", ".pt", ".safetensors")


class CheckpointError(Exception):
    """A weight file that cannot be used; the message says why and what to do."""


def weight_file(path_as_given: str) -> Path:
    """The path of a weight file. Raises CheckpointError if it is none, or is not there."""
    path = Path(path_as_given).expanduser()
    choices = f"choose {', '.join(ENCODERS)} or a {' / '.join(SUFFIXES)} file"
    if path.suffix not in SUFFIXES:
        raise CheckpointError(f"no encoder is called {path_as_given!r}: {choices}")
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}: {choices}")
    return path
