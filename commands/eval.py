"""The command eval: scores of one run or several, comparisons, missing input and calibration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semanticmac.commands.common import require_run, without_modalities
from semanticmac.commands.options import CACHE, RUNS, AsJson, CacheDir, Device, RunsDir, Without
from semanticmac.commands.ui.screen import echo, err, out

if TYPE_CHECKING:
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.core import ProgressFn
    from semanticmac.eval.corruption import CorruptionScores
    from semanticmac.eval.eval_data import EvalData
    from semanticmac.eval.evaluate import Evaluation
    from semanticmac.eval.report.results_table import ResultsTable
    from semanticmac.eval.trust_fit import TrustReport
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
            "--drop-rate", help="Frames and modalities dropped at random.", rich_help_panel=_MORE
        ),
    ] = False,
    calibration: Annotated[
        bool,
        typer.Option("--calibration", help="Confidence against the truth.", rich_help_panel=_MORE),
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
    With --compare, each run is compared with the first.
    """
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.core import SPLITS
    from semanticmac.eval.report.score_tables import PAPER_MODELS
    from semanticmac.run.folder import RunInfo, absent_modalities, newest_model

    chosen: list[Path] = []
    for folder in [*(folders or []), *(run or [])] or [newest_model(runs, dataset)]:
        chosen += _runs_of(folder)
    splits = SPLITS if split == "all" else (split,)
    extras = Extras(compare, subsets, drop_rate, calibration)
    if not set(splits) <= set(SPLITS):
        raise typer.BadParameter(f"--split {split}: expected {', '.join(SPLITS)} or all")
    absent_names = without_modalities(without)
    _require_dataset(chosen, dataset, several=compare)
    for folder in chosen:
        absent_modalities(RunInfo.read(folder), absent_names)
    if paper not in PAPER_MODELS:
        raise typer.BadParameter(f"--paper {paper}: expected {', '.join(PAPER_MODELS)}")
    if compare and len(chosen) < 2:
        raise typer.BadParameter(
            "--compare needs two runs or more: semanticmac eval --compare RUN RUN"
        )
    if len(chosen) > 1 and extras.need_model:
        raise typer.BadParameter(
            "--subsets, --drop-rate and --calibration are of one run: give one --run"
        )
    if len(splits) > 1 and (csv or latex or as_json):
        raise typer.BadParameter(
            "--json, --csv and --latex are of one split: give --split train, valid or test"
        )

    layout = CacheLayout(cache)
    for folder in chosen:
        require_run(folder, layout)

    # Imported here because it loads torch: whatever is mistyped was refused before.
    from semanticmac.run.device import pick_device

    torch_device = pick_device(device)
    for part in splits:
        results = [_score(folder, layout, part, torch_device, absent_names) for folder in chosen]
        found = _run_extras(results, layout, part, device, extras)
        if as_json:
            content = _scores_json(results, paper) | found.json
            print(json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False))
        else:
            if not compare:
                _print_scores(results, paper)
                _print_trust(results)
            _print_tables(found.tables)
        _write_files(results, paper, csv, latex)


@dataclass(frozen=True)
class ScoredRun:
    """One run with its scores."""

    folder: Path
    trained: TrainedModel
    result: Evaluation
    trust: TrustReport | None = None  # None: a modality was left out


@dataclass(frozen=True)
class Extras:
    """Options for more than the score table."""

    compare: bool
    subsets: bool
    drop_rate: bool
    calibration: bool

    @property
    def need_model(self) -> bool:
        """True where the model must run again."""
        return self.subsets or self.drop_rate or self.calibration


@dataclass
class ExtraResults:
    """Results of the extras, for JSON and for the terminal."""

    json: dict[str, Any] = field(default_factory=dict)
    tables: list[ResultsTable] = field(default_factory=list)


def _runs_of(folder: Path) -> list[Path]:
    """The run itself, or the finished runs of a folder of `train --seeds`."""
    from semanticmac.commands.ui.screen import print_notes
    from semanticmac.run.folder import RunError, is_finished, seed_runs

    seeds = seed_runs(folder).values()
    finished = [run for run in seeds if is_finished(run)]
    if seeds and not finished:
        raise RunError(
            f"no seed in {folder} is finished: `semanticmac train --seeds … --run {folder}` goes on"
        )
    print_notes([f"{run} is not finished and left out" for run in seeds if run not in finished])
    return finished or [folder]


