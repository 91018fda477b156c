"""More than the score table of the command eval: comparisons, missing input and calibration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semanticmac.commands.scored_runs import ScoredRun
from semanticmac.commands.ui.screen import err

if TYPE_CHECKING:
    from semanticmac.cache.layout import CacheLayout
    from semanticmac.core import ProgressFn
    from semanticmac.eval.eval_data import EvalData
    from semanticmac.eval.evaluate import Evaluation
    from semanticmac.eval.missing.curve import MissingCurve
    from semanticmac.eval.missing.request import MissingRequest
    from semanticmac.eval.missing.subsets import CorruptionScores
    from semanticmac.eval.report.results_table import ResultsTable


@dataclass(frozen=True)
class Extras:
    """Options for more than the score table."""

    compare: bool
    subsets: bool
    drop_rate: bool
    calibration: bool
    missing: tuple[MissingRequest, ...] = ()

    @property
    def need_model(self) -> bool:
        """True where the model of one run must run again."""
        return self.subsets or self.drop_rate or self.calibration


@dataclass
class ExtraResults:
    """Results of the extras, for JSON and for the terminal."""

    json: dict[str, Any] = field(default_factory=dict)
    tables: list[ResultsTable] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)


def run_extras(
    results: list[ScoredRun], layout: CacheLayout, split: str, device: str, extras: Extras
) -> ExtraResults:
    """What the user asked for beside the score table; folds are always scored together too."""
    from semanticmac.commands.ui.progress import Screen
    from semanticmac.eval.eval_data import EvalData
    from semanticmac.run.device import pick_device

    added = ExtraResults()
    if extras.compare:
        _add_comparisons(added, results)
    else:
        _add_pooled(added, results)
    if extras.missing:
        with Screen(err) as screen:
            _add_missing(added, results, layout, split, extras.missing, screen.progress)
    if not extras.need_model:
        return added
    first = results[0]
    data = EvalData.open(first.trained, layout, pick_device(device))
    with Screen(err) as screen:
        if extras.subsets:
            _add_subsets(added, data, split, screen.progress)
        if extras.drop_rate:
            _add_corruption(added, data, split, screen.progress)
    if extras.calibration:
        _add_calibration(added, data, first.result)
    return added


def _add_comparisons(added: ExtraResults, results: list[ScoredRun]) -> None:
    from semanticmac.eval.compare import compare
    from semanticmac.eval.report.analysis_tables import comparison_table

    evaluations = [(str(run.folder), run.result) for run in results]
    comparisons = compare(results[0].trained.info.task, evaluations)
    added.json["comparisons"] = [asdict(comparison) for comparison in comparisons]
    added.tables += [comparison_table(comparison) for comparison in comparisons]


def _add_pooled(added: ExtraResults, results: list[ScoredRun]) -> None:
    """The test clips of all folds scored together, stored in the folder of the folds too.

    Runs that are no folds, or of several divisions into folds, are not pooled.
    """
    about = results[0].result
    folds = {run.trained.info.fold for run in results}
    divisions = {fold.rpartition(":")[0] for fold in folds}
    is_one_division = len(divisions) == 1 and divisions != {""} and len(folds) == len(results)
    if len(results) < 2 or not is_one_division or about.split != "test":
        return
    from semanticmac.cache.atomic_io import write_text
    from semanticmac.eval.folds import FoldScored, pooled_scores
    from semanticmac.eval.report.score_json import scores_json
    from semanticmac.eval.report.score_tables import metrics_down, results_table
    from semanticmac.run.scores import without_suffix

    parts = []
    for run in results:
        parts.append(FoldScored(run.result.predictions, run.train_truth, run.result.valid))
    scores = pooled_scores(about.corpus, results[0].trained.info.task, parts)
    notes = [f"clips of {len(folds)} folds together, each scored by the model of its fold"]
    count = int(divisions.pop().split(":")[1])
    if len(folds) < count:
        notes.append(f"{count - len(folds)} of {count} folds are absent")
    table = results_table([scores], about.dataset, about.corpus, about.split, (), "none", notes)
    added.tables.append(metrics_down(replace(table, title=f"{table.title} · pooled")))
    pooled = scores_json([scores], about.dataset, about.split, notes=notes)
    added.json["pooled"] = pooled
    folder = results[0].folder.parent
    path = folder / f"pooled-{about.split}{without_suffix(about.without)}.json"
    write_text(path, json.dumps(pooled, indent=1, allow_nan=False) + "\n")
    added.written.append(path)


def _add_subsets(added: ExtraResults, data: EvalData, split: str, progress: ProgressFn) -> None:
    from semanticmac.eval.missing.subsets import score_subsets
    from semanticmac.eval.report.analysis_tables import subsets_table

    def report(done: int, total: int) -> None:
        progress("subsets", done, total, 0)

    subsets = score_subsets(data, split, report)
    added.json["subsets"] = [asdict(subset) for subset in subsets]
    added.tables.append(subsets_table(data.trained.info.dataset, split, subsets))


def _add_corruption(added: ExtraResults, data: EvalData, split: str, progress: ProgressFn) -> None:
    from semanticmac.eval.missing.subsets import score_corruption
    from semanticmac.eval.report.analysis_tables import corruption_table

    def report(done: int, total: int) -> None:
        progress("drop rates", done, total, 0)

    corrupted = score_corruption(data, split, report)
    added.json["losses"] = [_corruption_json(result) for result in corrupted]
    added.tables.append(corruption_table(data.trained.info.dataset, split, corrupted))


def _corruption_json(result: CorruptionScores) -> dict[str, Any]:
    """The keys of version 0.1."""
    return {"loss": result.kind, "rate": result.rate, "scores": asdict(result.scores)}


def _add_missing(
    added: ExtraResults,
    results: list[ScoredRun],
    layout: CacheLayout,
    split: str,
    requests: Sequence[MissingRequest],
    progress: ProgressFn,
) -> None:
    """The curves of every run, stored in its folder, and the mean over the runs as CSV and picture.

    Runs are seeds of one model.
    """
    from semanticmac.eval.missing.summary import summarise
    from semanticmac.eval.missing.tables import NamedSummary, model_table
    from semanticmac.eval.missing.write import write_missing

    first = results[0]
    added.json["missing"] = []
    for request in requests:
        curves = []
        for run in results:
            curve, path = _score_missing(run, layout, split, request, progress)
            curves.append(curve)
            added.written.append(path)
        summary = summarise(curves)
        added.json["missing"].append(asdict(summary))
        table = model_table(first.result.dataset, summary, first.result.scores.metrics)
        added.tables.append(table)
        model = NamedSummary(first.trained.info.model.name, summary)
        main = first.result.scores[summary.main]
        name = f"missing-{request.protocol}-{split}"
        if len(results) > 1:
            name += f"-mean-of-{len(results)}-runs"
        paths, note = write_missing([model], main, _mean_folder(results), name)
        added.written += paths
        if note:
            added.notes[note] = None


def _mean_folder(results: Sequence[ScoredRun]) -> Path:
    """The folder analysis/ of the run, or of the folder that `train --seeds` or `--folds` made.

    Runs of several folders have none in common: then it is that of the first run.
    """
    from semanticmac.run.folder import seed_runs

    first = results[0].folder
    parents = {run.folder.absolute().parent for run in results}
    if len(results) > 1 and len(parents) == 1 and seed_runs(first.parent):
        return first.parent / "analysis"
    return first / "analysis"


def _score_missing(
    run: ScoredRun, layout: CacheLayout, split: str, request: MissingRequest, progress: ProgressFn
) -> tuple[MissingCurve, Path]:
    """One run under one protocol → its curve and the file in the run folder."""
    from semanticmac.eval.eval_data import EvalData
    from semanticmac.eval.missing.curve import score_missing
    from semanticmac.run.digests import WEIGHTS

    def report(done: int, total: int) -> None:
        progress(f"missing data, {request.protocol}, {run.folder.name}", done, total, 0)

    data = EvalData.open(run.trained, layout, run.device)
    curve = score_missing(data, split, request, report)
    return curve, curve.write(run.folder, run.trained.info.files.get(WEIGHTS, ""))


def _add_calibration(added: ExtraResults, data: EvalData, result: Evaluation) -> None:
    from semanticmac.eval.calibration import agreements, calibration
    from semanticmac.eval.report.analysis_tables import agreement_table, calibration_table

    task = data.trained.info.task
    truth, prediction = result.predictions.truth, result.predictions.multimodal
    if task.kind == "regression":
        parts = agreements(task, truth, prediction)
        added.json["agreements"] = [asdict(part) for part in parts]
        if task.width == 1:
            added.json["agreement"] = asdict(parts[0])
        added.tables += [agreement_table(part, task) for part in parts]
        return
    valid = data.predict(data.rows("valid"), result.without)
    calibrated = calibration(task, (truth, prediction), (valid.truth, valid.multimodal))
    added.json["calibration"] = asdict(calibrated)
    added.tables.append(calibration_table(calibrated))
