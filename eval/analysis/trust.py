"""calibration: reliability of classes, or prediction against truth.

missing: scores when something is absent.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from semanticmac.eval.analysis.figure import (
    COLOURS,
    QUIET,
    RULE,
    SERIES,
    AnalysisError,
    Figure,
    Found,
    Numbers,
    axes,
    figure,
    plotted,
)
from semanticmac.eval.calibration import Agreement, Bin, Calibration, agreement, calibration
from semanticmac.eval.corruption import (
    CorruptionScores,
    SubsetScores,
    score_corruption,
    score_subsets,
)
from semanticmac.eval.eval_data import EvalData

_BINS = ("low", "high", "count", "said", "true")
WORDS_CLASSES = (
    "Bars: the share of answers that is right among those given with about that confidence. On the diagonal, a model "
    "that says 80 % is right four times out of five. The temperature is fitted on validation alone."
)
WORDS_SCORES = (
    "Each dot is a clip; the line joins the means of tenths of the clips. On the diagonal, the prediction is the truth"
    " on average; a flatter line than the diagonal means that strong predictions overshoot."
)
WORDS_MISSING = (
    "The same weights, with less to go by. Left: modalities made absent in every clip. Right: frames, or whole "
    "modalities, lost at random."
)


def analyse_calibration(data: EvalData, run: Path, split: str) -> Found:
    """How far the model's own certainty may be believed."""
    task, said = data.trained.info.task, data.predict(data.rows(split))
    if task.kind == "regression":
        agreed = agreement(task, said.truth, said.multimodal)
        bins = Numbers(_BINS, tuple(_line(b) for b in agreed.bins))
        picture = _scatter(said.truth[:, 0], said.multimodal[:, 0], agreed, task.low, task.high)
        return Found(
            "calibration", "Prediction against truth", WORDS_SCORES, {"": picture}, {"": bins}
        )
    valid = data.predict(data.rows("valid"))
    found = calibration(task, (said.truth, said.multimodal), (valid.truth, valid.multimodal))
    rows = [("as it is", *_line(b)) for b in found.bins] + [
        ("with temperature", *_line(b)) for b in found.bins_scaled
    ]
    numbers = {
        "": Numbers(("logits", *_BINS), tuple(rows)),
        "summary": Numbers(
            ("answers", "temperature", "expected_error", "expected_error_scaled"),
            ((found.answers, found.temperature, found.error, found.error_scaled),),
        ),
    }
    return Found("calibration", "Calibration", WORDS_CLASSES, {"": _reliability(found)}, numbers)


def analyse_missing(data: EvalData, run: Path, split: str) -> Found:
    """Subsets and loss curves, by the metric that the model is judged by."""
    if len(data.trained.info.model.modalities) < 2:
        raise AnalysisError("this model reads one modality: nothing can be left out of it")
    subsets = score_subsets(data, split, lambda *_: None)
    losses = score_corruption(data, split, lambda *_: None)
    rows = [
        (" + ".join(one.kept), "subset", None, metric.name, metric.value)
        for one in subsets
        for metric in one.scores.metrics
    ] + [
        ("all", one.loss, one.rate, metric.name, metric.value)
        for one in losses
        for metric in one.scores.metrics
    ]
    numbers = Numbers(("kept", "loss", "rate", "metric", "value"), tuple(rows))
    return Found(
        "missing",
        "When something is missing",
        WORDS_MISSING,
        {"": _missing(subsets, losses)},
        {"": numbers},
    )


def _line(b: Bin) -> tuple[object, ...]:
    return (b.low, b.high, b.count, b.said, b.true)


def _scatter(
    truth: np.ndarray, said: np.ndarray, agreed: Agreement, low: float, high: float
) -> Figure:
    picture = figure(4.4, 4.0)
    [ax] = axes(picture)
    ax.plot([low, high], [low, high], color=QUIET, lw=0.8, ls="--")
    ax.scatter(said, truth, s=12, color=SERIES[0], alpha=0.45, lw=0)
    ax.plot(
        plotted(b.said for b in agreed.bins),
        plotted(b.true for b in agreed.bins),
        "o-",
        color=SERIES[1],
        ms=4,
    )
    edge = 0.05 * (high - low)
    ax.set(
        xlabel="prediction",
        ylabel="truth",
        ylim=(low - edge, high + edge),
        xlim=(low - edge, high + edge),
    )
    ax.grid(True)
    return picture


def _reliability(found: Calibration) -> Figure:
    picture = figure(7.6, 3.4)
    sides = ((found.bins, "as it is"), (found.bins_scaled, "with the temperature of validation"))
    for ax, (bins, title) in zip(axes(picture, 1, 2, sharey=True), sides, strict=True):
        most = max(b.count for b in bins)
        for b in bins:
            if b.said is not None and b.true is not None:
                ax.bar(
                    (b.low + b.high) / 2,
                    b.true,
                    0.085,
                    color=SERIES[0],
                    alpha=0.25 + 0.75 * b.count / most,
                )
                ax.plot([b.said, b.said], [b.said, b.true], color=SERIES[1], lw=1.6)
        ax.plot([0, 1], [0, 1], color=QUIET, lw=0.8, ls="--")
        ax.set(title=title, xlabel="confidence", xlim=(0, 1), ylim=(0, 1))
        ax.grid(True, axis="y")
    return picture


def _missing(subsets: list[SubsetScores], losses: list[CorruptionScores]) -> Figure:
    metric = subsets[0].scores.main
    picture = figure(8.4, 3.0)
    left, right = axes(picture, 1, 2)
    names = [" + ".join(one.kept) for one in subsets]
    values = [one.scores[metric].value or 0.0 for one in subsets]
    places = range(len(names) - 1, -1, -1)
    left.barh(places, values, 0.62, color=[COLOURS.get(name, QUIET) for name in names])
    left.set_yticks(list(places), names)
    constants = [
        v
        for b in subsets[0].scores.baselines
        if (v := next(x.value for x in b.metrics if x.name == metric))
    ]
    for ax, draw in ((left, left.axvline), (right, right.axhline)):
        for constant in constants[:1]:
            draw(constant, color=QUIET, lw=0.8, ls="--")
        ax.grid(True, axis="x" if ax is left else "y", color=RULE)
    left.set_title(f"{metric} (dashed: a constant)")
    for place, kind in enumerate(dict.fromkeys(one.loss for one in losses)):
        own = [one for one in losses if one.loss == kind]
        scores = plotted(one.scores[metric].value for one in own)
        right.plot(
            [one.rate for one in own],
            scores,
            "o-",
            ms=3.5,
            color=SERIES[place],
            label=f"{kind} lost",
        )
    right.set(title=metric, xlabel="rate of loss")
    right.legend(fontsize=8)
    return picture
