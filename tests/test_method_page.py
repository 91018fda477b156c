"""The tables of docs/method.md match the code: functions, tests, settings, defaults, ablations."""

from __future__ import annotations

import ast
from dataclasses import fields
from pathlib import Path

import pytest

from semanticmac.eval.report.paper import quoted_ablation
from semanticmac.model.config import ModelConfig
from semanticmac.train.config import TrainConfig
from semanticmac.train.experiments.ablation_rows import ROWS
from semanticmac.train.overrides import override, parse_settings

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "method.md"


def table(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    text = PAGE.read_text(encoding="utf-8").split(f"## {heading}\n", 1)[1]
    lines = [line for line in text.split("\n## ", 1)[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def defined_in(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


@pytest.mark.parametrize("row", table("Equations"), ids=lambda row: f"eq. {row[0]} {row[1]}")
def test_an_equation_has_its_code_and_its_test(row: list[str]) -> None:
    for cell in row[2:]:
        file, name = cell.replace("`", "").split()
        assert name in defined_in(ROOT / file), cell


def test_every_equation_is_there() -> None:
    numbers: set[int] = set()
    for cell, *_ in table("Equations"):
        for part in cell.split(","):
            first, _, last = part.strip().partition("-")
            numbers |= set(range(int(first), int(last or first) + 1))
    assert numbers == set(range(1, 23))


def test_every_choice_has_its_key_and_its_default() -> None:
    defaults = {**vars(TrainConfig("")), **vars(ModelConfig())}
    rows = table("Choices")
    for choice, key, default in rows:
        value = defaults[key.strip("`")]
        written = ", ".join(value) if isinstance(value, tuple) else str(value)
        assert default == (written.lower() if isinstance(value, bool) else written), choice
    # What is left is the paper's: a row of its ablation table, a line of its settings table, or
    # read from the cache.
    of_paper = {key for row in ROWS.values() for key in row}
    of_paper |= {
        "dataset",
        "seed",
        "epochs",
        "batch_size",
        "lr_language",
        "lr_rest",
        "weight_decay",
        "schedule",
    }
    of_paper |= {"language", "dropout", "outputs", "vision_width", "audio_width", "model"}
    of_paper.add("output_units")
    # The model and its own settings, and the streams of embeddings, are chosen beside them.
    of_paper |= {"name", "method", "vision", "audio"}
    # The models of dialogues have a page of their own, and `--folds` sets the fold.
    of_paper |= {"future", "dialogue_window", "dialogue_overlap", "language_batch", "fold"}
    named = {key.strip("`") for _, key, _ in rows}
    assert {
        field.name for config in (TrainConfig, ModelConfig) for field in fields(config)
    } == named | of_paper


def test_every_ablation_row_is_there_with_its_setting() -> None:
    rows = table("Ablations")
    assert [name.strip("`") for name, _, _ in rows] == list(ROWS)
    for name, setting, in_paper in rows:
        row = name.strip("`")
        words = [setting.strip("`")] if setting else []
        assert parse_settings(words) == ROWS[row]
        assert override(TrainConfig("mosei"), parse_settings(words)) == override(
            TrainConfig("mosei"), ROWS[row]
        )
        assert (in_paper == "yes") == (row in quoted_ablation())
