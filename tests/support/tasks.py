"""Tasks of every kind, for tests of functions that read a task and no labels."""

from __future__ import annotations

from semanticmac.core import Dimension, Kind, Task

# Three scores whose ranges differ in width and in sign.
AFFECT = Task(
    "regression",
    dimensions=(
        Dimension("valence", -3.0, 3.0),
        Dimension("arousal", 1.0, 5.0),
        Dimension("effort", 0.0, 100.0),
    ),
)


def task_of(kind: Kind, width: int = 3) -> Task:
    """One score, two classes of a binary task, or `width` classes."""
    if kind == "regression":
        return Task("regression")
    if kind == "binary":
        return Task("binary", ("no", "yes"))
    return Task(kind, tuple(f"class {number}" for number in range(width)))
