"""A text in a CSV file is never a formula of a spreadsheet, and a number stays a number."""

from __future__ import annotations

import csv
import io

import pytest

from semanticmac.eval.report.csv_text import csv_text


@pytest.mark.parametrize("text", ["=1+1", "+a", "-3g5yACwYnA[1]", "@SUM(A1)", "\tx", "\n=1", "-"])
def test_a_formula_becomes_a_text(text: str) -> None:
    [row] = csv.reader(io.StringIO(csv_text([(text, 1)]), newline=""))
    assert row == [f"'{text}", "1"]


def test_a_carriage_return_ends_no_cell() -> None:
    rows = csv.reader(io.StringIO(csv_text([("a\r=1", "b\r\n=2")]), newline=""))
    assert list(rows) == [["a\n=1", "b\n=2"]]


def test_numbers_and_plain_texts_stay() -> None:
    rows = [("a=b", -1.5, "-0.123", "+3", None, "'x", ""), ("a,b", 1e-300, 2, "−1", True, "x", "")]
    assert csv_text(rows) == "a=b,-1.5,-0.123,+3,,'x,\n" + '"a,b",1e-300,2,−1,True,x,\n'
