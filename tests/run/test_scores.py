"""Stored scores of a run: what a missing transcript costs."""

import shutil

import torch

from semanticmac.eval.evaluate import evaluate
from semanticmac.run.scores import scores_path, text_cost
from semanticmac.run.weights import load_run

CPU = torch.device("cpu")


def test_the_cost_of_the_text_is_known_where_both_scores_are_stored(walks, tmp_path):
    walk = walks["regression"]
    run = shutil.copytree(walk.run, tmp_path / "run")
    trained = load_run(run, CPU)
    complete = evaluate(trained, walk.layout, "test", CPU)
    complete.write(run)
    assert text_cost(run) == ""
    partial = evaluate(trained, walk.layout, "test", CPU, ("text",))
    path = partial.write(run)
    values = [partial.scores["MAE"].value, complete.scores["MAE"].value]
    assert text_cost(run) == (
        f"; without text this model has MAE {values[0]:.3f} on test, with it {values[1]:.3f}"
    )
    assert path == scores_path(run, "test", ("text",))
    path.write_text("{")
    assert text_cost(run) == ""
