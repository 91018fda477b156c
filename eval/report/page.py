"""report: everything about a run on one HTML page that needs no network and no other file."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from semanticmac import __version__
from semanticmac.cache.atomic_io import write_text
from semanticmac.core import ProgressFn
from semanticmac.eval.analysis.catalogue import ANALYSES, AnalysisError, analysis
from semanticmac.eval.analysis.figure import AnalysisResult, render
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.evaluate import Evaluation, evaluate
from semanticmac.eval.report.class_tables import class_table, confusion_table
from semanticmac.eval.report.mistakes import Mistake, data_uri, mistakes
from semanticmac.eval.report.paper import QUOTED_NOTE
from semanticmac.eval.report.results_table import format_cell, metric_cell
from semanticmac.eval.report.score_tables import metric_notes, metrics_down, results_table
from semanticmac.eval.report.summary import summary, warnings
from semanticmac.eval.report.template import render_template
from semanticmac.eval.report.write_html import HtmlTable, to_html
from semanticmac.run.folder import RunError, settings_of

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class PageFigure:
    """One analysis on the page."""

    title: str
    explanation: str
    sources: tuple[str, ...]  # data URIs


@dataclass(frozen=True)
class Page:
    """Everything that the template reads; the template computes nothing."""

    title: str
    run: str
    warnings: tuple[str, ...]
    summary: tuple[str, ...]
    facts: Pairs
    scores: HtmlTable
    notes: tuple[str, ...]
    classes: HtmlTable | None
    confusion: HtmlTable | None
    figures: tuple[PageFigure, ...]
    left_out: Pairs  # (analysis, why this run cannot have it)
    mistakes: tuple[Mistake, ...]
    settings: Pairs
    embeddings: Pairs
    environment: Pairs

    @property
    def has_players(self) -> bool:
        """Whether a clip has a player."""
        return any(clip.recording is not None and clip.recording.plays for clip in self.mistakes)


def build(
    data: EvalData, run: Path, split: str, progress: ProgressFn, path: Path | None = None
) -> Page:
    """Scores the split and runs every analysis; leaves out those not supported.

    path: where the page is written, for links to the files of clips; None: it gets no players.
    """
    result = evaluate(data.trained, data.layout, split, data.device)
    figures, left_out = _analyses(data, run, split, progress)
    scores = result.scores
    results = results_table([scores], result.dataset, result.corpus, split, result.intervals)
    notes = metric_notes([scores])
    if results.quoted_places:
        notes.append(QUOTED_NOTE)
    versions = data.trained.info.versions.items()
    return Page(
        title=results.title,
        run=run.name,
        warnings=tuple(warnings(result)),
        summary=tuple(summary(data, result)),
        facts=_facts(data, result),
        scores=to_html(metrics_down(results)),
        notes=tuple(notes),
        classes=to_html(class_table(scores)) if scores.classes else None,
        confusion=to_html(confusion_table(scores)) if scores.confusion else None,
        figures=figures,
        left_out=left_out,
        mistakes=mistakes(data, result, data.rows(split), path),
        settings=tuple(settings_of(run).items()),
        embeddings=_embeddings(data),
        environment=(*versions, ("report made with semanticmac", __version__)),
    )


def require_writable(path: Path) -> None:
    """Raises RunError where no file can be written at `path`; called before minutes of work."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Permissions alone do not show that a disk is read-only.
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise RunError(
            f"{path} cannot be written ({error.strerror}): name another file with --to"
        ) from None


def write(page: Page, path: Path) -> None:
    """Renders the page; text of label files and file names is escaped."""
    write_text(path, render_template("report.html", page))


def page_figure(result: AnalysisResult) -> PageFigure:
    """The figures of an analysis as data URIs: lines as SVG, photographs as PNG."""
    ending, kind = "svg", "image/svg+xml"
    if result.photographs:
        ending, kind = "png", "image/png"
    sources = [data_uri(render(figure, ending), kind) for figure in result.figures.values()]
    return PageFigure(result.title, result.explanation, tuple(sources))


def _analyses(
    data: EvalData, run: Path, split: str, progress: ProgressFn
) -> tuple[tuple[PageFigure, ...], Pairs]:
    figures: list[PageFigure] = []
    left_out: list[tuple[str, str]] = []
    for done, name in enumerate(ANALYSES):
        progress("analyses", done, len(ANALYSES), 0)
        try:
            figures.append(page_figure(analysis(name)(data, run, split)))
        except AnalysisError as error:
            left_out.append((name, str(error)))
    progress("analyses", len(ANALYSES), len(ANALYSES), 0)
    return tuple(figures), tuple(left_out)


def _facts(data: EvalData, result: Evaluation) -> Pairs:
    info = data.trained.info
    main = result.scores[result.scores.main]
    return (
        (main.name, format_cell(metric_cell([main.value], main))),
        ("clips", str(result.scores.scored)),
        ("modalities", ", ".join(info.model.modalities)),
        ("best epoch", f"{info.best_epoch}, seed {info.seed}"),
    )


def _embeddings(data: EvalData) -> Pairs:
    """What made the embeddings that the model reads."""
    pairs: list[tuple[str, str]] = []
    for stream in data.streams.all:
        trained = "yes" if stream.trained else "no: random weights"
        pairs += [
            (f"{stream.modality}: encoder", stream.encoder),
            ("fingerprint", stream.name),
            ("trained", "imported features" if stream.imported else trained),
            ("weights, SHA-256", stream.weights),
            ("architecture", stream.architecture),
            ("width", f"{stream.width} × {stream.dtype}"),
        ]
    if not data.manifest.imported:
        sampling = data.streams.sampling
        rate, side = f"{sampling.frames_per_s} frames/s", f"{sampling.short_side_px} px"
        pairs.append(("sampling", f"{rate}, {side}, {sampling.picture}"))
    return tuple(pairs)
