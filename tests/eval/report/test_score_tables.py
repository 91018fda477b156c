"""Scores as tables that stay readable in 80 columns."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from rich.console import Console
from support.planted import CPU
from support.score_tables import (
    EVERY_DATASET,
    HUMOUR,
    IEMOCAP,
    MELD,
    MOSEI,
    SENTIMENT,
    predictions,
    printed,
    row,
    score_table,
    scores_of,
)

from semanticmac.core import Task
from semanticmac.eval.evaluate import evaluate
from semanticmac.eval.metrics.bootstrap import bootstrap
from semanticmac.eval.metrics.scores import score
from semanticmac.eval.report.class_tables import class_table, confusion_table, numbered
from semanticmac.eval.report.score_json import scores_json
from semanticmac.eval.report.score_tables import (
    ReportError,
    metrics_down,
    paper_tables,
    results_table,
)
from semanticmac.eval.report.write_csv import to_csv
from semanticmac.eval.report.write_latex import to_latex
from semanticmac.eval.report.write_terminal import to_terminal


@pytest.mark.parametrize(("dataset", "task"), EVERY_DATASET)
def test_every_table_fits_80_columns_and_cuts_nothing(dataset: str, task: Task) -> None:
    truth, raw = predictions(task, 0)
    scores = scores_of(dataset, task)
    intervals = bootstrap(dataset, task, truth, raw, valid=predictions(task, 99), resamples=20)
    for table in (
        score_table(scores, dataset, "test", intervals=intervals),
        score_table([scores, scores_of(dataset, task, 1)], dataset, "test"),
        *([to_terminal(class_table(scores))] if scores.classes else []),
        *([to_terminal(numbered(confusion_table(scores)))] if scores.confusion else []),
    ):
        narrow, wide = printed(table), printed(table, 300)
        assert all(len(line) <= 80 for line in narrow.splitlines())
        # With all the room in the world it says the same: at 80 columns no cell was shortened or
        # wrapped.
        assert narrow.split() == wide.split()


def test_the_table_has_ours_the_constants_and_the_quoted_paper() -> None:
    truth = np.array([[1.0], [-1.0], [2.0], [-2.0], [0.0]])
    close = np.array([[1.0], [-1.0], [2.0], [-2.0], [0.0621]])
    scores = score("mosi", SENTIMENT, truth, close, train_truth=truth)
    text = printed(score_table(scores, "mosi", "test", notes=["the encoder is untrained"]))
    assert "mosi · test" in text
    assert "quoted: as printed in the paper (arXiv 2408.07694), not measured here" in " ".join(
        text.split()
    )
    assert row(text, "Acc-2 (non-zero)") == ["100.0", "50.0", "50.0", "86.4", "88.0"]
    assert row(text, "F1 (has-zero)") == ["100.0", "45.0", "45.0"]
    assert row(text, "MAE") == ["0.012", "1.200", "1.200", "0.685", "0.632"]
    assert row(text, "Corr")[1:] == ["undefined", "undefined", "0.811", "0.845"]
    assert text.index("the encoder is untrained") < text.index("5 clips scored; judged by MAE")
    assert "collapsed" not in text


@pytest.mark.parametrize(
    ("corpus", "split", "clips", "sizes"),
    [
        ("mosi", "test", 752, "752 clips here, 686 in the paper"),
        ("mosi", "test", 686, ""),
        ("mosi", "valid", 686, "686 clips here, 686 of test in the paper"),
        ("my-videos", "test", 752, ""),
    ],
)
def test_the_header_has_both_sizes_where_the_paper_scored_other_clips(
    corpus: str, split: str, clips: int, sizes: str
) -> None:
    truth, raw = predictions(SENTIMENT, 0, clips)
    scores = score(corpus, SENTIMENT, truth, raw, train_truth=truth)
    results = results_table([scores], "mine", corpus, split, paper="all")
    title = f"mine · {split}" + (f" · {sizes}" if sizes else "")
    assert results.title == metrics_down(results).title == title
    assert all(table.title.startswith(title) for table in paper_tables(results))
    assert f"({sizes})" in results.caption if sizes else "clips" not in results.caption
    assert results_table([scores], "mine", corpus, split, paper="none").title == f"mine · {split}"


def test_a_dataset_outside_the_paper_quotes_nothing() -> None:
    assert "paper" not in printed(
        score_table(scores_of("my-videos", SENTIMENT), "my-videos", "test")
    )


def test_digits_follow_the_paper() -> None:
    text = printed(score_table(scores_of("urfunny", HUMOUR), "urfunny", "test"))
    assert all(len(cell.partition(".")[2]) == 2 for cell in row(text, "Accuracy"))
    assert row(text, "weighted F1")[-2:] == ["74.40", "75.53"]


def test_both_settings_of_the_paper_stand_apart() -> None:
    text = printed(score_table(scores_of("iemocap", IEMOCAP), "iemocap", "test"))
    assert "utter." in text and "conv." in text
    assert row(text, "F1 (ang)")[-2:] == ["67.8", "65.9"]
    assert row(text, "mean F1")[-1] == "67.2"
    text = printed(score_table(scores_of("mosei-emotion", MOSEI), "mosei-emotion", "test"))
    assert row(text, "F1 (fear)")[-1] == "30.2"
    assert row(text, "w-F1 (fear)")[-1] == "88.5"


def test_runs_over_seeds_are_mean_and_spread_and_undefined_if_one_is() -> None:
    truth = np.array([[1.0], [-1.0], [2.0], [-2.0]])
    off = np.array([[2.0], [0.0], [3.0], [1.0]])
    good, bad = (
        score("mosi", SENTIMENT, truth, prediction, train_truth=truth)
        for prediction in (off, 0 * off)
    )
    text = printed(score_table([good, good, bad], "mosi", "test"))
    assert row(text, "MAE")[:3] == ["1.500", "±", "0.000"]
    assert row(text, "Corr")[0] == "undefined"
    assert "2 runs collapsed" not in text and "3 of 3 runs collapsed" in text
    assert "it predicts the same for every clip" in text


def test_a_collapsed_model_is_said_in_words() -> None:
    truth = np.array([[1.0], [-1.0], [2.0]])
    text = printed(
        score_table(score("mosi", SENTIMENT, truth, 0 * truth, train_truth=truth), "mosi", "test")
    )
    assert "The model collapsed: it predicts the same for every clip." in text


def test_unlabelled_clips_and_notes_are_told_once() -> None:
    truth = np.array([[0.0], [1.0], [np.nan]])
    scores = score("mustard", HUMOUR, truth, np.array([[-1.0], [1.0], [1.0]]), train_truth=truth)
    text = " ".join(printed(score_table(scores, "mustard", "test")).split())
    assert "2 clips scored, 1 without a label left out; judged by weighted F1" in text
    assert text.count("weighted recall equals accuracy") == 1


def test_class_names_with_brackets_are_printed_as_they_are() -> None:
    scores = scores_of("my-videos", Task("single-label", ("[bold]", "[/x]")))
    for table in (
        score_table(scores, "my-[red]videos", "test"),
        to_terminal(class_table(scores)),
        to_terminal(numbered(confusion_table(scores))),
    ):
        assert "[bold]" in printed(table) and "[/x]" in printed(table)


def test_reports_that_make_no_sense_are_refused() -> None:
    mosi, meld = scores_of("mosi", SENTIMENT), scores_of("meld", MELD)
    with pytest.raises(ValueError, match="there are no scores to report"):
        score_table([], "mosi", "test")
    with pytest.raises(ValueError, match="scored by different metrics"):
        score_table([mosi, meld], "mosi", "test")
    intervals = bootstrap("mosi", SENTIMENT, *predictions(SENTIMENT, 0), resamples=2)
    with pytest.raises(ValueError, match="intervals belong to one run, but 2 runs are reported"):
        score_table([mosi, mosi], "mosi", "test", intervals=intervals)


def test_the_papers_models_stand_beside_ours_as_printed():
    draw = np.random.default_rng(0)
    truth = draw.uniform(-3, 3, (50, 1))
    scores = score(
        "mosi", SENTIMENT, truth, truth + draw.normal(size=truth.shape), train_truth=truth
    )
    own, everyone, none = (
        results_table([scores], "my & name", "mosi", "test", (), paper)
        for paper in ("own", "all", "none")
    )
    models = {line.name for line in everyone.rows if line.origin == "quoted"}
    assert "TFN" in models and all(line.name.startswith("SemanticMAC") for line in own.rows[:1])
    assert {line.origin for line in none.rows} == {"constant", "measured"}
    rows = list(csv.DictReader(io.StringIO(to_csv(everyone))))
    [tfn] = [row for row in rows if row["model"] == "TFN" and row["metric"] == "Acc-7"]
    assert (tfn["mean"], tfn["origin"], tfn["runs"]) == ("33.7", "quoted", "")
    latex = to_latex(everyone)
    assert (
        r"my \& name" in latex
        and "EF-LSTM (utterance) & 79.0" not in latex
        and "has-zero" not in latex
    )
    columns = latex.split(r"\begin{tabular}{l")[1].split("}")[0]
    assert all(
        line.count("&") == len(columns) for line in latex.splitlines() if line.endswith(r"\\")
    )
    with pytest.raises(ValueError, match="expected own, all, none"):
        results_table([scores], "mosi", "mosi", "test", (), "some")


@pytest.mark.parametrize("corpus", ["mosi", "iemocap", "meld", "urfunny"])
def test_the_papers_tables_fit_80_columns_and_cut_nothing(corpus):
    tasks = {
        "mosi": SENTIMENT,
        "iemocap": Task("single-label", ("hap", "sad", "neu", "ang", "exc", "fru")),
        "meld": Task(
            "single-label", ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
        ),
        "urfunny": Task("binary", ("serious", "humorous")),
    }
    task, draw = tasks[corpus], np.random.default_rng(0)
    truth = (
        draw.uniform(-3, 3, (90, 1))
        if task.kind == "regression"
        else np.eye(task.width)[np.arange(90) % task.width]
    )
    truth = (draw.random((90, 1)) < 0.5).astype(float) if task.kind == "binary" else truth
    runs = [
        score(corpus, task, truth, truth + draw.normal(size=truth.shape), train_truth=truth)
        for _ in range(2)
    ]
    of = results_table(runs, corpus, corpus, "test", (), "all")
    tables = [to_terminal(table, min_width=60) for table in paper_tables(of)]
    shown = []
    for width in (80, 300):
        console = Console(width=width, color_system=None)
        with console.capture() as capture:
            for table in tables:
                console.print(table)
        shown.append(capture.get().split())
    assert shown[0] == shown[1]  # with all the room in the world it says the same
    everything = " ".join(shown[0])
    assert all(line.name in everything for line in of.rows) and "not measured here" in everything


def test_metrics_that_differ_are_an_error_of_ours(walks):

    scores = [
        evaluate(walks[kind].open().trained, walks[kind].layout, "test", CPU).scores
        for kind in walks
    ]
    with pytest.raises(ReportError, match="scored by different metrics"):
        scores_json(scores, "planted", "test")
