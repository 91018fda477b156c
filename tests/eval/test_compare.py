"""Two runs are compared on the clips that both have scored."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from semanticmac.core import Task
from semanticmac.eval.compare import compare
from semanticmac.eval.evaluate import evaluate
from semanticmac.run.folder import RunError
from semanticmac.run.weights import load_run

CPU = torch.device("cpu")


SENTIMENT = Task("regression")


def test_comparison_needs_the_same_truth_and_says_what_it_leaves_out(walks):
    walk = walks["regression"]
    result = evaluate(load_run(walk.run, CPU), walk.layout, "test", CPU)
    fewer = replace(
        result.predictions,
        clip_ids=result.predictions.clip_ids[::-1][:5],
        truth=result.predictions.truth[::-1][:5],
        outputs=result.predictions.outputs[::-1][:5],
        present=result.predictions.present[::-1][:5],
    )
    [found] = compare(SENTIMENT, [("a", result), ("b", replace(result, predictions=fewer))])
    assert (found.clips, found.left_out) == (5, 3) and all(
        d.difference in (0, None) for d in found.differences
    )
    other = replace(fewer, truth=fewer.truth + 1)
    with pytest.raises(RunError, match="different labels"):
        compare(SENTIMENT, [("a", result), ("b", replace(result, predictions=other))])
    stranger = replace(fewer, clip_ids=("x",) * 5)
    with pytest.raises(RunError, match="no clip in common"):
        compare(SENTIMENT, [("a", result), ("b", replace(result, predictions=stranger))])
