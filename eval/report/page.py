"""report: everything that is known of a run on one HTML page, which needs no network and nothing beside it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from semanticmac import __version__
from semanticmac.eval.analysis.catalogue import ANALYSES, analysis
from semanticmac.eval.analysis.figure import AnalysisError, Found, render
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.evaluate import Evaluation, evaluate
from semanticmac.eval.report.formatting import QUOTED_NOTE, cell, interval_cell, percent_digits
from semanticmac.eval.report.mistakes import Mistake, data_uri, mistakes
from semanticmac.eval.report.results_table import ResultsTable, sheet
from semanticmac.eval.report.summary import loud, summary
from semanticmac.run.folder import RunError, settings_of

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Table:
    """Text cells, rounded already; the first column names the row."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    shades: tuple[
        tuple[float, ...], ...
    ] = ()  # 0 … 1 a cell but the first, where a number is also a colour


@dataclass(frozen=True)
class Picture:
    """One analysis on the page."""

    name: str
    title: str
    words: str
    sources: tuple[str, ...]  # data URIs


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


def build(
    data: EvalData, run: Path, split: str, progress: Callable[[str, int, int, int], None]
) -> Page:
    """Scores the split, runs every analysis that this run can have, and puts it all into words and tables."""
    result = evaluate(data.trained, data.layout, split, data.device)
    pictures: list[Picture] = []
    left_out: list[tuple[str, str]] = []
    for done, name in enumerate(ANALYSES):
        progress(
            "analyses", done, len(ANALYSES), 0
        )  # what a run cannot have is left out, not failed
        try:
            pictures.append(embed(analysis(name)(data, run, split)))
        except AnalysisError as error:
            left_out.append((name, str(error)))
    progress("analyses", len(ANALYSES), len(ANALYSES), 0)
    info, of = (
        data.trained.info,
        sheet([result.scores], result.dataset, result.corpus, split, result.intervals, "own"),
    )
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


def require_writable(path: Path) -> None:
    """Raises RunError where no file can be written at `path`: better said before minutes of work than after them."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(
            dir=path.parent
        ).close()  # what permissions promise, a read-only disk may not keep
    except OSError as error:
        raise RunError(
            f"{path} cannot be written ({error.strerror}): name another file with --to"
        ) from None


def write(page: Page, path: Path) -> None:
    """Renders the page.

    Whatever comes from a label file or a file name is text there, never markup.
    """
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError:
        raise ImportError("the report needs Jinja2: pip install 'semanticmac[report]'") from None
    from semanticmac.cache.atomic_io import write_text

    options = {
        "autoescape": True,
        "undefined": StrictUndefined,
        "trim_blocks": True,
        "lstrip_blocks": True,
    }
    templates = Environment(loader=FileSystemLoader(TEMPLATES), **options)  # type: ignore[arg-type]
    write_text(path, templates.get_template("report.html").render(page=page))


def score_rows(of: ResultsTable) -> Table:
    """Metrics downward; across ours, its interval, constants, and what the paper printed."""
    ours = of.lines[-1]
    others = [line for line in of.lines[:-1] if line.origin == "constant"] + [
        line for line in of.lines if line.origin == "quoted"
    ]
    digits = percent_digits(
        [number.printed for line in of.lines for number in line.numbers.values()]
    )
    head = ["", "ours", "95 % interval"]
    head += [f"{o.model}, {o.setting}, quoted" if o.origin == "quoted" else o.model for o in others]
    rows = []
    for metric in of.metrics:
        own = ours.numbers[metric]
        row = [
            metric,
            cell(own.values, metric, digits),
            interval_cell(own.low, own.high, metric, digits),
        ]
        for line in others:
            number = line.numbers.get(metric)
            row.append(
                "" if number is None else number.printed or cell(number.values, metric, digits)
            )
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
    rows = tuple(
        (c.name, *map(str, row)) for c, row in zip(scores.classes, scores.confusion, strict=True)
    )
    shades = tuple(tuple(count / max(sum(row), 1) for count in row) for row in scores.confusion)
    return Table(("true ↓ predicted →", *(c.name for c in scores.classes)), rows, shades)


def embed(found: Found) -> Picture:
    """The pictures of an analysis inside the page: lines as SVG, photographs as PNG."""
    ending, kind = ("png", "image/png") if found.photographs else ("svg", "image/svg+xml")
    sources = tuple(data_uri(render(picture, ending), kind) for picture in found.pictures.values())
    return Picture(found.name, found.title, found.words, sources)


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
    known = (
        "imported features" if made.imported else "yes" if made.trained else "no: random weights"
    )
    return (
        ("fingerprint", made.name),
        ("encoder", made.encoder),
        ("trained", known),
        ("weights, SHA-256", made.weights),
        ("architecture", made.architecture),
        ("width", f"{made.width} × {made.dtype}"),
        *(() if made.imported else (("sampling", sampled),)),
    )


def _quoted(of: ResultsTable) -> bool:
    return any(line.origin == "quoted" for line in of.lines)
