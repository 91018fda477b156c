"""Scores of one run or several: on the terminal, as JSON, CSV and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semanticmac.commands.ui.screen import echo, err, out

if TYPE_CHECKING:
    from semanticmac.commands.scored_runs import ScoredRun
    from semanticmac.eval.report.results_table import ResultsTable


def scores_json_of(results: list[ScoredRun], paper: str) -> dict[str, Any]:
    """One run as in its eval-SPLIT.json; several with their spread and their folders."""
    from semanticmac.eval.report.score_json import quoted_json, scores_json

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


def print_scores(results: list[ScoredRun], paper: str) -> None:
    """The score table; for one run of classes also each class and the confusion matrix."""
    from semanticmac.eval.report.class_tables import class_table, confusion_table, numbered
    from semanticmac.eval.report.score_tables import metrics_down, paper_tables
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
        print_tables(paper_tables(_results_table(results, paper)))


def print_trust(results: list[ScoredRun]) -> None:
    """How the intervals and flags of `predict` hold on this split."""
    from semanticmac.eval.report.formatting import percent
    from semanticmac.eval.trust_fit import no_interval_notes

    for run in results:
        if run.trust is None:
            continue
        sentences: list[str] = []
        trust = run.trust
        for name, half_width, covered in zip(
            trust.names, trust.half_widths, trust.covered, strict=True
        ):
            if half_width is not None and covered is not None:
                of_name = "" if len(trust.names) == 1 else f" of {name}"
                sentences.append(
                    f"90 % intervals{of_name} of ± {half_width:.2f} hold "
                    f"{percent(covered)} of the {run.result.split} truths"
                )
        sentences += no_interval_notes(trust.names, trust.half_widths)
        if run.trust.unusual is not None:
            sentences.append(
                f"{percent(run.trust.unusual)} of the clips are unlike the train clips (5 % of "
                "validation, by definition)"
            )
        if sentences:
            echo(out, "; ".join(sentences))


def print_tables(tables: Sequence[ResultsTable]) -> None:
    from semanticmac.eval.report.write_terminal import to_terminal

    for table in tables:
        out.print(to_terminal(table, min_width=60))


def write_files(results: list[ScoredRun], paper: str, csv: Path | None, latex: Path | None) -> None:
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
