"""Scores as tables and as JSON.

The only place where numbers are rounded; what is undefined is called undefined.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from semanticmac.core import Task
from semanticmac.eval.metrics.bootstrap import Interval
from semanticmac.eval.metrics.scores import Scores, find
from semanticmac.eval.report.paper import ARXIV, counterpart, quoted_columns

FRACTIONS = (
    "MAE",
    "Corr",
)  # printed with three digits, as the field does; everything else is a percentage
UNDEFINED = "undefined"
QUOTED_NOTE = f"quoted: as printed in the paper ({ARXIV}), not measured here"
Runs = Scores | Sequence[Scores]


class ReportError(ValueError):
    """Scores that cannot stand in one table; the message says why."""


def score_table(
    scores: Runs,
    dataset: str,
    split: str,
    *,
    intervals: Sequence[Interval] = (),
    notes: Sequence[str] = (),
    corpus: str = "",
) -> Table:
    """Metrics downward; across: ours, its interval, each constant baseline, and what the paper printed, quoted.

    corpus: whose rows of the paper are quoted, where `dataset` is a name of its own in the cache.

    Several Scores are runs over seeds: mean ± sample standard deviation, never the best.
    `intervals` belong to one run. `notes` (say, that the encoder is untrained) come first below the
    table, where a reader looks for doubt.
    """
    runs = _runs(scores)
    if intervals and len(runs) > 1:
        raise ValueError(
            f"intervals belong to one run, but {len(runs)} runs are reported: their spread stands instead"
        )
    quoted = {
        column: cells
        for column, cells in quoted_columns(corpus or dataset).items()
        if any(counterpart(metric.name, cells) for metric in runs[0].metrics)
    }
    digits = percent_digits([cell.printed for cells in quoted.values() for cell in cells.values()])
    limits = {interval.name: interval for interval in intervals}
    table = Table(
        title=escape(f"{dataset} · {split}"),
        title_justify="left",
        caption_justify="left",
        box=None,
        padding=(0, 1),
    )
    table.add_column("", no_wrap=True)
    table.add_column(
        "ours" if len(runs) == 1 else f"ours,\n{len(runs)} runs", justify="right", style="bold"
    )
    if limits:
        table.add_column("95 %\ninterval", justify="right")
    for baseline in runs[0].baselines:
        table.add_column(baseline.name.replace(" ", "\n"), justify="right")
    for model, setting in quoted:
        table.add_column(_quoted_header(model, setting, list(quoted)), justify="right", style="dim")
    for metric in runs[0].metrics:
        row = [
            escape(metric.name),
            cell([find(run.metrics, metric.name).value for run in runs], metric.name, digits),
        ]
        if limits:
            limit = limits.get(metric.name)
            low, high = (limit.low, limit.high) if limit else (None, None)
            row.append(interval_cell(low, high, metric.name, digits))
        row += [
            cell([find(b.metrics, metric.name).value], metric.name, digits)
            for b in runs[0].baselines
        ]
        printed = [counterpart(metric.name, cells) for cells in quoted.values()]
        table.add_row(*row, *[cell.printed if cell else "" for cell in printed])
    loud, quiet = [*notes, *_collapse(runs)], [*_remarks(runs), *([QUOTED_NOTE] if quoted else [])]
    table.caption = Text("\n").join(
        [*(Text(line, style="bold") for line in loud), *map(Text, quiet)]
    )
    return table


def confusion_table(scores: Scores) -> Table:
    """Rows truth, columns prediction, clips; for tasks in which a clip has one class."""
    if not scores.confusion:
        raise ValueError(
            "there is no confusion matrix: this task does not give every clip one class"
        )
    table = Table(title="confusion, clips", title_justify="left", box=None, padding=(0, 1))
    corner, names = "true ↓ predicted →", [figures.name for figures in scores.classes]
    heads = names
    if (
        sum(len(head) + 2 for head in (corner, *heads)) > 80
    ):  # so many classes are numbered, and named downward alone
        heads = [str(number) for number in range(1, len(names) + 1)]
        names = [
            f"{number:>{len(heads[-1])}} {name}" for number, name in zip(heads, names, strict=True)
        ]
    table.add_column(corner, no_wrap=True)
    for head in heads:
        table.add_column(escape(head), justify="right", no_wrap=True)
    for name, row in zip(names, scores.confusion, strict=True):
        table.add_row(escape(name), *map(str, row))
    return table


def class_table(scores: Scores) -> Table:
    """How each class fared: clips that have it, clips that were given it, precision, recall and F1 in percent."""
    if not scores.classes:
        raise ValueError("there are no classes to show: this is a regression task")
    table = Table(title="each class", title_justify="left", box=None, padding=(0, 1))
    table.add_column("", no_wrap=True)
    for name in ("clips", "predicted", "right", "precision", "recall", "F1"):
        table.add_column(name, justify="right")
    for c in scores.classes:
        rates = [cell([rate], "F1", 1) for rate in (c.precision, c.recall, c.f1)]
        table.add_row(escape(c.name), str(c.support), str(c.predicted), str(c.right), *rates)
    return table


def scores_json(
    scores: Runs,
    dataset: str,
    split: str,
    *,
    intervals: Sequence[Interval] = (),
    notes: Sequence[str] = (),
) -> dict[str, object]:
    """Everything at full precision, for json.dumps(…, allow_nan=False): undefined is null, fractions stay fractions."""
    runs = _runs(scores)
    summary = {}
    for metric in runs[0].metrics:
        mean, spread = mean_spread([find(run.metrics, metric.name).value for run in runs])
        summary[metric.name] = {"mean": mean, "std": spread}
    return {
        "dataset": dataset,
        "split": split,
        "main": runs[0].main,
        "summary": summary,
        "intervals": [asdict(interval) for interval in intervals],
        "notes": list(notes),
        "runs": [asdict(run) for run in runs],
    }


def _runs(scores: Runs) -> list[Scores]:
    runs = [scores] if isinstance(scores, Scores) else list(scores)
    if not runs:
        raise ValueError("there are no scores to report: give one Scores, or one for each seed")
    names = [metric.name for metric in runs[0].metrics]
    for run in runs[1:]:
        if [metric.name for metric in run.metrics] != names:
            raise ReportError(
                "these runs were scored by different metrics: report each dataset by itself"
            )
    return runs


def mean_spread(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """(mean, sample standard deviation); the first undefined if one run's value is, the second also for one run."""
    defined = [value for value in values if value is not None]
    if len(defined) < len(values):
        return None, None
    return float(np.mean(defined)), float(np.std(defined, ddof=1)) if len(defined) > 1 else None


