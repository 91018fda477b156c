"""What is said where a run, a split, a dataset or a file to write is not what it must be: before any work is done."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.planted import CPU, Walk, save_family
from typer.testing import CliRunner

import semanticmac
from semanticmac.cache.layout import CacheIncomplete, CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.cli import app
from semanticmac.eval.report.score_tables import ReportError, scores_json
from semanticmac.run.export import export_run
from semanticmac.run.folder import RunError, RunInfo, newest_run
from semanticmac.run.weights import load_run

NO_WEIGHTS = r"keeps no weights: `semanticmac train --config .*` trains them again"


def refused(*words: object) -> str:
    """What the program says, in one line, of words that it cannot do anything with."""
    done = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "1000"})
    assert done.exit_code != 0, done.output
    return (
        str(done.exception)
        if type(done.exception) is not SystemExit
        else " ".join(done.output.split())
    )


@pytest.fixture
def sweep(walks: dict[str, Walk], tmp_path: Path) -> Path:
    """A folder of three trials, of which trial-0001 was the best and the last one has weights and model no more."""
    folder = tmp_path / "runs/sweep-planted"
    for number in range(3):
        trial = shutil.copytree(walks["regression"].run, folder / f"trial-{number:04d}")
        if number != 1:
            (trial / "model.safetensors").unlink()
            shutil.rmtree(trial / "language")
    shutil.copy(folder / "trial-0001/config.toml", folder / "best.toml")
    return folder


def test_a_folder_that_is_no_run_says_what_it_is(walks, sweep, tmp_path):
    """A path that is not there, a file, a folder of runs, a sweep, a training that did not end: each its own advice."""
    root = sweep.parent
    shutil.copytree(walks["binary"].run, root / "planted-001")
    (root / "planted-002/checkpoint").mkdir(parents=True)
    (root / "planted-002/config.toml").touch()
    (root / "empty").mkdir()
    for folder, message in {
        root / "nowhere": r"nowhere does not exist: `semanticmac runs` lists",
        root / "planted-001/run.json": r"run\.json is a file, and a run is a folder",
        root: r"runs is a folder of 1 runs, not a run: give one of them, as .*runs/planted-001$",
        sweep: r"folder of 3 runs, not a run: the best of them keeps its weights, .*trial-0001$",
        root
        / "planted-002": r"no trained model yet: `semanticmac train --resume .*planted-002` goes on",
        root / "empty": r"\(no run\.json\): `semanticmac train --from-cache` makes one",
    }.items():
        with pytest.raises(RunError, match=message):
            RunInfo.read(folder)
    with pytest.raises(RunError, match="nowhere does not exist"):
        semanticmac.load(root / "nowhere")


def test_a_run_json_of_another_version_is_named(walks, tmp_path):
    run = shutil.copytree(walks["binary"].run, tmp_path / "run")
    about = json.loads((run / "run.json").read_text())
    for text in (
        json.dumps({k: v for k, v in about.items() if k != "data"}),
        json.dumps(about | {"task": 3}),
        "{",
        "3",
    ):
        (run / "run.json").write_text(text)
        with pytest.raises(
            RunError, match=r"run\.json cannot be read: it is damaged, or of another version"
        ):
            RunInfo.read(run)


def test_a_trial_without_weights_says_so_before_its_language_model_is_missed(sweep, tmp_path):
    with pytest.raises(RunError, match=NO_WEIGHTS):
        load_run(sweep / "trial-0000", CPU)
    with pytest.raises(RunError, match=NO_WEIGHTS):
        export_run(sweep / "trial-0000", tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_a_dataset_without_a_run_names_those_that_have_one(walks, tmp_path):
    run = shutil.copytree(walks["binary"].run, tmp_path / "runs/planted-001")
    assert newest_run(tmp_path / "runs", "planted") == run
    with pytest.raises(
        RunError, match=r"no trained model of planetd \(but of planted\); did you mean planted\?"
    ):
        newest_run(tmp_path / "runs", "planetd")
    with pytest.raises(
        RunError, match=r"of mosi \(but of planted\): `semanticmac train --dataset mosi` makes one"
    ):
        newest_run(tmp_path / "runs", "mosi")


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
    """Of other metrics or of the same ones; `--compare` may set caches of one corpus against each other."""
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


def test_metrics_that_differ_are_an_error_of_ours(walks):
    from semanticmac.eval.evaluate import evaluate

    scores = [
        evaluate(walks[kind].open().trained, walks[kind].layout, "test", CPU).scores
        for kind in walks
    ]
    with pytest.raises(ReportError, match="scored by different metrics"):
        scores_json(scores, "planted", "test")


def test_a_report_that_cannot_be_written_is_refused_before_it_is_made(walks, tmp_path, monkeypatch):
    walk = walks["binary"]
    (tmp_path / "file").touch()
    monkeypatch.setattr(
        "semanticmac.commands.report.err", None
    )  # the progress of an analysis would need it
    said = refused(
        "report", walk.run, "--cache", walk.layout.root, "--to", tmp_path / "file/page.html"
    )
    assert (
        f"{tmp_path / 'file/page.html'} cannot be written" in said
        and "name another file with --to" in said
    )


def test_a_report_names_what_it_leaves_out_and_why(walks, tmp_path, monkeypatch):
    walk = walks["binary"]
    export_run(walk.run, tmp_path / "model")  # pseudo labels are no part of it
    monkeypatch.setattr("semanticmac.eval.report.page.ANALYSES", ("calibration", "labels"))
    words = [
        "report",
        str(tmp_path / "model"),
        "--cache",
        str(walk.layout.root),
        "--to",
        str(tmp_path / "page.html"),
    ]
    done = CliRunner().invoke(app, words, env={"COLUMNS": "1000"})
    assert done.exit_code == 0, done.output
    said = " ".join(done.stderr.split())
    assert "note: labels is left out: " in said and "failed" not in said
    assert "calibration" not in said and (tmp_path / "page.html").exists()


def test_a_model_whose_dataset_is_not_cached_says_what_caches_it(walks, tmp_path):
    info = replace(RunInfo.read(walks["binary"].run), dataset="own", corpus="sims")
    run = shutil.copytree(walks["binary"].run, tmp_path / "run")
    info.write(run)
    layout = CacheLayout(tmp_path / "cache")
    with pytest.raises(
        CacheIncomplete, match=r"Run `semanticmac cache sims --root DIR --name own --encoder .*`"
    ):
        Walk(layout, run).open()


@pytest.fixture(scope="module")
def reader(film, tmp_path_factory) -> tuple[Path, Path]:
    """(a run that reads text and sound, a folder of one clip that has a transcript beside it)."""
    root = tmp_path_factory.mktemp("reader")
    save_family("bert", root / "bert")
    (root / "clips").mkdir()
    lines = ["file,text,label,split"]
    for n in range(3):
        film(root / "clips" / f"{n}.mp4", 1.0)
        lines += [f"{n}.mp4,good bad,{n - 1},{split}" for split in ("train", "valid")]
    (root / "clips/clips.csv").write_text("\n".join(lines) + "\n")
    (root / "raw").mkdir()
    shutil.copy(root / "clips/0.mp4", root / "raw/ok clip.mp4")
    (root / "raw/ok clip.txt").write_text("good\ngood\n")
    small = {"d_model": 8, "heads": 2, "perceiver_layers": 1, "sgfi_layers": 1, "epochs": 1}
    words = [f"{key}={value}" for key, value in small.items()] + [f'language="{root / "bert"}"']
    settings = [part for word in words for part in ("--set", word)]
    for line in (
        [
            "cache",
            "folder",
            "--root",
            root / "clips",
            "--cache",
            root / "cache",
            "--encoder",
            "imagebind-tiny",
        ],
        ["train", "--cache", root / "cache", "--run", root / "run", *settings],
    ):
        done = CliRunner().invoke(app, [str(word) for word in line])
        assert done.exit_code == 0, done.output + str(done.exception)
    return root / "run", root / "raw"


def test_a_file_is_predicted_as_its_folder_is_and_its_transcript_is_named(reader):
    run, folder = reader

    def predicted(*words: object) -> dict:
        done = CliRunner().invoke(
            app, [str(word) for word in ("predict", *words, "--run", run, "--json")]
        )
        assert done.exit_code == 0, done.output + str(done.exception)
        return json.loads(done.stdout)

    of_folder, of_file = predicted(folder), predicted(folder / "ok clip.mp4")
    assert (
        of_file["predictions"] == of_folder["predictions"]
        and of_file["predictions"][0]["clip"] == "ok clip"
    )
    note = f"the transcript was read from {folder / 'ok clip.txt'}"
    assert note in of_file["notes"]
    silent = predicted(folder / "ok clip.mp4", "--text", "")
    assert silent["predictions"][0]["scores"]["text"] is None and note not in silent["notes"]
    assert note not in predicted(folder / "ok clip.mp4", "--without", "text")["notes"]
    assert (
        semanticmac.load(run).predict(folder / "ok clip.mp4").outputs["text"] is None
    )  # Python reads no file unasked


def test_one_text_for_a_folder_of_clips_is_refused(reader):
    run, folder = reader
    said = refused("predict", folder, "--text", "good", "--run", run)
    assert f"a text belongs to one file, but {folder} is a folder" in said
