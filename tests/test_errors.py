"""semanticmac.errors lists every exception of the package."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from semanticmac import errors

ROOT = Path(__file__).parents[1]
BASES = {"Exception", "ValueError", "RuntimeError", "OSError", "ConfigError"}
# Raised and caught within one package.
INTERNAL = {
    "DecoderFailed",
    "HandOver",
    "ProcessLost",
    "RecordingRefused",
    "UploadError",
    "WorkerLost",
}


def defined_exceptions() -> set[str]:
    names = set()
    for file in ROOT.rglob("*.py"):
        folder = file.relative_to(ROOT).parts[0]
        if folder in (".venv", "tests", "benchmarks", "examples", "build"):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef):
                bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
                if bases & BASES:
                    names.add(node.name)
    return names


def test_every_exception_is_listed() -> None:
    assert defined_exceptions() - INTERNAL == set(errors.__all__) == set(errors._MODULES)


@pytest.mark.parametrize("name", errors.__all__)
def test_every_listed_exception_exists(name: str) -> None:
    assert issubclass(getattr(errors, name), Exception)


def test_another_name_is_no_exception() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = errors.Nothing  # type: ignore[attr-defined]
