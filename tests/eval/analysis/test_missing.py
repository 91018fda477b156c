"""missing: a score without a value is not drawn, and the explanation names it."""

import numpy as np

from semanticmac.eval.analysis.figure import axes, figure
from semanticmac.eval.analysis.missing import _draw_subsets, _undefined_note
from semanticmac.eval.metrics.scores import Scores
from semanticmac.eval.missing.subsets import CorruptionScores, SubsetScores
from semanticmac.run.metric import Metric


def scores(value):
    metric = Metric("Corr", value, True)
    return Scores((metric,), (), "Corr", False, "", 8, 0)


def test_an_undefined_score_is_left_out_of_the_figure_and_named():
    subsets = [SubsetScores(("text", "audio"), scores(0.5)), SubsetScores(("audio",), scores(None))]
    corrupted = [
        CorruptionScores("frames", 0.1, scores(0.4)),
        CorruptionScores("modalities", 0.9, scores(None)),
    ]
    assert _undefined_note(subsets, corrupted) == (
        " Not drawn, because Corr is undefined there: audio, modalities dropped at the rate 0.9."
    )
    assert _undefined_note(subsets[:1], corrupted[:1]) == ""

    [ax] = axes(figure(4, 3), 1, 1)
    _draw_subsets(ax, subsets)
    np.testing.assert_array_equal(ax.containers[0].datavalues, [0.5, np.nan])
