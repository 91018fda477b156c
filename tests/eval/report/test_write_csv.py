"""A ResultsTable as CSV."""

from __future__ import annotations

import csv
import io

from support.tables import TABLE

from semanticmac.eval.report.write_csv import HEADER, to_csv


def test_every_cell_is_a_line_at_full_precision_and_no_name_is_a_formula() -> None:
    header, *lines = csv.reader(io.StringIO(to_csv(TABLE)))
    assert tuple(header) == HEADER
    f1, mae = "'=F1 (a_b)", "MAE"
    about = ["'\tmine", "test"]
    assert lines == [
        [*about, "'@paper", "utterance", "quoted", f1, "", "86.4", "", "", ""],
        [*about, "[red]", "", "constant", f1, "", "", "", "", ""],
        [*about, "[red]", "", "constant", mae, "", "1.25", "", "", ""],
        [*about, "'-ours", "", "measured", f1, "3", "0.875", "0.0125", "0.8", "0.9"],
        [*about, "'-ours", "", "measured", mae, "", "", "", "", ""],
        [*about, "*", "", "measured", f1, "", "<i>x_y</i>", "", "", ""],
        [*about, "*", "", "measured", mae, "", "'+1+1", "", "", ""],
    ]
