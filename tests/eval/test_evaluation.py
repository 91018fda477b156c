"""eval: whose rules are used, several runs, comparisons, files, what is missing, calibration."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from scipy.optimize import minimize_scalar
from typer.testing import CliRunner

from semanticmac.cache.layout import CacheIncomplete
from semanticmac.cache.manifest import Manifest
from semanticmac.cli import app
from semanticmac.core import Task
from semanticmac.eval.calibration import (
    agreement,
    answers,
    bins_of,
    calibration,
    expected_error,
    fit_temperature,
)
from semanticmac.eval.compare import compare
from semanticmac.eval.corruption import (
    drop_frames,
    drop_random_modalities,
    score_corruption,
    score_subsets,
)
from semanticmac.eval.evaluate import evaluate
from semanticmac.eval.metrics.paired import paired_bootstrap
from semanticmac.eval.metrics.scores import score
from semanticmac.eval.report.score_tables import paper_tables, results_table
from semanticmac.eval.report.write_csv import to_csv
from semanticmac.eval.report.write_latex import to_latex
from semanticmac.eval.report.write_terminal import to_terminal
from semanticmac.run.folder import RunError
from semanticmac.run.predictions import read_predictions
from semanticmac.run.pseudo_labels import read_pseudo_labels
from semanticmac.run.weights import load_run
from semanticmac.train.config import preset

CPU = torch.device("cpu")
SENTIMENT = Task("regression")
FEELINGS = Task("single-label", ("hap", "sad", "neu"))


def run_cli(*words: object, expect: int = 0) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == expect, done.output + str(done.exception)
    return done.stdout


def test_rules_and_settings_follow_the_corpus_not_its_name_in_the_cache(walks, tmp_path):
    manifest = Manifest.read(walks["regression"].layout.manifest("planted"))
    assert manifest.corpus == "planted"  # where nothing else is said
    shutil.copytree(walks["regression"].layout.root, tmp_path / "cache")
    layout = replace(walks["regression"].layout, root=tmp_path / "cache")
    sims = replace(manifest, corpus="sims", task=Task("regression", low=-1, high=1))
    sims.write(layout.manifest("planted"))
    assert Manifest.read(layout.manifest("planted")).corpus == "sims"
    result = evaluate(load_run(walks["regression"].run, CPU), layout, "test", CPU)
    assert [metric.name for metric in result.scores.metrics][:3] == ["Acc-2", "F1", "Acc-3"]
    assert (result.dataset, result.corpus) == ("planted", "sims")
    assert preset("sims", "sims-new") == replace(preset("sims"), dataset="sims-new")


def test_a_manifest_of_an_older_format_is_refused_and_written_anew(walks, tmp_path, monkeypatch):
    from semanticmac.cache import manifest as module

    manifest = Manifest.read(walks["binary"].layout.manifest("planted"))
    path = tmp_path / "manifest.parquet"
    monkeypatch.setattr(module, "_FORMAT", 1)
    manifest.write(path)
    monkeypatch.undo()
    with pytest.raises(CacheIncomplete, match="has format 1, but this version reads format"):
        Manifest.read(path)
    assert manifest.write(path) and Manifest.read(path) == manifest


def test_predictions_hold_every_clip_and_keep_other_splits(walks, tmp_path):
    walk = walks["regression"]
    run = shutil.copytree(walk.run, tmp_path / "run")
    run_cli("eval", run, "--cache", walk.layout.root, "--split", "all")
    run_cli("eval", run, "--cache", walk.layout.root)  # again: no row stands twice
    rows = read_predictions(run)
    manifest = Manifest.read(walk.layout.manifest("planted"))
    assert sorted(row["clip_id"] for row in rows) == sorted(row.clip_id for row in manifest.rows)
    truth = {row.clip_id: row.label for row in manifest.rows}
    assert all(row["truth"] == truth[row["clip_id"]] for row in rows)
    history = read_pseudo_labels(run)
    assert history is not None and history.epochs == (1, 2, 3)
    np.testing.assert_allclose(
        history.labels[0, 0], [truth[c] for c in history.clip_ids], rtol=1e-6
    )  # epoch 1: y
    assert not np.allclose(history.labels[2], history.labels[0])
    best = json.loads((run / "run.json").read_text())["best_epoch"]
    train = {row["clip_id"]: row for row in rows if row["split"] == "train"}
    for place, clip_id in enumerate(history.clip_ids):
        assert train[clip_id]["pseudo_audio"] == history.labels[best - 1, 2, place].tolist()
    assert all(row["pseudo_text"] is None for row in rows if row["split"] != "train")


@pytest.mark.parametrize("kind", ["regression", "single-label", "multi-label", "binary"])
def test_every_option_speaks_json_without_nan_and_prints_within_80_columns(walks, kind, tmp_path):
    walk = walks[kind]
    run = shutil.copytree(walk.run, tmp_path / "run")
    words = ["eval", "--run", run, "--cache", walk.layout.root, "--subsets", "--calibration"]
    words += ["--drop-rate"] if kind == "regression" else []
    about = json.loads(run_cli(*words, "--json"))
    assert len(about["subsets"]) == 7 and len(about.get("losses", ())) == (
        20 if kind == "regression" else 0
    )
    assert ("agreement" in about) == (kind == "regression") and ("calibration" in about) == (
        kind != "regression"
    )
    shown = run_cli(*words)
    subsets = shown.split("with these modalities alone")[1].split("the same weights")[0]
    assert "text + audio + vision" in subsets and "…" not in subsets
    assert (
        max(map(len, shown.splitlines()[1:])) <= 80
    )  # the first line names the folder, in one piece


def test_seeds_are_spread_and_never_the_best(walks, tmp_path):
    walk = walks["regression"]
    runs = [shutil.copytree(walk.run, tmp_path / name) for name in ("a", "b")]
    words = ["eval", "--run", runs[0], "--run", runs[1], "--cache", walk.layout.root]
    assert "2 runs" in run_cli(*words, "--csv", tmp_path / "t.csv", "--latex", tmp_path / "t.tex")
    rows = list(csv.DictReader((tmp_path / "t.csv").open()))
    ours = {row["metric"]: row for row in rows if row["model"] == "ours"}
    assert ours["MAE"]["runs"] == "2" and float(ours["MAE"]["std"]) == 0
    assert (
        r"$\pm" not in (tmp_path / "t.tex").read_text()
        and r"\pm" in (tmp_path / "t.tex").read_text()
    )
    about = json.loads(run_cli(*words, "--json"))
    assert len(about["runs"]) == 2 and about["summary"]["MAE"]["std"] == 0
    shown = run_cli("eval", "--compare", *runs, "--cache", walk.layout.root)
    assert "unclear" in shown and "better" not in shown.lower().replace("better or worse", "")
    assert (
        "--compare needs two runs"
        in CliRunner().invoke(app, ["eval", "--compare", str(runs[0])]).output
    )


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


def test_paired_bootstrap_equals_the_loop_and_tells_real_from_chance():
    draw = np.random.default_rng(0)
    truth = draw.uniform(-3, 3, (80, 1))
    good, bad = truth + 0.2 * draw.normal(size=(80, 1)), truth + 1.5 * draw.normal(size=(80, 1))
    found = {
        d.name: d
        for d in paired_bootstrap("mosi", SENTIMENT, truth, bad, good, resamples=200, seed=3)
    }
    again = np.random.default_rng(3)
    moved = []
    for _ in range(200):
        picked = again.integers(80, size=80)
        moved.append(np.abs(good - truth)[picked].mean() - np.abs(bad - truth)[picked].mean())
    mae = found["MAE"]
    np.testing.assert_allclose([mae.low, mae.high], np.quantile(moved, [0.025, 0.975]), atol=1e-12)
    assert mae.real and mae.flips == 0 and mae.difference < 0 and not mae.higher_is_better
    same = paired_bootstrap("mosi", SENTIMENT, truth, good, good, resamples=50)
    assert all(d.difference == 0 and d.flips == 1 and not d.real for d in same)


def test_comparison_needs_the_same_truth_and_says_what_it_leaves_out(walks):
    walk = walks["regression"]
    result = evaluate(load_run(walk.run, CPU), walk.layout, "test", CPU)
    fewer = replace(
        result.predictions,
        clip_ids=result.predictions.clip_ids[::-1][:5],
        truth=result.predictions.truth[::-1][:5],
        outputs=result.predictions.outputs[::-1][:5],
        present=result.predictions.present[::-1][:5],
    )
    [found] = compare(SENTIMENT, [("a", result), ("b", replace(result, predictions=fewer))])
    assert (found.clips, found.left_out) == (5, 3) and all(
        d.difference in (0, None) for d in found.differences
    )
    other = replace(fewer, truth=fewer.truth + 1)
    with pytest.raises(RunError, match="different labels"):
        compare(SENTIMENT, [("a", result), ("b", replace(result, predictions=other))])
    stranger = replace(fewer, clip_ids=("x",) * 5)
    with pytest.raises(RunError, match="no clip in common"):
        compare(SENTIMENT, [("a", result), ("b", replace(result, predictions=stranger))])


def test_losing_nothing_changes_nothing_and_a_loss_belongs_to_the_clip(walks):
    data = walks["regression"].open()
    rows = data.rows("test")
    whole = data.predict(rows)
    curve = score_corruption(data, "test", lambda *_: None, rates=(0.0, 0.9))
    plain = score_subsets(data, "test", lambda *_: None)
    assert curve[0].scores == plain[0].scores == curve[2].scores and plain[0].kept == (
        "text",
        "audio",
        "vision",
    )
    assert curve[1].scores != curve[0].scores
    [batch] = data.batches(rows)
    [alone] = data.batches(rows[3:4])
    both = drop_frames(batch, 0.5, 7), drop_frames(alone, 0.5, 7)
    frames = alone.audio_mask.shape[1]
    assert torch.equal(both[0].audio_mask[3, :frames], both[1].audio_mask[0])
    assert torch.equal(both[0].token_mask, batch.token_mask)
    for rate in (0.5, 1.0):
        left = drop_random_modalities(batch, rate, 7, ("text", "audio", "vision"))
        masks = torch.stack(
            [left.token_mask.any(1), left.audio_mask.any(1), left.vision_mask.any(1)], 1
        )
        assert masks.any(1).all() and (rate < 1 or (masks.sum(1) == 1).all())
    assert whole.clip_ids == tuple(row.clip_id for row in rows)


def test_calibration_error_equals_the_loop_and_the_temperature_is_validations():
    draw = np.random.default_rng(0)
    shares = draw.dirichlet([1, 1, 1], 4000)
    truth = np.stack([draw.multinomial(1, p) for p in shares]).astype(float)
    logits = 3.0 * np.log(shares)  # three times too sure
    said, right = answers(FEELINGS, truth, logits)
    slow = 0.0
    for low in np.arange(10) / 10:
        own = [i for i in range(4000) if low < said[i] <= low + 0.1 + 1e-12]
        if own:
            slow += len(own) / 4000 * abs(right[own].mean() - said[own].mean())
    assert expected_error(said, right) == pytest.approx(slow, abs=1e-9)
    assert sum(b.count for b in bins_of(said, right)) == 4000
    found = calibration(FEELINGS, (truth[:2000], logits[:2000]), (truth[2000:], logits[2000:]))
    assert (
        found.temperature == pytest.approx(3.0, rel=0.1) and found.error_scaled < 0.05 < found.error
    )
    assert found.temperature == fit_temperature(FEELINGS, truth[2000:], logits[2000:])
    binary = Task("binary", ("no", "yes"))
    y, p = truth[:, :1], logits[:, :1] - 1
    best = minimize_scalar(
        lambda t: (np.logaddexp(0, p / np.exp(t)) - y * p / np.exp(t)).mean(), bounds=(-4, 4)
    )
    assert fit_temperature(binary, y, p) == pytest.approx(np.exp(best.x), rel=1e-3)
    with pytest.raises(ValueError, match="agreement"):
        calibration(SENTIMENT, (y, p), (y, p))


def test_agreement_is_least_squares():
    draw = np.random.default_rng(0)
    y = draw.uniform(-3, 3, (101, 1))
    p = 0.5 * y + 0.1 + 0.2 * draw.normal(size=y.shape)
    found = agreement(SENTIMENT, y, p)
    slope, intercept = np.polyfit(p[:, 0], y[:, 0], 1)
    assert (found.slope, found.intercept) == (pytest.approx(slope), pytest.approx(intercept))
    assert found.bias == pytest.approx((p - y).mean()) and sum(b.count for b in found.bins) == 101
    assert agreement(SENTIMENT, y, np.zeros_like(y)).slope is None


def test_files_of_a_run_are_where_they_are_said_to_be(walks, tmp_path):
    walk = walks["binary"]
    run: Path = shutil.copytree(walk.run, tmp_path / "run")
    run_cli("eval", run, "--cache", walk.layout.root, "--without", "audio")
    assert (run / "eval-test-without-audio.json").exists() and not (
        run / "predictions.parquet"
    ).exists()


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
