"""Scores and intervals as text: a plus only where a score can be negative."""

from semanticmac.core import Dimension, Task
from semanticmac.eval.calibration import Agreement, Bin
from semanticmac.eval.report.analysis_tables import agreement_table
from semanticmac.eval.report.formatting import interval_text, score_text

SENTIMENT = Dimension("sentiment", -3, 3)
VALENCE = Dimension("valence", 1, 5)


def test_a_score_without_negative_values_has_no_plus():
    assert [score_text(value, SENTIMENT) for value in (2.8, -0.4, 0.0)] == [
        "+2.80",
        "−0.40",
        "0.00",
    ]
    assert score_text(2.8, VALENCE) == "2.80"
    assert interval_text((-0.4, 1.2), SENTIMENT) == "−0.40 to +1.20"
    assert interval_text((2.8, 3.6), VALENCE) == "2.80 to 3.60"
    assert interval_text(None, VALENCE) == "–"


def test_the_tenths_of_a_score_without_negative_values_have_no_plus():
    task = Task("regression", dimensions=(SENTIMENT, VALENCE))
    tenth = Bin(2.1, 2.5, 8, 2.3, 2.4)
    agreement = Agreement("valence", 8, 0.1, 1.0, 0.0, 1.0, 1.0, (tenth,))
    [row] = agreement_table(agreement, task).rows
    assert [cell.text for cell in row.cells] == ["2.10 … 2.50", "2.30", "2.40"]
