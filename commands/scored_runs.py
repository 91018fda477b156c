"""Runs of the command eval: which folders, checked, scored and written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.eval.evaluate import Evaluation
    from semanticmac.eval.trust_fit import TrustReport
    from semanticmac.run.weights import TrainedModel


@dataclass(frozen=True)
class ScoredRun:
    """One run with its scores."""

    folder: Path
    trained: TrainedModel
    result: Evaluation
    device: Any  # torch.device
    train_truth: Any  # (M, K) labels of its train clips
    trust: TrustReport | None = None  # None: a modality was left out


def runs_of(folder: Path) -> list[Path]:
    """The run itself, or the finished runs of a folder of `train --seeds` or `--folds`."""
    from semanticmac.commands.ui.screen import print_notes
    from semanticmac.run.folder import RunError, is_finished, seed_runs

    seeds = seed_runs(folder).values()
    finished = [run for run in seeds if is_finished(run)]
    if seeds and not finished:
        raise RunError(
            f"no run in {folder} is finished: `semanticmac train --seeds … --run {folder}` goes "
            "on, with --folds in place of --seeds for folds"
        )
    print_notes([f"{run} is not finished and left out" for run in seeds if run not in finished])
    return finished or [folder]


def require_dataset(runs: list[Path], asked: str | None, several: bool) -> None:
    """Every run is scored on the dataset that it was trained on; a mean needs one dataset.

    A note names the runs whose model is not that of the first, where a mean is made of them.
    """
    from semanticmac.commands.ui.screen import print_notes
    from semanticmac.run.folder import RunInfo

    infos = {run: RunInfo.read(run) for run in runs}
    datasets = {run: info.dataset for run, info in infos.items()}
    first = runs[0]
    for run, dataset in datasets.items():
        if asked not in (None, dataset):
            raise typer.BadParameter(
                f"--dataset {asked}, but {run} was trained on {dataset} and is scored there: "
                "give the run, or --dataset alone for the one trained last"
            )
        if dataset != datasets[first] and not several:
            raise typer.BadParameter(
                f"{first} was trained on {datasets[first]} and {run} on {dataset}: "
                "score each dataset's runs by themselves"
            )
    if several:
        return
    for run, info in infos.items():
        if info.model != infos[first].model:
            note = (
                f"{run} ({info.model.name}) has other settings of the model than {first} "
                f"({infos[first].model.name}): the mean is not the score of one model; "
                "--compare scores one against the other"
            )
            print_notes([note])


def score_run(
    folder: Path, layout: CacheLayout, split: str, device: Any, without: Sequence[str]
) -> ScoredRun:
    """Scores one run and writes the files of its scores."""
    from semanticmac.eval.eval_data import EvalData
    from semanticmac.eval.evaluate import evaluate
    from semanticmac.eval.trust_fit import update_trust
    from semanticmac.run.predictions import write_predictions
    from semanticmac.run.weights import load_run

    trained = load_run(folder, device)
    result = evaluate(trained, layout, split, device, without)
    data = EvalData.open(trained, layout, device)
    result.write(folder)
    if not result.without:  # predictions.parquet is of complete clips
        rows = data.manifest.split(split)
        write_predictions(folder, split, rows, result.predictions, trained.info.best_epoch)
        trust = update_trust(folder, data, result)
        return ScoredRun(folder, trained, result, device, data.train_truth(), trust)
    return ScoredRun(folder, trained, result, device, data.train_truth())
