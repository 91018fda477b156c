"""The verb eval: scores of one run or several, what they are worth, and what is left when something is missing."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semanticmac.commands.options import CACHE, RUNS, AsJson, CacheDir, Device, RunsDir, Without
from semanticmac.commands.ui.screen import echo, err, out

if TYPE_CHECKING:
    from rich.table import Table

    from semanticmac.cache.layout import CacheLayout
    from semanticmac.eval.evaluate import Evaluation
    from semanticmac.run.weights import TrainedModel

_MORE = "More than the score table"
_FILES = "Files"


def eval_(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="[RUN]…", help="Run folders, as --run.")
    ] = None,
    split: Annotated[str, typer.Option(help="test, valid, train or all.")] = "test",
    run: Annotated[
        list[Path] | None, typer.Option(help="Run folder; repeatable: seeds of one model.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="The run trained last on this dataset.")
    ] = None,
    runs: RunsDir = RUNS,
    cache: CacheDir = CACHE,
    paper: Annotated[
        str, typer.Option(help="Models of the paper to show: own, all or none.")
    ] = "own",
    compare: Annotated[
        bool, typer.Option("--compare", help="Each run against the first.", rich_help_panel=_MORE)
    ] = False,
    subsets: Annotated[
        bool, typer.Option("--subsets", help="Each modality subset.", rich_help_panel=_MORE)
    ] = False,
    drop_rate: Annotated[
        bool,
        typer.Option(
            "--drop-rate", help="Frames and modalities lost at random.", rich_help_panel=_MORE
        ),
    ] = False,
    calibration: Annotated[
        bool, typer.Option("--calibration", help="How far to believe it.", rich_help_panel=_MORE)
    ] = False,
    as_json: AsJson = False,
    csv: Annotated[
        Path | None, typer.Option(help="Write the table as CSV.", rich_help_panel=_FILES)
    ] = None,
    latex: Annotated[
        Path | None, typer.Option(help="Write the table as LaTeX.", rich_help_panel=_FILES)
    ] = None,
    device: Device = "auto",
    without: Without = None,
) -> None:
    """Score trained models on a split, beside constant baselines and the paper's own numbers.

    Several runs, or the folder of `train --seeds`, are seeds of one model: mean and sample spread.
    With --compare each is set against the first.
    """
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.core import SPLITS
    from semanticmac.eval.report.results_table import PAPER_MODELS
    from semanticmac.run.folder import newest_model
    from semanticmac.run.weights import pick_device

    named = [*(folders or []), *(run or [])] or [newest_model(runs, dataset)]
    chosen = [one for folder in named for one in _runs_of(folder)]
    splits = SPLITS if split == "all" else (split,)
    if not set(splits) <= set(SPLITS):
        raise typer.BadParameter(f"--split {split}: expected {', '.join(SPLITS)} or all")
    _require_dataset(chosen, dataset, several=compare)
    if paper not in PAPER_MODELS:
        raise typer.BadParameter(f"--paper {paper}: expected {', '.join(PAPER_MODELS)}")
    if compare and len(chosen) < 2:
        raise typer.BadParameter(
            "--compare needs two runs or more: semanticmac eval --compare RUN RUN"
        )
    if len(chosen) > 1 and (subsets or drop_rate or calibration):
        raise typer.BadParameter(
            "--subsets, --drop-rate and --calibration are of one run: give one --run"
        )
    if len(splits) > 1 and (csv or latex or as_json):
        raise typer.BadParameter(
            "--json, --csv and --latex are of one split: give --split train, valid or test"
        )
    for part in splits:
        results = [
            _score(folder, CacheLayout(cache), part, pick_device(device), without)
            for folder in chosen
        ]
        asked = Asked(compare, subsets, drop_rate, calibration)
        found, tables = _more(results, CacheLayout(cache), part, device, asked)
        if as_json:
            print(
                json.dumps(
                    _json(results, paper) | found, indent=1, allow_nan=False, ensure_ascii=False
                )
            )
        elif not compare:
            _print(results, paper)
        for table in () if as_json else tables:
            out.print(table)
        _leave(results, paper, csv, latex)


def _runs_of(folder: Path) -> list[Path]:
    """The run itself, or the finished runs of a folder that `train --seeds` made; the others are named."""
    from semanticmac.commands.ui.screen import print_notes
    from semanticmac.run.folder import RunError, is_finished, seed_runs

    seeds = seed_runs(folder)
    finished = [run for run in seeds.values() if is_finished(run)]
    if seeds and not finished:
        raise RunError(
            f"no seed in {folder} is finished: `semanticmac train --seeds … --run {folder}` goes on"
        )
    print_notes(
        [f"{run} is not finished and left out" for run in seeds.values() if run not in finished]
    )
    return finished or [folder]


def _require_dataset(runs: list[Path], asked: str | None, several: bool) -> None:
    """Each run is scored on the dataset that it was trained on, and a mean over runs of several would be of none."""
    from semanticmac.run.folder import RunInfo

    trained_on = {run: RunInfo.read(run).dataset for run in runs}
    first, of_first = next(iter(trained_on.items()))
    for run, dataset in trained_on.items():
        if asked not in (None, dataset):
            raise typer.BadParameter(
                f"--dataset {asked}, but {run} was trained on {dataset} and is scored there: "
                "give the run, or --dataset alone for the one trained last"
            )
        if dataset != of_first and not several:
            raise typer.BadParameter(
                f"{first} was trained on {of_first} and {run} on {dataset}: score each dataset's runs by themselves"
            )


Scored = tuple[Path, "TrainedModel", "Evaluation"]


def _score(
    folder: Path, layout: CacheLayout, split: str, device: Any, without: list[str] | None
) -> Scored:
    """Scores one run, and leaves what it found in its folder."""
    from semanticmac.cache.manifest import Manifest
    from semanticmac.eval.evaluate import evaluate
    from semanticmac.run.predictions import write_predictions
    from semanticmac.run.weights import load_run

    trained = load_run(folder, device)
    result = evaluate(trained, layout, split, device, without or ())
    result.write(folder)
    if not result.without:  # the table is of whole clips
        rows = Manifest.read(layout.manifest(result.dataset)).split(split)
        write_predictions(folder, split, rows, result.predictions, trained.info.best_epoch)
    return folder, trained, result


@dataclass(frozen=True)
class Asked:
    """What is wanted besides the score table."""

    compare: bool
    subsets: bool
    drop_rate: bool
    calibration: bool

    @property
    def model(self) -> bool:
        """Whether the model must run again."""
        return self.subsets or self.drop_rate or self.calibration


def _more(
    results: list[Scored], layout: CacheLayout, split: str, device: str, asked: Asked
) -> tuple[dict[str, Any], list[Table]]:
    """What was asked for besides the score table, for JSON and for the screen."""
    from semanticmac.commands.ui import evaluation as show
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.eval import calibration as sure
    from semanticmac.eval.compare import compare as compare_runs
    from semanticmac.eval.corruption import score_corruption, score_subsets
    from semanticmac.eval.eval_data import EvalData
    from semanticmac.run.weights import pick_device

    _, trained, result = results[0]
    found: dict[str, Any] = {}
    tables: list[Table] = []
    if asked.compare:
        compared = compare_runs(
            trained.info.task, [(str(folder), result) for folder, _, result in results]
        )
        found["comparisons"] = [asdict(one) for one in compared]
        tables += [show.comparison_table(one) for one in compared]
    data = EvalData.open(trained, layout, pick_device(device)) if asked.model else None
    with Screen(err) as screen:
        if data and asked.subsets:
            scored = score_subsets(
                data, split, lambda done, total: screen.progress("subsets", done, total, 0)
            )
            found["subsets"] = [asdict(one) for one in scored]
            tables.append(show.subsets_table(result.dataset, split, scored))
        if data and asked.drop_rate:
            lost = score_corruption(
                data, split, lambda done, total: screen.progress("loss rates", done, total, 0)
            )
            found["losses"] = [asdict(one) for one in lost]
            tables.append(show.losses_table(result.dataset, split, lost))
    if data and asked.calibration:
        truth, said = result.predictions.truth, result.predictions.multimodal
        if trained.info.task.kind == "regression":
            agreed = sure.agreement(trained.info.task, truth, said)
            found["agreement"] = asdict(agreed)
            tables.append(show.agreement_table(agreed))
        else:
            valid = data.predict(data.rows("valid"), result.without)
            believed = sure.calibration(
                trained.info.task, (truth, said), (valid.truth, valid.multimodal)
            )
            found["calibration"] = asdict(believed)
            tables.append(show.calibration_table(believed))
    return found, tables


def _json(results: list[Scored], paper: str) -> dict[str, Any]:
    """One run as it stands in its folder; several as their spread, each run's name beside its scores."""
    from semanticmac.eval.report.formatting import scores_json
    from semanticmac.eval.report.results_table import as_dict

    folder, _, first = results[0]
    quoted = {"paper": as_dict(_sheet(results, paper))} if paper == "all" else {}
    if len(results) == 1:
        return first.as_dict(folder) | quoted
    scores = [result.scores for _, _, result in results]
    about = scores_json(scores, first.dataset, first.split, notes=first.notes)
    return {"folders": [str(folder) for folder, _, _ in results], **about, **quoted}


