"""What several verbs do before their work begins."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import typer

if TYPE_CHECKING:
    from semanticmac.console.progress import Screen
    from semanticmac.preprocess.corpora import Options
    from semanticmac.preprocess.encoder import Encoder


def check_name(name: str | None) -> None:
    """A name in the cache becomes a folder there."""
    if name is not None and not re.fullmatch(r"[\w-]+", name):
        raise typer.BadParameter(f"--name {name}: expected letters, digits, - and _")


def lists_of(
    splits: Path | None, exclude: Path | None, labels: Path | None, split_by: str | None, fold: int | None
) -> Options:
    """The lists that replace a corpus's own, or a usage error where they exclude each other."""
    from semanticmac.preprocess.corpora import Options

    try:
        return Options(splits, exclude, labels, cast(Literal["video"] | None, split_by), fold)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def open_encoder(name: str, device: str, screen: Screen) -> Encoder:
    """The frozen encoder, downloaded where that is its way."""
    from semanticmac.preprocess.encoder import load_encoder

    return load_encoder(name, device, screen.bytes, screen.line)


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
