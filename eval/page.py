"""report: everything that is known of a run on one HTML page, which needs no network and nothing beside it."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from semanticmac import __version__
from semanticmac.cache.manifest import Row
from semanticmac.cache.task import Task
from semanticmac.eval.analysis.catalogue import ANALYSES, analysis
from semanticmac.eval.analysis.figure import AnalysisError, Found, render
from semanticmac.eval.analysis.thumbnails import films
from semanticmac.eval.calibration import log_softmax
from semanticmac.eval.evaluate import Evaluation, evaluate
from semanticmac.eval.page_words import loud, summary
from semanticmac.eval.report import QUOTED_NOTE, cell, interval_cell, percent_digits, plain, spoken
from semanticmac.eval.run import settings_of
from semanticmac.eval.sheet import Sheet, sheet
from semanticmac.eval.source import EvalData
from semanticmac.model.config import SUB_TASKS

TEMPLATES = Path(__file__).parent / "templates"
WORST = 8  # clips


@dataclass(frozen=True)
class Table:
    """Text cells, rounded already; the first column names the row."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    shades: tuple[tuple[float, ...], ...] = ()  # 0 … 1 a cell but the first, where a number is also a colour


@dataclass(frozen=True)
class Picture:
    """One analysis on the page."""

    name: str
    title: str
    words: str
    sources: tuple[str, ...]  # data URIs


@dataclass(frozen=True)
class Mistake:
    """A clip that the model got wrong."""

    clip_id: str
    text: str
    truth: str
    said: str
    parts: tuple[tuple[str, str], ...]  # sub-task, what it said
    pictures: tuple[str, ...]  # data URIs
    wave: str  # points of an SVG polygon in a box of 240 × 40; empty where there is no sound


@dataclass(frozen=True)
class Page:
    """All that the template reads: nothing in it is computed there."""

    title: str
    run: str
    loud: tuple[str, ...]
    summary: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    scores: Table
    notes: tuple[str, ...]
    classes: Table | None
    confusion: Table | None
    pictures: tuple[Picture, ...]
    left_out: tuple[tuple[str, str], ...]
    mistakes: tuple[Mistake, ...]
    settings: tuple[tuple[str, str], ...]
    made_by: tuple[tuple[str, str], ...]
    environment: tuple[tuple[str, str], ...]


def build(data: EvalData, run: Path, split: str, progress: Callable[[str, int, int, int], None]) -> Page:
    """Scores the split, runs every analysis that this run can have, and puts it all into words and tables."""
    result = evaluate(data.trained, data.home, split, data.device)
    pictures: list[Picture] = []
    left_out: list[tuple[str, str]] = []
    for done, name in enumerate(ANALYSES):
        progress("analyses", done, len(ANALYSES), len(left_out))
        try:
            pictures.append(embed(analysis(name)(data, run, split)))
        except AnalysisError as error:
            left_out.append((name, str(error)))
    progress("analyses", len(ANALYSES), len(ANALYSES), len(left_out))
    info, of = data.trained.info, sheet([result.scores], result.dataset, result.corpus, split, result.intervals, "own")
    quoted = [QUOTED_NOTE] if _quoted(of) else []
    remarks = dict.fromkeys(metric.note for metric in result.scores.metrics if metric.note)
    return Page(
        title=f"{result.dataset} · {split}",
        run=run.name,
        loud=tuple(loud(result)),
        summary=tuple(summary(data, result)),
        facts=_facts(data, result),
        scores=score_rows(of),
        notes=(*remarks, *quoted),
        classes=class_rows(result),
        confusion=confusion_rows(result),
        pictures=tuple(pictures),
        left_out=tuple(left_out),
        mistakes=mistakes(data, result, data.rows(split)),
        settings=tuple(settings_of(run).items()),
        made_by=_made_by(data),
        environment=(*info.versions.items(), ("report made with semanticmac", __version__)),
    )


