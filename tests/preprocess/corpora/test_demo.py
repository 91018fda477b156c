"""The demo corpus read from its rendered folder."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.demo import SMALL

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import demo
from semanticmac.preprocess.demo.plan import DemoSpec, plan
from semanticmac.preprocess.demo.render import render


def test_importing_the_demo_is_light():
    program = (
        "import sys; import semanticmac.preprocess.corpora.demo; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_rendered_folder_reads_back_as_planned(rendered: Path):
    corpus = demo.read(rendered)
    assert (corpus.name, corpus.task.kind, corpus.task.low, corpus.task.high) == (
        "demo",
        "regression",
        -3,
        3,
    )
    for clip, record in zip(corpus.clips, plan(SMALL), strict=True):
        assert clip.video.stat().st_size > 1000
        assert (clip.clip_id, clip.text, clip.split, clip.speaker) == (
            record.clip_id, record.text, record.split, record.speaker,
        )  # fmt: skip
        assert clip.labels == {
            "multimodal": record.label, "text": record.label_text,
            "audio": record.label_audio, "vision": record.label_vision,
        }  # fmt: skip
    assert not list(rendered.glob(".rendering-*"))


def test_adapter_renders_and_reads_with_its_own_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[DemoSpec] = []

    def instead(root: Path, spec: DemoSpec, workers: int | None, progress: object) -> int:
        asked.append(spec)
        return render(root, SMALL, workers=1)

    monkeypatch.setattr(demo.rendering, "render", instead)
    assert len(demo.render(tmp_path / "new", seed=4, clips=9).clips) == 8
    assert asked == [DemoSpec(seed=4, clips=9)]


def test_folders_that_are_no_demo_corpus_say_what_to_do(rendered: Path, tmp_path: Path):
    with pytest.raises(
        CorpusError, match=r"expected clips.csv, spec.json and videos/.*`semanticmac demo`"
    ):
        demo.read(tmp_path)
    (tmp_path / "spec.json").write_text(json.dumps({"seed": 0}))
    with pytest.raises(
        CorpusError, match=r"rendering was interrupted. Run `semanticmac demo` again; it resumes"
    ):
        demo.read(tmp_path)
    (tmp_path / "clips.csv").write_text("clip_id,file\na,videos/a.mp4\n")
    with pytest.raises(
        CorpusError,
        match="lacks label, label_audio, label_text, label_vision, speaker, split, text",
    ):
        demo.read(tmp_path)
    with (rendered / "clips.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0]["label_audio"] = "loud"
    with (tmp_path / "clips.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(CorpusError, match="clip 'demo_0000': label_audio is not a number"):
        demo.read(tmp_path)
