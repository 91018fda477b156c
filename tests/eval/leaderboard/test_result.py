"""The result file: it is read as it was written, and a wrong one is refused in words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.leaderboards import board, board_with_curves

from semanticmac.eval.leaderboard.result import SCHEMA, Leaderboard, ResultError

PAGE = Path(__file__).parents[3] / "docs" / "leaderboard.md"


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    board().write(path)
    assert Leaderboard.read(path) == board()
    assert json.loads(path.read_text())["schema"] == SCHEMA


def test_the_page_explains_every_key(tmp_path: Path) -> None:
    board().write(tmp_path / "result.json")
    content = json.loads((tmp_path / "result.json").read_text())
    explained = set(re.findall(r"`(\w+)`", PAGE.read_text(encoding="utf-8")))
    row = content["rows"][1]
    for keys in (content, row, row["cost"], row["seeds"][0], content["rows"][2]["quotes"][0]):
        assert set(keys) <= explained, set(keys) - explained


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "has the schema None, this version reads 1"),
        ('{"schema": 7}', "has the schema 7, this version reads 1"),
        ('{"schema": 1, "metrics": []}', "is no result of a leaderboard: dataset is missing"),
        ('{"schema": 1, "metrics": [1]}', "is no result of a leaderboard"),
        ("[" * 100_000, "cannot be read"),
        ("9" * 10_000, "cannot be read"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ResultError, match=message):
        Leaderboard.read(path)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("main",), "CCC", "main is 'CCC', and metrics has"),
        (("clips",), {"train": 3}, "clips has no test"),
        (("clips", "test"), "5", "clips.test is '5', expected a whole number"),
        (("rows",), {"a": 1}, "rows is {'a': 1}, expected a list"),
        (("rows", 1, "name"), None, r"rows\[1\].name is None, expected a text"),
        (("rows", 1, "name"), "x" * 100_001, r"rows\[1\].name has 100001 characters"),
        (("rows", 1, "kind"), "guessed", "is 'guessed', expected one of 'constant', 'trained'"),
        (("rows", 1, "rank"), "1", r"rows\[1\].rank is '1', expected a whole number"),
        (("rows", 1, "rank"), True, r"rows\[1\].rank is True, expected a whole number"),
        (("rows", 1, "rank"), 0, r"rows\[1\] \(text\) has the rank 0"),
        (("rows", 1, "seeds", 0, "metrics", "MAE"), "good", "MAE is 'good', expected a number"),
        (("rows", 1, "seeds", 0, "metrics", "MAE"), float("nan"), "expected a finite number"),
        (("rows", 1, "seeds", 0, "metrics", "MAE"), None, "has the rank 3 without MAE"),
        (("rows", 1, "seeds", 0, "more"), 1, r"rows\[1\].seeds\[0\].more is no key"),
        (("rows", 1, "space", "dropout"), 3, "space.dropout: expected a list, or low and high"),
        (("rows", 1, "against", "p_holm"), float("inf"), "expected a finite number"),
        (("rows", 1, "missing", 0, "points"), [], "missing: expected points with MAE"),
        (("rows", 1, "missing", 0, "areas"), {"MAE": [1]}, "expected a list of 2 values"),
        (("rows", 1, "missing", 0, "protocol"), "none", "expected one of 'own', 'same'"),
        (("shared", "epochs"), float("nan"), "shared.epochs is nan, expected a finite number"),
    ],
)
def test_a_damaged_value_is_refused_with_its_place(
    tmp_path: Path, keys: tuple[str | int, ...], value: object, message: str
) -> None:
    path = tmp_path / "result.json"
    board_with_curves().write(path)
    content = json.loads(path.read_text())
    holder = content
    for key in keys[:-1]:
        holder = holder[key]
    holder[keys[-1]] = value
    path.write_text(json.dumps(content))
    with pytest.raises(ResultError, match=message):
        Leaderboard.read(path)
