"""The run or the model that was trained last, for commands that are given none."""

from __future__ import annotations

import difflib
from pathlib import Path

from semanticmac.run.folder import RunError, RunInfo, runs, seed_runs


def newest_run(root: Path, dataset: str | None = None) -> Path:
    """The run that was trained last, on the given dataset or on any.

    Raises RunError where there is none.
    """
    datasets = set()
    for folder in runs(root):
        if dataset is None:
            return folder
        trained_on = RunInfo.read(folder).dataset
        if trained_on == dataset:
            return folder
        datasets.add(trained_on)
    if dataset is None or not datasets:
        of_dataset = f" of {dataset}" if dataset else ""
        raise RunError(
            f"{root} holds no trained model{of_dataset}: `semanticmac train --from-cache` makes one"
        )
    others = sorted(datasets)
    similar = difflib.get_close_matches(dataset, others, n=2)
    hint = f": `semanticmac train --dataset {dataset}` makes one"
    if similar:
        hint = f"; did you mean {' or '.join(similar)}?"
    raise RunError(f"{root} holds no trained model of {dataset} (but of {', '.join(others)}){hint}")


def newest_model(root: Path, dataset: str | None = None) -> Path:
    """The model that was trained last: a run, or the folder of a model trained over seeds."""
    newest = newest_run(root, dataset)
    if newest in seed_runs(newest.parent).values():
        return newest.parent
    return newest