def _require_dataset(runs: list[Path], asked: str | None, several: bool) -> None:
    """Every run is scored on the dataset that it was trained on; a mean needs one dataset."""
    from semanticmac.run.folder import RunInfo

    datasets = {run: RunInfo.read(run).dataset for run in runs}
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


def _score(
    folder: Path, layout: CacheLayout, split: str, device: Any, without: Sequence[str]
) -> ScoredRun:
    """Scores one run and writes the files of its scores."""
    from semanticmac.cache.manifest import Manifest
    from semanticmac.eval.eval_data import EvalData
    from semanticmac.eval.evaluate import evaluate
    from semanticmac.eval.trust_fit import update_trust
    from semanticmac.run.predictions import write_predictions
    from semanticmac.run.weights import load_run

    trained = load_run(folder, device)
    result = evaluate(trained, layout, split, device, without)
    result.write(folder)
    if not result.without:  # predictions.parquet is of complete clips
        rows = Manifest.read(layout.manifest(result.dataset)).split(split)
        write_predictions(folder, split, rows, result.predictions, trained.info.best_epoch)
        trust = update_trust(folder, EvalData.open(trained, layout, device), result)
        return ScoredRun(folder, trained, result, trust)
    return ScoredRun(folder, trained, result)


def _run_extras(
    results: list[ScoredRun], layout: CacheLayout, split: str, device: str, extras: Extras
) -> ExtraResults:
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.eval.eval_data import EvalData
    from semanticmac.run.device import pick_device

    found = ExtraResults()
    if extras.compare:
        _add_comparisons(found, results)
    if not extras.need_model:
        return found
    first = results[0]
    data = EvalData.open(first.trained, layout, pick_device(device))
    with Screen(err) as screen:
        if extras.subsets:
            _add_subsets(found, data, split, screen.progress)
        if extras.drop_rate:
            _add_corruption(found, data, split, screen.progress)
    if extras.calibration:
        _add_calibration(found, data, first.result)
    return found


def _add_comparisons(found: ExtraResults, results: list[ScoredRun]) -> None:
    from semanticmac.eval.compare import compare
    from semanticmac.eval.report.analysis_tables import comparison_table

    evaluations = [(str(run.folder), run.result) for run in results]
    comparisons = compare(results[0].trained.info.task, evaluations)
    found.json["comparisons"] = [asdict(comparison) for comparison in comparisons]
    found.tables += [comparison_table(comparison) for comparison in comparisons]


def _add_subsets(found: ExtraResults, data: EvalData, split: str, progress: ProgressFn) -> None:
    from semanticmac.eval.corruption import score_subsets
    from semanticmac.eval.report.analysis_tables import subsets_table

    def report(done: int, total: int) -> None:
        progress("subsets", done, total, 0)

    subsets = score_subsets(data, split, report)
    found.json["subsets"] = [asdict(subset) for subset in subsets]
    found.tables.append(subsets_table(data.trained.info.dataset, split, subsets))


def _add_corruption(found: ExtraResults, data: EvalData, split: str, progress: ProgressFn) -> None:
    from semanticmac.eval.corruption import score_corruption
    from semanticmac.eval.report.analysis_tables import corruption_table

    def report(done: int, total: int) -> None:
        progress("drop rates", done, total, 0)

    corrupted = score_corruption(data, split, report)
    found.json["losses"] = [_corruption_json(result) for result in corrupted]
    found.tables.append(corruption_table(data.trained.info.dataset, split, corrupted))


def _corruption_json(result: CorruptionScores) -> dict[str, Any]:
    """The keys of version 0.1."""
    return {"loss": result.kind, "rate": result.rate, "scores": asdict(result.scores)}


def _add_calibration(found: ExtraResults, data: EvalData, result: Evaluation) -> None:
    from semanticmac.eval.calibration import agreement, calibration
    from semanticmac.eval.report.analysis_tables import agreement_table, calibration_table

    task = data.trained.info.task
    truth, prediction = result.predictions.truth, result.predictions.multimodal
    if task.kind == "regression":
        agreed = agreement(task, truth, prediction)
        found.json["agreement"] = asdict(agreed)
        found.tables.append(agreement_table(agreed))
        return
    valid = data.predict(data.rows("valid"), result.without)
    calibrated = calibration(task, (truth, prediction), (valid.truth, valid.multimodal))
    found.json["calibration"] = asdict(calibrated)
    found.tables.append(calibration_table(calibrated))


