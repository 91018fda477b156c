"""Comparisons, missing modalities, corruption and calibration as ResultsTables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from semanticmac.core import SCORE, Task, counted
from semanticmac.eval.calibration import Agreement, Bin, Calibration
from semanticmac.eval.compare import Comparison
from semanticmac.eval.metrics.paired import Difference
from semanticmac.eval.metrics.scores import Scores, find
from semanticmac.eval.missing.subsets import CorruptionScores, SubsetScores
from semanticmac.eval.report.formatting import percent, plain, score_text
from semanticmac.eval.report.results_table import (
    Cell,
    Column,
    ResultsTable,
    Row,
    metric_cell,
    metric_columns,
    narrow_columns,
    text_cell,
    text_row,
)
from semanticmac.run.metric import Metric, digits_of

SUBSET_METRICS = 6  # beside the names of three modalities in 80 columns; JSON has all


def comparison_table(comparison: Comparison) -> ResultsTable:
    """One metric in each row: both runs, their difference, its interval, and the sign flips."""
    rows = []
    remarks: dict[str, None] = {}
    for difference in comparison.differences:
        rows.append(_difference_row(difference))
        if difference.remark:
            remarks[difference.remark] = None
    left_out = ""
    if comparison.left_out:
        left_out = f", {comparison.left_out} that only one of them has left out"
    return ResultsTable(
        f"{comparison.b} (second)\nagainst {comparison.a} (first)",
        (
            Column("second"),
            Column("first"),
            Column("difference"),
            Column("95 % interval", "95 %\ninterval"),
            Column("sign flips", "sign\nflips"),
            Column("second is"),
        ),
        tuple(rows),
        warnings=comparison.warnings,
        notes=(
            f"{counted(comparison.clips, 'clip')}{left_out}; "
            "both models on the same resampled clips, 1000 times.",
            "Better or worse: the interval excludes 0. The variation of training is not included: "
            "compare seeds too.",
            *remarks,
        ),
    )


def _difference_row(difference: Difference) -> Row:
    number = Cell(unit=difference.unit, digits=digits_of(difference.unit))
    change = replace(number, value=difference.difference, signed=True)
    cells: list[Cell | None] = [
        replace(number, value=difference.b),
        replace(number, value=difference.a),
        change,
    ]
    if difference.difference is None or difference.flips is None:
        return Row(difference.name, (*cells, None, None, None))
    interval = replace(change, value=None, low=difference.low, high=difference.high)
    flips = text_cell(percent(difference.flips))
    return Row(difference.name, (*cells, interval, flips, _verdict(difference)))


def _verdict(difference: Difference) -> Cell:
    assert difference.difference is not None
    if not difference.real:
        return text_cell("unclear", "quiet")
    if (difference.difference > 0) == difference.higher_is_better:
        return text_cell("better", "good")
    return text_cell("worse", "bad")


def subsets_table(dataset: str, split: str, subsets: Sequence[SubsetScores]) -> ResultsTable:
    """One subset of the modalities in each row, the full set first, a constant last."""
    metrics = headline(subsets[0].scores)[:SUBSET_METRICS]
    rows = []
    any_collapsed = False
    for place, subset in enumerate(subsets):
        star = " *" if subset.scores.collapsed else ""
        style = "strong" if place == 0 else ""
        cells = _short_cells(subset.scores.metrics, metrics)
        rows.append(Row(" + ".join(subset.kept) + star, cells, style=style))  # type: ignore[arg-type]
        any_collapsed = any_collapsed or subset.scores.collapsed
    baseline = subsets[0].scores.baselines[0]
    rows.append(Row(baseline.name, _short_cells(baseline.metrics, metrics), style="quiet"))
    note = "the same weights; modalities that are not named were made absent in every clip"
    if any_collapsed:
        note += "; * no better than a constant"
    return ResultsTable(
        f"{dataset} · {split} · with these modalities alone",
        metric_columns(metrics),
        tuple(rows),
        notes=(note,),
    )


def _short_cells(scored: Sequence[Metric], shown: Sequence[Metric]) -> tuple[Cell, ...]:
    """The cells of a table with many columns: an undefined metric is a dash."""
    cells = []
    for column in shown:
        metric = find(scored, column.name)
        cells.append(replace(metric_cell([metric.value], metric), missing="–"))
    return tuple(cells)


def corruption_table(dataset: str, split: str, results: Sequence[CorruptionScores]) -> ResultsTable:
    """One rate in each row, for both kinds the main metric and two more."""
    scores = results[0].scores
    names = [scores.main]
    for metric in headline(scores):
        if metric.name not in names:
            names.append(metric.name)
    names = names[:3]
    kinds = []
    for result in results:
        if result.kind not in kinds:
            kinds.append(result.kind)

    columns = []
    for kind in kinds:
        for name in names:
            short_name = name.replace(" ", "\n")
            columns.append(Column(f"{kind}, {name}", f"{kind}\n{short_name}"))
    cells_of_rate: dict[float, list[Cell]] = {}
    for kind in kinds:
        for result in results:
            if result.kind == kind:
                cells = cells_of_rate.setdefault(result.rate, [])
                for name in names:
                    metric = result.scores[name]
                    cells.append(metric_cell([metric.value], metric))
    rows = []
    for rate, cells in cells_of_rate.items():
        rows.append(Row(plain(rate, 1), tuple(cells)))
    return ResultsTable(
        f"{dataset} · {split} · dropped at random",
        tuple(columns),
        tuple(rows),
        corner="rate",
        names_right=True,
        notes=(
            "frames: each audio frame and each video frame by itself; "
            "modalities: one always remains",
        ),
    )


def calibration_table(calibration: Calibration) -> ResultsTable:
    """One bin of confidence in each row, before and after the temperature."""
    headers = ("answers", "said", "right", "answers, scaled", "said, scaled", "right, scaled")
    rows = []
    for plain_bin, scaled in zip(calibration.bins, calibration.bins_scaled, strict=True):
        if plain_bin.count or scaled.count:
            texts = (*_bin_texts(plain_bin), *_bin_texts(scaled))
            rows.append(text_row(_limits(plain_bin, 1), *texts))
    return ResultsTable(
        "calibration",
        tuple(Column(header, header.replace(", ", ",\n")) for header in headers),
        tuple(rows),
        corner="confidence",
        names_right=True,
        notes=(
            f"expected calibration error {percent(calibration.error)}; "
            f"{percent(calibration.error_scaled)} at temperature {plain(calibration.temperature)}, "
            "which was fitted on validation",
        ),
    )


def agreement_table(agreement: Agreement, task: Task) -> ResultsTable:
    """One tenth of the clips in each row, from the least prediction to the greatest.

    task: it has the score of the agreement.
    """
    dimension = task.dimensions[task.names.index(agreement.name)]
    headers = ("predicted", "mean prediction", "mean truth")
    rows = []
    for bin_ in agreement.bins:
        limits = f"{score_text(bin_.low, dimension)} … {score_text(bin_.high, dimension)}"
        means = (score_text(bin_.said, dimension), score_text(bin_.true, dimension))
        rows.append(text_row(str(bin_.count), limits, *means))
    of_name = "" if agreement.name == SCORE else f", {agreement.name}"
    return ResultsTable(
        f"prediction against truth{of_name}",
        narrow_columns(headers),
        tuple(rows),
        corner="clips",
        names_right=True,
        notes=(
            f"bias {plain(agreement.bias, 3, sign=True)}; "
            f"slope of truth over prediction {plain(agreement.slope)} "
            "(below 1: too bold, above 1: too timid);",
            f"spread {plain(agreement.spread_said)} predicted, "
            f"{plain(agreement.spread_truth)} true",
        ),
    )


def headline(scores: Scores) -> list[Metric]:
    """The metrics of the whole split by the zero rule of the paper."""
    return [metric for metric in scores.metrics if metric.headline]


def _limits(bin_: Bin, digits: int) -> str:
    return f"{plain(bin_.low, digits)} … {plain(bin_.high, digits)}"


def _bin_texts(bin_: Bin) -> tuple[str, str, str]:
    """Count, mean confidence and share right; empty texts for an empty bin."""
    confidence = "" if bin_.said is None else percent(bin_.said)
    right = "" if bin_.true is None else percent(bin_.true)
    return str(bin_.count), confidence, right
