"""What `eval` shows besides the score table: the paper's models, comparisons, missing modalities, calibration."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from semanticmac.eval.calibration import Agreement, Calibration
from semanticmac.eval.compare import Comparison
from semanticmac.eval.corruption import CorruptionScores, SubsetScores
from semanticmac.eval.metrics.scores import Scores, find
from semanticmac.eval.report.formatting import (
    QUOTED_NOTE,
    UNDEFINED,
    cell,
    percent,
    percent_digits,
    plain,
    signed,
)
from semanticmac.eval.report.results_table import ResultsTable

_ACROSS = 3  # metrics in one table of models, which then fits 80 columns with their spread


def models_tables(of: ResultsTable) -> list[Table]:
    """Models downward, the metrics that the paper prints across, a few a table; ours last."""
    quoted = {metric for line in of.lines if line.origin == "quoted" for metric in line.numbers}
    metrics = [metric for metric in of.metrics if metric in quoted]
    digits = percent_digits(
        [number.printed for line in of.lines for number in line.numbers.values()]
    )
    tables = [
        _models(of, metrics[i : i + _ACROSS], digits) for i in range(0, len(metrics), _ACROSS)
    ]
    if tables:
        tables[-1].caption = QUOTED_NOTE
    return tables


def _models(of: ResultsTable, metrics: Sequence[str], digits: int) -> Table:
    table = plain_table(f"{of.dataset} · {of.split} · beside the paper's table")
    table.add_column("", no_wrap=True)
    for metric in metrics:
        table.add_column(metric.replace(" ", "\n"), justify="right", no_wrap=True)
    for line in of.lines:
        numbers = [line.numbers.get(metric) for metric in metrics]
        if not any(numbers):
            continue
        cells = [
            "" if number is None else number.printed or cell(number.values, metric, digits)
            for number, metric in zip(numbers, metrics, strict=True)
        ]
        name = line.model + (", conv." if line.setting == "conversation" else "")
        style = {"quoted": "dim", "constant": "", "measured": "bold"}[line.origin]
        table.add_row(escape(name), *cells, style=style)
    return table


def comparison_table(of: Comparison) -> Table:
    """A metric a line: both runs, their difference, its interval, and how often chance alone would turn it round."""
    table = plain_table(f"{of.b} (second)\nagainst {of.a} (first)")
    table.add_column("", no_wrap=True)
    for name in ("second", "first", "difference", "95 %\ninterval", "sign\nflips", "second is"):
        table.add_column(name, justify="right", no_wrap=True)
    for d in of.differences:
        sides = [cell([side], d.name, 1) for side in (d.b, d.a)]
        if d.difference is None or d.low is None or d.high is None or d.flips is None:
            table.add_row(d.name, *sides, UNDEFINED, "", "", "")
            continue
        limits = f"{signed(d.low, d.name)}…{signed(d.high, d.name)}"
        better = (d.difference > 0) == d.higher_is_better
        verdict = (
            Text("better" if better else "worse", "green" if better else "red")
            if d.real
            else Text("unclear", "dim")
        )
        table.add_row(
            d.name, *sides, signed(d.difference, d.name), limits, percent(d.flips), verdict
        )
    left_out = f", {of.left_out} that only one of them has left out" if of.left_out else ""
    table.caption = Text(
        f"{of.clips} clips{left_out}; both models on the same resampled clips, 1000 times.\n"
        "Better or worse: the interval leaves 0 out. The chance of training is not in it: compare seeds too."
    )
    return table


def plain_table(title: str) -> Table:
    return Table(
        title=escape(title),
        title_justify="left",
        caption_justify="left",
        box=None,
        padding=(0, 1),
        min_width=60,
    )


def subsets_table(dataset: str, split: str, found: Sequence[SubsetScores]) -> Table:
    """A line a subset of the modalities, all of them first."""
    table = plain_table(f"{dataset} · {split} · with these modalities alone")
    table.add_column("", no_wrap=True)
    names = headline(found[0].scores)
    for name in names:
        table.add_column(name.replace(" ", "\n"), justify="right", no_wrap=True)
    for subset in found:
        cells = [_short(subset.scores[name].value, name) for name in names]
        table.add_row(
            " + ".join(subset.kept) + (" *" if subset.scores.collapsed else ""),
            *cells,
            style="bold" if subset is found[0] else "",
        )
    baseline = found[0].scores.baselines[0]
    table.add_row(
        baseline.name, *[_short(find(baseline.metrics, n).value, n) for n in names], style="dim"
    )
    starred = (
        "; * no better than a constant" if any(subset.scores.collapsed for subset in found) else ""
    )
    table.caption = "the same weights; what is not named was made absent in every clip" + starred
    return table


def _short(value: float | None, metric: str) -> str:
    """A cell of a table with many columns, in which an undefined metric is a dash."""
    return "–" if value is None else cell([value], metric, 1)


def losses_table(dataset: str, split: str, found: Sequence[CorruptionScores]) -> Table:
    """A line a rate, both kinds of loss side by side, by the metric that the model is judged by and one more."""
    scores = found[0].scores
    names = list(dict.fromkeys([scores.main, *headline(scores)]))[:3]
    table = plain_table(f"{dataset} · {split} · lost at random")
    table.add_column("rate", justify="right")
    kinds = list(dict.fromkeys(one.loss for one in found))
    for kind in kinds:
        for name in names:
            table.add_column(f"{kind}\n{name}", justify="right")
    for rate in dict.fromkeys(one.rate for one in found):
        row = [one for kind in kinds for one in found if one.rate == rate and one.loss == kind]
        cells = [cell([one.scores[name].value], name, 1) for one in row for name in names]
        table.add_row(plain(rate, 1), *cells)
    table.caption = (
        "frames: each frame of sound and each picture by itself; modalities: one always stays"
    )
    return table


def calibration_table(of: Calibration) -> Table:
    """A line a bin of confidence, before and after the temperature."""
    table = plain_table("calibration")
    for name in (
        "confidence",
        "answers",
        "said",
        "right",
        "answers, scaled",
        "said, scaled",
        "right, scaled",
    ):
        table.add_column(name.replace(", ", ",\n"), justify="right")
    for b, scaled in zip(of.bins, of.bins_scaled, strict=True):
        if b.count or scaled.count:
            sides = [
                text
                for side in (b, scaled)
                for text in (str(side.count), _share(side.said), _share(side.true))
            ]
            table.add_row(f"{plain(b.low, 1)} … {plain(b.high, 1)}", *sides)
    table.caption = (
        f"expected calibration error {percent(of.error)}; {percent(of.error_scaled)} at temperature "
        f"{plain(of.temperature)}, which was fitted on validation"
    )
    return table


def agreement_table(of: Agreement) -> Table:
    """A line a tenth of the clips, from the least prediction to the greatest."""
    table = plain_table("prediction against truth")
    for name in ("clips", "predicted", "mean prediction", "mean truth"):
        table.add_column(name.replace(" ", "\n"), justify="right")
    for b in of.bins:
        means = [plain(side, sign=True) for side in (b.said, b.true)]
        table.add_row(
            str(b.count), f"{plain(b.low, sign=True)} … {plain(b.high, sign=True)}", *means
        )
    table.caption = (
        f"bias {plain(of.bias, 3, sign=True)}; slope of truth over prediction {plain(of.slope)} "
        "(below 1: too bold, above 1: too timid);\n"
        f"spread {plain(of.spread_said)} predicted, {plain(of.spread_truth)} true"
    )
    return table


def headline(scores: Scores) -> list[str]:
    """The metrics of a whole split by which the paper compares: neither single classes nor a second zero rule."""
    return [
        metric.name
        for metric in scores.metrics
        if not metric.name.endswith(")") or "(non-zero)" in metric.name
    ]


def _share(value: float | None) -> str:
    return "" if value is None else percent(value)