def write(page: Page, path: Path) -> None:
    """Renders the page. Whatever comes from a label file or a file name is text there, never markup."""
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError:
        raise ImportError("the report needs Jinja2: pip install 'semanticmac[report]'") from None
    from semanticmac.cache.files import write_text

    options = {"autoescape": True, "undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    templates = Environment(loader=FileSystemLoader(TEMPLATES), **options)  # type: ignore[arg-type]
    write_text(path, templates.get_template("report.html").render(page=page))


def score_rows(of: Sheet) -> Table:
    """Metrics downward; across ours, its interval, constants, and what the paper printed."""
    ours = of.lines[-1]
    others = [line for line in of.lines[:-1] if line.origin == "constant"] + [
        line for line in of.lines if line.origin == "quoted"
    ]
    digits = percent_digits([number.printed for line in of.lines for number in line.numbers.values()])
    head = ["", "ours", "95 % interval"]
    head += [f"{o.model}, {o.setting}, quoted" if o.origin == "quoted" else o.model for o in others]
    rows = []
    for metric in of.metrics:
        own = ours.numbers[metric]
        row = [metric, cell(own.values, metric, digits), interval_cell(own.low, own.high, metric, digits)]
        for line in others:
            number = line.numbers.get(metric)
            row.append("" if number is None else number.printed or cell(number.values, metric, digits))
        rows.append(tuple(row))
    return Table(tuple(head), tuple(rows))


def class_rows(result: Evaluation) -> Table | None:
    """How each class fared."""
    if not result.scores.classes:
        return None
    head = ("", "clips", "predicted", "right", "precision", "recall", "F1")
    rows = tuple(
        (
            c.name,
            str(c.support),
            str(c.predicted),
            str(c.right),
            *[cell([v], "F1", 1) for v in (c.precision, c.recall, c.f1)],
        )
        for c in result.scores.classes
    )
    return Table(head, rows)


def confusion_rows(result: Evaluation) -> Table | None:
    """Rows truth, columns prediction, shaded by the share of the row."""
    scores = result.scores
    if not scores.confusion:
        return None
    rows = tuple((c.name, *map(str, row)) for c, row in zip(scores.classes, scores.confusion, strict=True))
    shades = tuple(tuple(count / max(sum(row), 1) for count in row) for row in scores.confusion)
    return Table(("true ↓ predicted →", *(c.name for c in scores.classes)), rows, shades)


def embed(found: Found) -> Picture:
    """The pictures of an analysis inside the page: lines as SVG, photographs as PNG."""
    ending, kind = ("png", "image/png") if found.photographs else ("svg", "image/svg+xml")
    sources = tuple(_uri(render(picture, ending), kind) for picture in found.pictures.values())
    return Picture(found.name, found.title, found.words, sources)


def mistakes(data: EvalData, result: Evaluation, rows: Sequence[Row]) -> tuple[Mistake, ...]:
    """The clips whose prediction is furthest from the truth, the worst first."""
    task, said = data.trained.info.task, result.predictions
    losses = clip_losses(task, said.truth, said.multimodal)
    worst = [int(n) for n in np.argsort(-np.nan_to_num(losses, nan=-1.0), kind="stable")[:WORST] if losses[n] > 0]
    by_id = {row.clip_id: row for row in rows}
    chosen = [by_id[said.clip_ids[n]] for n in worst]
    seen = films(data.home, chosen, data.manifest.fingerprint.sampling.frames_per_s, count=4)
    found = []
    for n, row, film in zip(worst, chosen, seen, strict=True):
        there = [True, True, *said.present[n]]
        parts = tuple((name, spoken(task, said.scores[n, s])) for s, name in enumerate(SUB_TASKS) if s and there[s])
        truth = _truth(task, said.truth[n])
        pictures = tuple(_jpeg(picture) for picture in film.pictures)
        found.append(
            Mistake(row.clip_id, row.text, truth, spoken(task, said.multimodal[n]), parts, pictures, _wave(film.peaks))
        )
    return tuple(found)


def clip_losses(task: Task, truth: np.ndarray, said: np.ndarray) -> np.ndarray:
    """(N, K) → (N,): absolute error, or the negative log-likelihood of the classes; NaN where not annotated."""
    if task.kind == "regression":
        losses = np.abs(said - truth)
    elif task.kind == "single-label":
        losses = -truth * log_softmax(said)
    else:
        losses = np.logaddexp(0.0, said) - truth * said
    summed: np.ndarray = losses.sum(axis=1)
    return summed


def _truth(task: Task, truth: np.ndarray) -> str:
    if task.kind == "regression":
        return spoken(task, truth)
    if task.kind == "binary":
        return task.classes[int(truth[0] > 0.5)]
    return ", ".join(name for name, there in zip(task.classes, truth, strict=True) if there > 0.5) or "none"


def _facts(data: EvalData, result: Evaluation) -> tuple[tuple[str, str], ...]:
    info = data.trained.info
    main = result.scores[result.scores.main]
    return (
        (main.name, cell([main.value], main.name, 1)),
        ("clips", str(result.scores.scored)),
        ("modalities", ", ".join(info.model.modalities)),
        ("best epoch", f"{info.best_epoch}, seed {info.seed}"),
    )


def _made_by(data: EvalData) -> tuple[tuple[str, str], ...]:
    made = data.manifest.fingerprint
    sampling = made.sampling
    sampled = f"{sampling.frames_per_s} frames/s, {sampling.short_side_px} px, {sampling.picture}"
    known = "imported features" if made.imported else "yes" if made.trained else "no: random weights"
    return (
        ("fingerprint", made.name),
        ("encoder", made.encoder),
        ("trained", known),
        ("weights, SHA-256", made.weights),
        ("architecture", made.architecture),
        ("width", f"{made.width} × {made.dtype}"),
        *(() if made.imported else (("sampling", sampled),)),
    )


def _quoted(of: Sheet) -> bool:
    return any(line.origin == "quoted" for line in of.lines)


def _wave(peaks: np.ndarray) -> str:
    """An outline around the middle of a box of 240 × 40."""
    if not len(peaks):
        return ""
    top = peaks / max(float(peaks.max()), 1e-3)
    x = np.linspace(0, 240, len(top))
    over = [f"{plain(a, 1)},{plain(20 - 19 * b, 1)}" for a, b in zip(x, top, strict=True)]
    under = [f"{plain(a, 1)},{plain(20 + 19 * b, 1)}" for a, b in zip(x[::-1], top[::-1], strict=True)]
    return " ".join([*over, *under])


def _jpeg(picture: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=82)
    return _uri(buffer.getvalue(), "image/jpeg")


def _uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
