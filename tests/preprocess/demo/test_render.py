"""The rendered folder: deterministic, resumable and never mixed with other files."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.demo import SMALL, digest

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import demo
from semanticmac.preprocess.demo.film import DRAWINGS_PER_S
from semanticmac.preprocess.demo.plan import plan
from semanticmac.preprocess.demo.render import encode, film, render
from semanticmac.preprocess.demo.voice import SAMPLE_RATE_HZ


def test_a_clip_does_not_depend_on_what_was_rendered_before_or_where():
    records = plan(SMALL)
    forward = {r.clip_id: film(SMALL, r) for r in records[:3]}
    for record in reversed(records[:3]):
        again, first = film(SMALL, record), forward[record.clip_id]
        assert digest(again.frames) == digest(first.frames)
        assert digest(again.waveform) == digest(first.waveform)
    program = (
        "import hashlib; from semanticmac.preprocess.demo.plan import DemoSpec, plan; "
        "from semanticmac.preprocess.demo.render import film; "
        "s = DemoSpec(seed=3, clips=8, size_px=64); t = film(s, plan(s)[1]); "
        "print(hashlib.sha256(t.frames.tobytes()).hexdigest()); "
        "print(hashlib.sha256(t.waveform.tobytes()).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    take = forward[records[1].clip_id]
    assert other == [digest(take.frames), digest(take.waveform)]


def test_pictures_and_sound_are_equally_long_and_of_the_stated_kind():
    take = film(SMALL, plan(SMALL)[0])
    frames, height, width, channels = take.frames.shape
    assert (height, width, channels, take.frames.dtype) == (64, 64, 3, np.uint8)
    assert take.waveform.dtype == np.int16
    assert len(take.waveform) == round(frames * SAMPLE_RATE_HZ / DRAWINGS_PER_S)
    assert 1.8 < frames / DRAWINGS_PER_S < 5
    assert np.abs(take.waveform.astype(int)).max() < 32767


def test_rendering_again_draws_only_what_is_missing(rendered: Path):
    deleted = rendered / plan(SMALL)[2].file
    deleted.unlink()
    times = {path: path.stat().st_mtime_ns for path in rendered.glob("videos/*.mp4")}
    # Reading the corpus does not report an absent file; the decoder does.
    assert demo.read(rendered).clips[2].video == deleted
    calls: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        calls.append((done, total))

    assert render(rendered, SMALL, workers=1, progress=progress) == 1
    assert calls == [(8, 8)]
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert render(rendered, SMALL) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupted_rendering_has_no_table_and_resumes(tmp_path: Path, workers: int):
    root = tmp_path / "corpus"

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render(root, SMALL, workers=workers, progress=stop)
    assert {path.name for path in root.iterdir()} == {"spec.json", "videos"}
    with pytest.raises(CorpusError, match="was interrupted"):
        demo.read(root)
    there = len(list(root.glob("videos/*.mp4")))
    assert 2 <= there < 8
    assert render(root, SMALL, workers=workers) == 8 - there
    assert len(demo.read(root).clips) == 8


def test_another_spec_or_a_strange_folder_is_refused(rendered: Path, tmp_path: Path):
    with pytest.raises(
        CorpusError,
        match=r'holds the demo corpus .*"seed": 3.* expected .*"seed": 4.*another folder',
    ):
        render(rendered, replace(SMALL, seed=4))
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(
        CorpusError,
        match=r"is no rendered demo corpus .no spec.json.. Give a new or an empty folder",
    ):
        render(tmp_path, SMALL)


def test_a_failing_encoder_names_the_clip_and_leaves_nothing(tmp_path: Path):
    take = film(SMALL, plan(SMALL)[0])
    with pytest.raises(RuntimeError, match=r"ffmpeg could not write clip.mp4: "):
        encode(
            replace(take, frames=take.frames[:, :63, :63]), tmp_path / "clip.mp4"
        )  # H.264 wants even sides
    assert not (tmp_path / "clip.pcm").exists()
