"""leaderboard --missing: every seed is scored before its weights are removed."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.planted import Walk
from support.program import semanticmac

from semanticmac.eval.leaderboard.result import Leaderboard

FIXED = ("epochs=1", "batch_size=8", "max_tokens=16", "freeze_language=true")


def words(walk: Walk, folder: Path, *more: object) -> list[str]:
    language = walk.layout.root.parents[1] / "bert"
    line: list[object] = ["leaderboard", "--dataset", "planted", "--cache", walk.layout.root]
    line += ["--runs", folder, "--models", "text,svm,concat", "--seeds", 2, "--trials", 0]
    for setting in (*FIXED, f"language={language}"):
        line += ["--set", setting]
    return [str(word) for word in [*line, *more]]


@pytest.mark.parametrize("kind", ["regression", "multi-label"])
def test_every_model_has_a_curve(walks: dict[str, Walk], kind: str, tmp_path: Path) -> None:
    line = words(walks[kind], tmp_path, "--missing", "same,subsets", "--draws", 2)
    answer = semanticmac(tmp_path, *line)
    assert "missing data: words and frames" in " ".join(answer.stdout.split())
    folder = tmp_path / "leaderboard-planted"
    board = Leaderboard.read(folder / "result.json")
    for row in board.rows:
        if row.kind == "constant":
            continue
        same, subsets = row.missing
        assert (same.runs, same.draws, len(same.points)) == (2, 2, 10)
        # Rate 0 and all modalities are the score of complete clips.
        assert same.points[0].values[board.main][0] == row.mean(board.main)
        assert subsets.points[0].values[board.main][0] == row.mean(board.main)
        assert len(subsets.points) == (1 if row.name == "text" else 7)
    assert (folder / "missing-same.png").exists() and (folder / "missing-subsets.csv").exists()
    assert not list(folder.glob("*/*/model.safetensors"))


def test_seeds_without_a_curve_are_named(walks: dict[str, Walk], tmp_path: Path) -> None:
    semanticmac(tmp_path, *words(walks["regression"], tmp_path))
    line = words(walks["regression"], tmp_path, "--missing", "block")
    answer = semanticmac(tmp_path, *line)
    assert "text: missing data, block: not scored in default-seed-1" in answer.stdout
    board = Leaderboard.read(tmp_path / "leaderboard-planted" / "result.json")
    text = next(row for row in board.rows if row.name == "text")
    assert text.missing == ()
    assert "not scored in default-seed-1, default-seed-2" in text.notes[-1]