def cell(values: Sequence[float | None], metric: str, digits: int) -> str:
    """The values of one metric over runs, in print: mean ± spread; `digits` after the point of a percentage."""
    mean, spread = mean_spread(values)
    if mean is None:
        return UNDEFINED
    return _number(mean, metric, digits) + (
        "" if spread is None else f" ± {_number(spread, metric, digits)}"
    )


def _number(value: float, metric: str, digits: int) -> str:
    rounded = f"{value:.3f}" if metric in FRACTIONS else f"{100 * value:.{digits}f}"
    return rounded.removeprefix("-") if float(rounded) == 0 else rounded  # no "-0.000"


def interval_cell(low: float | None, high: float | None, metric: str, digits: int) -> str:
    """The two ends of an interval, in print."""
    if low is None or high is None:
        return UNDEFINED
    return f"{_number(low, metric, digits)}…{_number(high, metric, digits)}"


def spoken(task: Task, score: np.ndarray) -> str:
    """One prediction (K,) for a person: a score with its sign in words, or a class with its probability."""
    if task.kind == "regression":
        value = float(np.clip(score[0], task.low, task.high))
        word = (
            "neutral"
            if abs(value) < 0.05 * (task.high - task.low) / 2
            else "positive"
            if value > 0
            else "negative"
        )
        return f"{plain(value, sign=True)} {word}"
    if task.kind == "single-label":
        shares = np.exp(score - score.max()) / np.exp(score - score.max()).sum()
        return f"{task.classes[int(shares.argmax())]} {shares.max():.0%}"
    shares = 1 / (1 + np.exp(-score))
    if task.kind == "binary":
        return f"{task.classes[int(shares[0] > 0.5)]} {max(shares[0], 1 - shares[0]):.0%}"
    named = [
        f"{name} {share:.0%}"
        for name, share in zip(task.classes, shares, strict=True)
        if share > 0.5
    ]
    return ", ".join(named) or "none"


def listed(names: Sequence[str]) -> str:
    """`audio`, `audio and vision`."""
    return " and ".join(names)


def percent_digits(quoted: Sequence[str]) -> int:
    """As many digits after the point as the paper prints beside us; one where it prints nothing.

    MAE and correlation, the only numbers with three digits, do not count.
    """
    return max(
        (digits for printed in quoted if (digits := len(printed.partition(".")[2])) in (1, 2)),
        default=1,
    )


def signed(value: float, metric: str) -> str:
    """A difference of a metric, with its sign."""
    text = _number(abs(value), metric, 1)
    return text if float(text) == 0 else f"{'+' if value > 0 else '−'}{text}"


def plain(value: float | None, digits: int = 2, *, sign: bool = False) -> str:
    """A number that is no metric: a label, a share of something, a size."""
    if value is None:
        return UNDEFINED
    text = f"{value:.{digits}f}".replace("-", "−")
    if not any(digit in text for digit in "123456789"):
        return text.removeprefix("−")
    return f"+{text}" if sign and value > 0 else text


def percent(share: float) -> str:
    """A share, as a percentage with its sign."""
    return f"{100 * share:.1f} %"


def _quoted_header(model: str, setting: str, columns: Sequence[tuple[str, str]]) -> str:
    """Short lines, so that a table stays within 80 columns; only what tells the columns apart."""
    variant = model.partition("-")[2]
    lines = ["paper", *([variant] if variant else [])]
    if len({setting for _, setting in columns}) > 1:
        lines.append({"utterance": "utter.", "conversation": "conv."}.get(setting, setting))
    return "\n".join([*lines, "quoted"])


def _collapse(runs: Sequence[Scores]) -> list[str]:
    reasons = [run.why_collapsed for run in runs if run.collapsed]
    if not reasons:
        return []
    which = (
        "The model collapsed" if len(runs) == 1 else f"{len(reasons)} of {len(runs)} runs collapsed"
    )
    return [f"{which}: {'; '.join(dict.fromkeys(reasons))}."]


def _remarks(runs: Sequence[Scores]) -> list[str]:
    """What the numbers do not say by themselves: how many clips, and each metric's note, once."""
    clips = f"{runs[0].scored} clips scored"
    if runs[0].unlabelled:
        clips += f", {runs[0].unlabelled} without a label left out"
    remarks = [f"{clips}; judged by {runs[0].main}"]
    if len(runs) > 1:
        remarks.append("mean ± standard deviation over runs; baselines are those of the first")
    return remarks + list(
        dict.fromkeys(metric.note for run in runs for metric in run.metrics if metric.note)
    )
