"""The result file: it is read as it was written, and a wrong one is refused in words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.leaderboards import board

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
        ('{"schema": 1, "metrics": []}', "is no result of a leaderboard: 'rows'"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(ResultError, match=message):
        Leaderboard.read(path)
