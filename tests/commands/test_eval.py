"""The command eval says what its numbers are of: unfinished runs, and splits without a zero."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.cli import app
from semanticmac.run.folder import RunInfo


def refused(*words: object) -> str:
    """What the program says, in one line, of words that it cannot do anything with."""
    done = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "1000"})
    assert done.exit_code != 0, done.output
    return (
        str(done.exception)
        if type(done.exception) is not SystemExit
        else " ".join(done.output.split())
    )


def run_cli(*words: object, expect: int = 0) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == expect, done.output + str(done.exception)
    return done.stdout


def run_eval(*words: object) -> str:
    """What the command prints, on one line."""
    done = CliRunner().invoke(app, ["eval", *map(str, words)])
    assert done.exit_code == 0, done.output + str(done.exception)
    return " ".join(done.stdout.split())


@pytest.fixture
def runs(walks, tmp_path) -> tuple[Path, Path]:
    """(a finished run, the same run with a checkpoint)."""
    finished = shutil.copytree(walks["regression"].run, tmp_path / "a")
    unfinished = shutil.copytree(finished, tmp_path / "b")
    (unfinished / "checkpoint").mkdir()
    return finished, unfinished


def test_an_unfinished_run_is_scored_with_a_warning(walks, runs):
    finished, unfinished = runs
    cache = walks["regression"].layout.root
    epoch = RunInfo.read(unfinished).best_epoch
    warning = f"training is not finished: epoch {epoch} is scored, the best so far"
    assert warning in run_eval(unfinished, "--cache", cache)
    assert warning in json.loads((unfinished / "eval-test.json").read_text())["notes"]
    assert "not finished" not in run_eval(finished, "--cache", cache)
    for option in ((), ("--compare",)):
        text = run_eval(finished, unfinished, *option, "--cache", cache)
        assert warning in text and "a: training" not in text


def test_equal_zero_rules_are_explained_once(walks, runs):
    finished, unfinished = runs
    cache = walks["regression"].layout.root
    for option in ((), ("--compare",)):
        text = run_eval(finished, unfinished, *option, "--cache", cache)
        explained = "no label here is 0, so has-zero and non-zero metrics are equal"
        assert text.count(explained) == 1


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


def test_missing_data_of_several_runs_is_beside_them_and_named_so(walks, tmp_path):
    walk = walks["regression"]
    words = ["--missing", "same", "--draws", "1", "--cache", walk.layout.root]
    folder = tmp_path / "seeds"
    runs = [shutil.copytree(walk.run, folder / f"seed-{seed}") for seed in (1, 2)]
    run_cli("eval", *runs, *words)
    mean = "missing-same-test-mean-of-2-runs"
    endings = {".csv", ".png", ".svg"}
    written = list((runs[0] / "analysis").iterdir())
    assert {path.name for path in written} == {mean + ending for ending in endings}

    (folder / "seeds.json").write_text("{}")
    shutil.rmtree(runs[0] / "analysis")
    run_cli("eval", folder, *words)
    assert not (runs[0] / "analysis").exists()
    assert {path.name for path in (folder / "analysis").iterdir()} == {
        mean + ending for ending in endings
    }

    run_cli("eval", runs[0], *words, "--split", "all")
    for split in ("train", "valid", "test"):
        [first, *_] = csv.DictReader((runs[0] / f"analysis/missing-same-{split}.csv").open())
        assert (first["split"], first["runs"]) == (split, "1")


def test_files_of_a_run_are_where_they_are_said_to_be(walks, tmp_path):
    walk = walks["binary"]
    run: Path = shutil.copytree(walk.run, tmp_path / "run")
    run_cli("eval", run, "--cache", walk.layout.root, "--without", "audio")
    assert (run / "eval-test-without-audio.json").exists() and not (
        run / "predictions.parquet"
    ).exists()


@pytest.mark.parametrize(
    "words",
    [("analyze", "calibration", "--run"), ("report",), ("eval",)],
    ids=lambda words: words[0],
)
def test_a_split_that_there_is_not_is_named_with_those_there_are(walks, words):
    walk = walks["binary"]
    said = refused(*words, walk.run, "--cache", walk.layout.root, "--split", "tset")
    assert "tset" in said and "expected train, valid" in said and "labelled" not in said


def test_a_run_is_scored_on_its_own_dataset_alone(walks, tmp_path):
    walk = walks["regression"]
    run = shutil.copytree(walk.run, tmp_path / "run")
    for words in ((run,), ("--run", run)):
        said = refused("eval", *words, "--dataset", "demo", "--cache", walk.layout.root)
        assert f"--dataset demo, but {run} was trained on planted" in said
    assert not (run / "eval-test.json").exists()
    done = CliRunner().invoke(
        app, ["eval", str(run), "--dataset", "planted", "--cache", str(walk.layout.root)]
    )
    assert done.exit_code == 0 and (run / "eval-test.json").exists()


def test_runs_of_two_datasets_have_no_mean(walks, tmp_path):
    """`--compare` may still set two caches of one corpus against each other."""
    walk, layout = walks["regression"], CacheLayout(tmp_path / "cache")
    shutil.copytree(walk.layout.root, layout.root)
    replace(Manifest.read(layout.manifest("planted")), dataset="twin").write(
        layout.manifest("twin")
    )
    runs = [shutil.copytree(walk.run, tmp_path / name) for name in ("a", "b")]
    replace(RunInfo.read(runs[1]), dataset="twin").write(runs[1])
    assert f"{runs[0]} was trained on planted and {runs[1]} on twin" in refused(
        "eval", *runs, "--cache", layout.root
    )
    words = ["eval", "--compare", *map(str, runs), "--cache", str(layout.root)]
    assert CliRunner().invoke(app, words).exit_code == 0


def test_a_mean_over_other_models_has_a_note(walks, tmp_path):
    walk = walks["regression"]
    runs = [shutil.copytree(walk.run, tmp_path / name) for name in ("a", "b")]
    words = ["eval", *map(str, runs), "--cache", str(walk.layout.root)]
    assert "the mean is not the score of one model" not in CliRunner().invoke(app, words).stderr
    info = RunInfo.read(runs[1])
    replace(info, model=replace(info.model, dropout=0.5)).write(runs[1])
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "the mean is not the score of one model" in " ".join(done.stderr.split())
