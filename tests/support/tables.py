"""One ResultsTable with a cell of every kind, for the tests of the four writers."""

from __future__ import annotations

from semanticmac.eval.report.results_table import Cell, Column, ResultsTable, Row, text_cell

TABLE = ResultsTable(
    r"<b>mine</b> · $\foo$",
    (Column("=F1 (a_b)", "F1\n(a_b)", style="strong"), Column("MAE")),
    (
        Row("@paper", (text_cell("86.4"), None), "quoted", setting="utterance"),
        Row("[red]", (Cell(None), Cell(1.25, unit="number", digits=3)), "constant"),
        Row("-ours", (Cell(0.875, 0.0125, runs=3, low=0.8, high=0.9), Cell(shade=0.5)), "measured"),
        Row("*", (text_cell("<i>x_y</i>", "good"), text_cell("+1+1")), "measured"),
    ),
    warnings=("the encoder is untrained",),
    notes=("5 clips scored",),
    caption=r"100 % of $\foo$",
    dataset="\tmine",
    split="test",
)
