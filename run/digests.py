"""SHA-256 of every file of a run that prediction reads, so that a changed one is never scored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from semanticmac.cache.keys import file_digest

WEIGHTS = "model.safetensors"
LANGUAGE = "language"  # the tokenizer and the configuration of the language model


def digest_files(folder: Path) -> dict[str, str]:
    """Path below the folder → SHA-256, for the weights and all files of the language model."""
    paths = [folder / WEIGHTS, *sorted((folder / LANGUAGE).rglob("*"))]
    digests = {}
    for path in paths:
        if path.is_file():
            digests[path.relative_to(folder).as_posix()] = file_digest(path)
    return digests


def changed_files(folder: Path, expected: Mapping[str, str]) -> str:
    """What differs from the recorded digests, in words for an error; empty where nothing does.

    A file that was added below `language/` counts too: the tokenizer would read it.
    """
    actual = digest_files(folder)
    missing = sorted(expected.keys() - actual.keys())
    added = sorted(actual.keys() - expected.keys())
    changed = []
    for name in sorted(actual.keys() & expected.keys()):
        if actual[name] != expected[name]:
            changed.append(name)

    parts = []
    for names, state in ((missing, "missing"), (changed, "changed"), (added, "added")):
        if names:
            parts.append(f"{state}: {', '.join(names)}")
    return "; ".join(parts)


def prediction_digest(run: Path) -> str:
    """Identifies the files of a run that its predictions depend on.

    These are run.json, which holds the checksum of the weights, and trust.safetensors, which `eval`
    writes later: intervals and remarks come from it.
    """
    digest = file_digest(run / "run.json")
    trust = run / "trust.safetensors"
    if trust.exists():
        digest += file_digest(trust)
    return digest
