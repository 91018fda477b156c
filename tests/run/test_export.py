"""An exported model predicts as the run does, from the program and from Python."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import semanticmac
from semanticmac.cache.keys import Fingerprint
from semanticmac.cache.layout import CacheLayout
from semanticmac.cli import app
from semanticmac.inference import PredictError
from semanticmac.preprocess.embed import EncoderMismatch
from semanticmac.run.export import card, export_run
from semanticmac.run.folder import RunError, RunInfo
from semanticmac.run.metric import Metric
from semanticmac.run.scores import StoredScores
from semanticmac.run.weights import load_run


def run_cli(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output + str(done.exception)
    return done.stdout


@pytest.fixture(scope="module")
def exported(tmp_path_factory, film) -> tuple[Path, Path]:
    """An exported folder and a video: a small model of audio and vision."""
    root = tmp_path_factory.mktemp("export")
    (root / "clips").mkdir()
    lines = ["file,text,label,split"]
    for n in range(6):
        film(root / "clips" / f"{n}.mp4", 1.0 + 0.2 * n)
        lines.append(
            f"{n}.mp4,line,{n % 3 - 1},{'train' if n < 4 else 'valid' if n < 5 else 'test'}"
        )
    (root / "clips/clips.csv").write_text("\n".join(lines) + "\n")
    cache = root / "cache"
    run_cli(
        "cache",
        "folder",
        "--root",
        root / "clips",
        "--cache",
        cache,
        "--encoder",
        "imagebind-tiny",
        "--name",
        "own",
    )
    words = [
        "d_model=8",
        "heads=2",
        "perceiver_layers=1",
        "sgfi_layers=1",
        "epochs=1",
        'modalities=["audio", "vision"]',
    ]
    settings = [part for word in words for part in ("--set", word)]
    run_cli("train", "--cache", cache, "--run", root / "run", *settings)
    assert RunInfo.read(root / "run").corpus == "folder" and CacheLayout(cache).datasets() == [
        "own"
    ]
    run_cli("eval", "--run", root / "run", "--cache", cache)
    run_cli("export", root / "run", root / "model")
    shutil.rmtree(root / "run")
    shutil.rmtree(cache)
    return root / "model", root / "clips/5.mp4"


def test_python_predicts_the_same_as_the_program(exported):
    folder, video = exported
    said = json.loads(run_cli("predict", video, "--run", folder, "--json"))["predictions"][0]
    prediction = semanticmac.load(folder).predict(video)
    assert prediction.summary == said["prediction"]
    assert prediction.outputs["text"] is None and said["scores"]["text"] is None
    for name, score in said["scores"].items():
        if score is not None:
            np.testing.assert_array_equal(prediction.outputs[name], score)
    assert prediction.score == prediction.outputs["multimodal"] and prediction.classes == ()


def test_the_folder_says_what_it_is(exported):
    folder, _ = exported
    names = {path.name for path in folder.iterdir()}
    assert {
        "run.json",
        "config.toml",
        "model.safetensors",
        "preprocessing.json",
        "README.md",
    } <= names
    text = (folder / "README.md").read_text()
    assert (
        "| MAE |" in text
        and "fingerprint `vision-imagebind-tiny-" in text
        and "semanticmac.load(" in text
    )
    about = json.loads((folder / "preprocessing.json").read_text())
    assert [stream["modality"] for stream in about["streams"]] == ["vision", "audio"]
    for stream in about["streams"]:
        assert stream["sampling"]["frames_per_s"] == 2
        name = stream.pop("fingerprint")
        assert Fingerprint.from_dict(stream).name == name


def test_another_encoder_is_refused(exported, tmp_path):
    folder = shutil.copytree(exported[0], tmp_path / "other")
    info = RunInfo.read(folder)
    others = tuple(replace(stream, weights="0" * 64) for stream in info.streams.audio)
    replace(info, streams=replace(info.streams, audio=others)).write(folder)
    with pytest.raises(EncoderMismatch, match="audio weights"):
        semanticmac.load(folder)


def test_mistakes_are_named(exported, tmp_path):
    with pytest.raises(RunError, match=r"no run\.json"):
        semanticmac.load(tmp_path)
    with pytest.raises(RunError, match="is not empty"):
        export_run(exported[0], exported[0].parent)
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(PredictError, match=r"text\.mp4"):
        semanticmac.load(exported[0]).predict(tmp_path / "text.mp4")


def test_the_card_of_every_task_is_whole(walks):
    for walk in walks.values():
        text = card(walk.run, load_run(walk.run, torch.device("cpu")).info)
        assert text.count("```") == 2 and "Limits" in text


def test_names_in_the_card_are_text(walks, tmp_path):
    run = shutil.copytree(walks["single-label"].run, tmp_path / "run")
    info = RunInfo.read(run)
    classes = ("<script>alert(1)</script>", "[a](https://x.org)", "b | c\n# d", *info.task.classes)
    task = replace(info.task, classes=classes)
    text = card(run, replace(info, task=task, corpus="<img src=x>`*mine*`\n\n## Scores"))
    assert "<" not in text and "[a](" not in text and "https://" not in text
    assert "# SemanticMAC, &lt;img src=x&gt;\\`\\*mine\\*\\` \\#\\# Scores\n" in text
    assert r"&lt;script&gt;alert(1)&lt;/script&gt;, \[a\](https\://x.org), b \| c \# d" in text
    metric = Metric("F1 (<b>|</b>)", 0.5)
    scores = StoredScores(metric, (metric,), 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("semanticmac.run.export.read_scores", lambda run, split: scores)
        assert "| F1 (&lt;b&gt;\\|&lt;/b&gt;) | 50.0 |" in card(run, info)


def test_importing_the_package_is_light():
    code = "import sys, semanticmac; print(sorted({'torch', 'numpy', 'typer'} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip()
        == "[]"
    )