def _sheet(results: list[Scored], paper: str) -> Any:
    from semanticmac.eval.report.results_table import sheet

    first = results[0][2]
    intervals = first.intervals if len(results) == 1 else ()
    return sheet(
        [r.scores for _, _, r in results],
        first.dataset,
        first.corpus,
        first.split,
        intervals,
        paper,
    )


def _print(results: list[Scored], paper: str) -> None:
    from semanticmac.commands.ui.evaluation import models_tables
    from semanticmac.eval.report.formatting import class_table, confusion_table, score_table

    first = results[0][2]
    for folder, trained, _ in results:
        info = trained.info
        echo(out, f"run {folder}, seed {info.seed}, best epoch {info.best_epoch}")
    scores = first.scores if len(results) == 1 else [result.scores for _, _, result in results]
    intervals = first.intervals if len(results) == 1 else ()
    corpus = first.corpus if paper == "own" else "none"
    about = score_table(
        scores, first.dataset, first.split, intervals=intervals, notes=first.notes, corpus=corpus
    )
    out.print(about)
    if len(results) == 1 and first.scores.classes:
        out.print(class_table(first.scores))
    if len(results) == 1 and first.scores.confusion:
        out.print(confusion_table(first.scores))
    for table in models_tables(_sheet(results, paper)) if paper == "all" else ():
        out.print(table)


def _leave(results: list[Scored], paper: str, csv: Path | None, latex: Path | None) -> None:
    from semanticmac.cache.atomic_io import write_text
    from semanticmac.eval.report.results_table import to_csv, to_latex

    for path, text in ((csv, to_csv), (latex, to_latex)):
        if path is not None:
            write_text(path, text(_sheet(results, paper)))
            echo(err, f"written to {path}", "dim")
    for folder, _, result in results:
        echo(err, f"written to {folder}: eval-{result.split}.json, predictions.parquet", "dim")