def _scores_json(results: list[ScoredRun], paper: str) -> dict[str, Any]:
    """One run as in its eval-SPLIT.json; several with their spread and their folders."""
    from semanticmac.eval.report.score_tables import quoted_json, scores_json

    first = results[0]
    content: dict[str, Any] = first.result.as_dict(first.folder)
    if len(results) > 1:
        about = first.result
        scores = [run.result.scores for run in results]
        content = {
            "folders": [str(run.folder) for run in results],
            **scores_json(scores, about.dataset, about.split, notes=_notes(results)),
        }
    if paper == "all":
        content["paper"] = quoted_json(_results_table(results, paper))
    return content


def _results_table(results: list[ScoredRun], paper: str) -> ResultsTable:
    from semanticmac.eval.report.score_tables import results_table

    first = results[0].result
    return results_table(
        [run.result.scores for run in results],
        first.dataset,
        first.corpus,
        first.split,
        first.intervals if len(results) == 1 else (),
        paper,
        _notes(results),
    )


def _notes(results: list[ScoredRun]) -> tuple[str, ...]:
    from semanticmac.run.notes import notes_of_runs

    return notes_of_runs([(str(run.folder), run.result.notes) for run in results])


def _print_scores(results: list[ScoredRun], paper: str) -> None:
    """The score table; for one run of classes also each class and the confusion matrix."""
    from semanticmac.eval.report.score_tables import (
        class_table,
        confusion_table,
        metrics_down,
        numbered,
        paper_tables,
    )
    from semanticmac.eval.report.write_terminal import to_terminal

    for run in results:
        info = run.trained.info
        echo(out, f"run {run.folder}, seed {info.seed}, best epoch {info.best_epoch}")
    # The models of others are in tables of their own: beside ours they exceed 80 columns.
    beside = "own" if paper == "own" else "none"
    out.print(to_terminal(metrics_down(_results_table(results, beside))))
    scores = results[0].result.scores
    if len(results) == 1 and scores.classes:
        out.print(to_terminal(class_table(scores)))
    if len(results) == 1 and scores.confusion:
        out.print(to_terminal(numbered(confusion_table(scores))))
    if paper == "all":
        _print_tables(paper_tables(_results_table(results, paper)))


def _print_trust(results: list[ScoredRun]) -> None:
    """How the intervals and flags of `predict` hold on this split."""
    from semanticmac.eval.report.formatting import percent

    for run in results:
        if run.trust is None:
            continue
        sentences: list[str] = []
        if run.trust.half_width is not None and run.trust.covered is not None:
            sentences.append(
                f"90 % intervals of ± {run.trust.half_width:.2f} hold "
                f"{percent(run.trust.covered)} of the {run.result.split} truths"
            )
        if run.trust.unusual is not None:
            sentences.append(
                f"{percent(run.trust.unusual)} of the clips are unlike the train clips (5 % of "
                "validation, by definition)"
            )
        if sentences:
            echo(out, "; ".join(sentences))


def _print_tables(tables: Sequence[ResultsTable]) -> None:
    from semanticmac.eval.report.write_terminal import to_terminal

    for table in tables:
        out.print(to_terminal(table, min_width=60))


def _write_files(
    results: list[ScoredRun], paper: str, csv: Path | None, latex: Path | None
) -> None:
    from semanticmac.cache.atomic_io import write_text
    from semanticmac.eval.report.write_csv import to_csv
    from semanticmac.eval.report.write_latex import to_latex
    from semanticmac.run.scores import scores_path

    for path, writer in ((csv, to_csv), (latex, to_latex)):
        if path is not None:
            write_text(path, writer(_results_table(results, paper)))
            echo(err, f"written to {path}", "dim")
    for run in results:
        result = run.result
        files = scores_path(run.folder, result.split, result.without).name
        if not result.without:
            files += ", predictions.parquet, trust.safetensors"
        echo(err, f"written to {run.folder}: {files}", "dim")
