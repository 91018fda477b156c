"""The command probe: its table, its files and its options."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from support.planted import TASKS, planted_clips, write_corpus
from support.program import semanticmac

RAVDESS = Path(__file__).parents[3] / "shared/data/ravdess"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probe")
    clips = planted_clips("regression", (40, 16, 16))
    write_corpus(folder / "data/cache", TASKS["regression"], clips)
    return folder


def test_a_table_and_a_picture(folder):
    answer = semanticmac(folder, "probe")
    assert "planted · linear probes · valid" in answer.stdout
    assert "fitted on 40 train clips, scored on 16 of valid" in answer.stdout
    written = sorted(path.name for path in (folder / "data/probe/planted").iterdir())
    assert written == ["probe.csv", "probe.png", "probe.svg"]
    with (folder / "data/probe/planted/probe.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[1][0] == "train mean"
    assert {row[0] for row in rows[1:]} == {"train mean", "tiny"}


def test_json(folder):
    found = json.loads(semanticmac(folder, "probe", "--split", "test", "--json").stdout)
    assert found["split"] == "test" and found["main"] == "MAE" and len(found["streams"]) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--leave-out", "video"), "expected `speaker`"),
        (("--standardise", "all"), "expected `train` or `speaker`"),
        (("--streams", "tiny,other"), "there is no stream 'other'"),
        (("--beside", "other"), "does not hold the dataset 'other'"),
    ],
)
def test_what_is_refused(folder, words, message):
    answer = semanticmac(folder, "probe", *words, expect=2)
    assert message in " ".join(answer.stderr.split())


@pytest.mark.skipif(not RAVDESS.is_dir(), reason="../shared/data/ravdess is not there")
def test_logmel_stats_read_emotions_of_real_voices(tmp_path):
    """docs/encoders.md: 0.49 with one speaker left out, where chance is 0.125."""
    clips = shutil.copytree(RAVDESS, tmp_path / "clips", copy_function=shutil.copyfile)
    clips.chmod(0o755)
    with (RAVDESS / "clips.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (clips / "clips.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "speaker", "text", "emotion", "split"])
        for row in rows:
            line = [row["file"], row["speaker"], row["transcript"], row["emotion"], "train"]
            writer.writerow(line)
    words = ("--root", clips, "--name", "ravdess", "--audio", "logmel-stats")
    semanticmac(tmp_path, "cache", "folder", *words)
    found = json.loads(semanticmac(tmp_path, "probe", "--leave-out", "speaker", "--json").stdout)
    constant, stream = found["streams"]
    low, high = stream["intervals"]["Accuracy"]
    assert constant["metrics"]["Accuracy"] == pytest.approx(0.125)
    assert stream["name"] == "logmel-stats" and stream["metrics"]["Accuracy"] >= 0.48
    assert 0.125 < low < 0.48 < high
