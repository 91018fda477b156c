"""How dense the code is to read: one row each for package, tests, benchmarks and examples.

    python -m benchmarks.readability [FOLDER]

Counts come from the syntax tree, so that a word in a docstring is not taken for code. Lines are all
lines of a file, with blank ones, comments and docstrings.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
OUTSIDE = ("tests", "benchmarks", "examples")
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass
class Counts:
    """What is counted over the files of one part of the repository."""

    files: int = 0
    lines: int = 0
    statements: int = 0
    comprehensions: int = 0
    if_expressions: int = 0
    lines_over_100: int = 0
    longest_file: int = 0

    def add(self, source: str) -> None:
        """Counts one file."""
        lines = source.splitlines()
        self.files += 1
        self.lines += len(lines)
        self.longest_file = max(self.longest_file, len(lines))
        self.lines_over_100 += sum(len(line) > 100 for line in lines)
        for node in ast.walk(ast.parse(source)):
            self.statements += isinstance(node, ast.stmt)
            self.comprehensions += isinstance(node, COMPREHENSIONS)
            self.if_expressions += isinstance(node, ast.IfExp)

    def row(self, name: str) -> str:
        """The counts as a line of the table."""
        per_thousand = 1000 / max(1, self.lines)
        return (
            f"{name:<12}{self.files:>6}{self.lines:>8}{self.statements:>12}"
            f"{self.comprehensions * per_thousand:>18.1f}"
            f"{self.if_expressions * per_thousand:>18.1f}"
            f"{self.lines_over_100:>12}{self.longest_file:>10}"
        )


def count(root: Path) -> dict[str, Counts]:
    """Counts of the package, of its tests and of its benchmarks."""
    parts = {"package": Counts(), "tests": Counts(), "benchmarks": Counts(), "examples": Counts()}
    for path in sorted(root.rglob("*.py")):
        folders = path.relative_to(root).parts
        if folders[0].startswith("."):
            continue
        part = folders[0] if folders[0] in OUTSIDE else "package"
        parts[part].add(path.read_text(encoding="utf-8"))
    return parts


def main() -> None:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT
    print(
        f"{'':<12}{'files':>6}{'lines':>8}{'statements':>12}{'comprehensions/k':>18}"
        f"{'if-expressions/k':>18}{'over 100':>12}{'longest':>10}"
    )
    for name, counts in count(root).items():
        print(counts.row(name))


if __name__ == "__main__":
    main()
