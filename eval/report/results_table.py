"""A result as a sheet: ours, the constants and the paper's models as lines, metrics across; as CSV, LaTeX and JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from semanticmac.eval.metrics.bootstrap import Interval
from semanticmac.eval.metrics.scores import Scores, find
from semanticmac.eval.report.formatting import (
    QUOTED_NOTE,
    UNDEFINED,
    cell,
    mean_spread,
    percent_digits,
)
from semanticmac.eval.report.paper import ARXIV, counterpart, quoted_columns

PAPER_MODELS = {
    "own": "SemanticMAC",
    "all": "",
    "none": "nobody",
}  # --paper → how the names of its models begin
_LATEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"} | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}"}
)


@dataclass(frozen=True)
class Number:
    """One cell: measured here over runs, or printed in the paper."""

    values: tuple[float | None, ...] = ()  # a run each, full precision; None = undefined
    low: float | None = None  # 95 % interval of a single run
    high: float | None = None
    printed: str = ""


@dataclass(frozen=True)
class Line:
    """One model."""

    model: str
    setting: str  # utterance or conversation, as the paper calls it; empty for ours
    origin: str  # measured, constant or quoted
    numbers: dict[str, Number]  # metric of ours → number; what the paper does not print is absent


@dataclass(frozen=True)
class ResultsTable:
    """All lines, the paper's first, then constants, then ours."""

    dataset: str
    split: str
    metrics: tuple[str, ...]
    lines: tuple[Line, ...]
    runs: int


def sheet(
    runs: Sequence[Scores],
    dataset: str,
    corpus: str,
    split: str,
    intervals: Sequence[Interval],
    paper: str,
) -> ResultsTable:
    """Runs over seeds become one line, mean ± sample spread; `paper` is a key of PAPER_MODELS."""
    if paper not in PAPER_MODELS:
        raise ValueError(f"--paper {paper}: expected {', '.join(PAPER_MODELS)}")
    metrics = tuple(metric.name for metric in runs[0].metrics)
    lines = []
    for (model, setting), cells in quoted_columns(corpus, PAPER_MODELS[paper]).items():
        found = {
            name: number.printed
            for name in metrics
            if (number := counterpart(name, cells)) is not None
        }
        if found:
            numbers = {name: Number(printed=printed) for name, printed in found.items()}
            lines.append(Line(model, setting, "quoted", numbers))
    for baseline in runs[0].baselines:
        numbers = {name: Number((find(baseline.metrics, name).value,)) for name in metrics}
        lines.append(Line(baseline.name, "", "constant", numbers))
    limits = {interval.name: interval for interval in intervals}
    ours = {}
    for name in metrics:
        limit = limits.get(name)
        low, high = (limit.low, limit.high) if limit else (None, None)
        ours[name] = Number(tuple(run[name].value for run in runs), low, high)
    return ResultsTable(
        dataset, split, metrics, (*lines, Line("ours", "", "measured", ours)), len(runs)
    )


def to_csv(of: ResultsTable) -> str:
    """A line a model and metric: ours at full precision, as fractions; the paper's as printed, in its unit."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(
        [
            "dataset",
            "split",
            "model",
            "setting",
            "origin",
            "metric",
            "runs",
            "mean",
            "std",
            "low95",
            "high95",
        ]
    )
    for line in of.lines:
        for metric, number in line.numbers.items():
            mean, spread = mean_spread(number.values) if number.values else (number.printed, None)
            about = [
                of.dataset,
                of.split,
                line.model,
                line.setting,
                line.origin,
                metric,
                len(number.values) or "",
            ]
            rows.writerow([*about, mean, spread, number.low, number.high])
    return text.getvalue()


def to_latex(of: ResultsTable) -> str:
    """A booktabs table, models downward as in the papers; what a model does not report is a dash."""
    digits = percent_digits(
        [number.printed for line in of.lines for number in line.numbers.values()]
    )
    quoted = {metric for line in of.lines if line.origin == "quoted" for metric in line.numbers}
    metrics = [name for name in of.metrics if name in quoted] if quoted else list(of.metrics)
    rows, origin = [], ""
    for line in of.lines:
        if origin and line.origin != origin:
            rows.append(r"\midrule")
        origin = line.origin
        cells = [_latex_cell(line.numbers.get(metric), metric, digits) for metric in metrics]
        name = line.model + (f" ({line.setting})" if line.setting else "")
        rows.append(" & ".join([name.translate(_LATEX), *cells]) + r" \\")
    ours = "one run" if of.runs == 1 else f"{of.runs} runs, mean and sample standard deviation"
    caption = f"{of.dataset}, {of.split}; ours: {ours}." + (f" {QUOTED_NOTE}." if quoted else "")
    head = " & ".join(["", *(metric.translate(_LATEX) for metric in metrics)]) + r" \\"
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            r"\begin{tabular}{l" + "r" * len(metrics) + "}",
            r"\toprule",
            head,
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            rf"\caption{{{caption.translate(_LATEX)}}}",
            r"\end{table}",
            "",
        ]
    )


def as_dict(of: ResultsTable) -> list[dict[str, object]]:
    """The quoted lines for JSON: everything measured stands in the scores themselves."""
    return [
        {"model": line.model, "setting": line.setting, "source": ARXIV, "printed": printed_of(line)}
        for line in of.lines
        if line.origin == "quoted"
    ]


def printed_of(line: Line) -> dict[str, str]:
    return {metric: number.printed for metric, number in line.numbers.items()}


def _latex_cell(number: Number | None, metric: str, digits: int) -> str:
    if number is None:
        return "--"
    text = number.printed or cell(number.values, metric, digits)
    if text == UNDEFINED:
        return "--"
    return "$" + text.replace(" ± ", r" \pm ") + "$"
