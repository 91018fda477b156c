"""Figures and numbers of an analysis in files; names of classes and clips are text in both."""

from __future__ import annotations

import numpy as np

from semanticmac.core import Task
from semanticmac.eval.analysis.embedding import Point, draw
from semanticmac.eval.analysis.figure import AnalysisResult, NumberTable, styled

EVIL = r"$\foo$"


def test_a_class_name_is_no_formula_of_the_figure_or_of_a_spreadsheet(tmp_path):
    task = Task("single-label", (EVIL, "=1+1"))
    points = [
        Point("-a", "text", "specific", EVIL),
        Point("b", "audio", "specific", "=1+1"),
        Point("c", "text", "shared", EVIL),
    ]
    with styled():
        picture = draw(task, np.eye(3, 2), points)
    table = NumberTable(("clip_id", "label", "x"), (("-a", "=1+1", -1.5), ("b", EVIL, None)))
    result = AnalysisResult("embedding", "title", "text", {"": picture}, {"": table})
    png, svg, csv = result.write(tmp_path)
    assert png.stat().st_size > 1000
    assert EVIL in svg.read_text() and "=1+1" in svg.read_text()
    assert csv.read_text() == f"clip_id,label,x\n'-a,'=1+1,-1.5\nb,{EVIL},\n"
