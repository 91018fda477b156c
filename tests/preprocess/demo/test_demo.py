"""The demo corpus: deterministic, resumable, divided cleanly, and with the affect visible and audible in it."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import demo
from semanticmac.preprocess.demo.face import Pose, draw_face, random_face
from semanticmac.preprocess.demo.film import DRAWINGS_PER_S, random_picture, random_sound
from semanticmac.preprocess.demo.lines import LINES, lines_of
from semanticmac.preprocess.demo.phones import pronounce
from semanticmac.preprocess.demo.plan import MIXTURE, NOISE, DemoSpec, cast, plan
from semanticmac.preprocess.demo.render import encode, film, render
from semanticmac.preprocess.demo.voice import SAMPLE_RATE_HZ, random_voice, speak

SMALL = DemoSpec(seed=3, clips=8, size_px=64)


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("demo") / "corpus"
    assert render(root, SMALL, workers=2) == 8
    return root


# What is planned


def test_lines_are_many_original_and_held_out():
    everything = [line for level in LINES.values() for line in level]
    assert sorted(LINES) == [-3, -2, -1, 0, 1, 2, 3]
    assert len(everything) == len(set(everything)) >= 120
    for level, lines in LINES.items():
        parts = [lines_of(split, level) for split in ("train", "valid", "test")]
        assert sorted(line for part in parts for line in part) == sorted(lines)
        assert min(len(part) for part in parts) >= 3
    with pytest.raises(ValueError, match="split='dev', expected one of train, valid, test"):
        lines_of("dev", 0)


def test_plan_has_the_stated_sizes_and_no_speaker_or_line_in_two_splits():
    records = plan(DemoSpec())
    by_split = {
        split: [r for r in records if r.split == split] for split in ("train", "valid", "test")
    }
    assert [len(part) for part in by_split.values()] == [220, 40, 60]
    assert len({r.clip_id for r in records}) == 320
    for first, second in (("train", "valid"), ("train", "test"), ("valid", "test")):
        assert not {r.speaker for r in by_split[first]} & {r.speaker for r in by_split[second]}
        assert not {r.text for r in by_split[first]} & {r.text for r in by_split[second]}


def test_label_is_the_stated_mixture_and_no_modality_alone_explains_it():
    records = plan(DemoSpec(clips=2000))
    labels = np.array([r.label for r in records])
    unimodal = np.array([[r.label_text, r.label_audio, r.label_vision] for r in records])
    residual = labels - unimodal @ np.array([MIXTURE["text"], MIXTURE["audio"], MIXTURE["vision"]])
    assert abs(residual.std() - NOISE) < 0.02
    assert np.abs(unimodal).max() <= 3
    assert np.abs(labels).max() <= 3
    for modality in range(3):
        assert 0.5 < np.corrcoef(unimodal[:, modality], labels)[0, 1] < 0.82
    contradicting = (unimodal[:, 1] * unimodal[:, 2] < 0).mean()
    assert 0.3 < contradicting < 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clips": 7}, "at least 8"),
        ({"seed": -1}, "must not be negative"),
        ({"size_px": 63}, "must be even"),
    ],
)
def test_impossible_specs_are_refused(change: dict[str, int], message: str):
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **change)


# Pixels and samples


def test_the_same_arguments_give_the_same_pixels_and_samples():
    face, voice = cast(SMALL, 0)
    pictures = {digest(draw_face(face, 2.0, 0.5, 64, Pose(roll=0.1))) for _ in range(2)}
    sounds = {
        digest(speak("Hello there.", voice, -2.0, np.random.default_rng(1)).waveform)
        for _ in range(2)
    }
    assert len(pictures) == len(sounds) == 1


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
        "print(hashlib.sha256(t.frames.tobytes()).hexdigest(), hashlib.sha256(t.waveform.tobytes()).hexdigest())"
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


def test_every_line_can_be_spoken_in_a_few_seconds():
    for line in (line for level in LINES.values() for line in level):
        assert 1.0 < sum(phone.seconds for phone in pronounce(line)) < 5.5, line
    with pytest.raises(ValueError, match="nothing in '123' can be spoken"):
        speak("123", random_voice(np.random.default_rng(0)), 0.0, np.random.default_rng(0))


def test_importing_the_demo_is_light():
    program = (
        "import sys; import semanticmac.preprocess.corpora.demo; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


# Is the affect there? Held-out identities, features that know nothing of it, ridge regression.


def correlation(features: np.ndarray, truth: np.ndarray, train: int) -> float:
    """Pearson's r of ridge regression on the rows from `train` on, fitted on the rows before."""
    scaled = (features - features[:train].mean(axis=0)) / (features[:train].std(axis=0) + 1e-9)
    model = Ridge(alpha=100).fit(scaled[:train], truth[:train])
    return float(np.corrcoef(model.predict(scaled[train:]), truth[train:])[0, 1])


def test_affect_is_visible_around_the_mouth_of_strangers():
    rng = np.random.default_rng(5)
    truth = rng.uniform(-3, 3, 500)
    features = []
    for affect in truth:
        face = replace(random_face(rng), offset=(0.0, 0.0), scale=0.28, roll=0.0, yaw=0.0)
        mouth = draw_face(face, affect, float(rng.beta(1.2, 2.0)), 64)[34:56, 18:46].mean(axis=2)
        features.append(((mouth - mouth.mean()) / (mouth.std() + 1e-6)).ravel())
    assert correlation(np.array(features), truth, 400) > 0.7


def spectral_statistics(waveform: np.ndarray) -> np.ndarray:
    """Mean and spread of the loud moments' log energy in seven bands, their share of the time, and the share of
    periodicity: (16,).
    """
    windows = np.lib.stride_tricks.sliding_window_view(waveform / 32768, 512)[::160] * np.hanning(
        512
    )
    power = np.abs(np.fft.rfft(windows, axis=1)) ** 2 + 1e-9
    loud = power.sum(axis=1) > 0.1 * power.sum(axis=1).mean()
    bands = np.log([power[loud, low:high].mean(axis=1) for low, high in pairwise(EDGES)])
    echo = np.fft.irfft(power[loud], axis=1)
    periodic = (echo[:, 60:200].max(axis=1) / echo[:, 0]).mean()
    return np.concatenate([bands.mean(axis=1), bands.std(axis=1), [loud.mean(), periodic]])


EDGES = (2, 8, 20, 40, 70, 110, 180, 256)  # bins of 31.25 Hz


def test_affect_is_audible_in_two_seconds_of_strangers():
    rng = np.random.default_rng(6)
    truth = rng.uniform(-3, 3, 300)
    features = np.array([spectral_statistics(random_sound(rng, affect)) for affect in truth])
    assert correlation(features, truth, 240) > 0.8


def test_who_it_is_says_nothing_of_the_affect():
    """Ten strangers of one affect look and sound different; one stranger's picture changes with the affect."""
    rng = np.random.default_rng(7)
    assert len({digest(random_picture(rng, 1.0, 64)) for _ in range(10)}) == 10
    assert len({digest(random_sound(rng, 1.0, 0.5)) for _ in range(10)}) == 10
    face = random_face(rng)
    assert digest(draw_face(face, -1.0, 0.0, 64)) != digest(draw_face(face, 1.0, 0.0, 64))


# The folder


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


def test_rendering_again_draws_only_what_is_missing(rendered: Path):
    gone = rendered / plan(SMALL)[2].file
    kept = {path: path.stat().st_mtime_ns for path in rendered.glob("videos/*.mp4") if path != gone}
    gone.unlink()
    assert (
        demo.read(rendered).clips[2].video == gone
    )  # absent: the decoder reports it, reading does not
    seen: list[tuple[int, int]] = []
    assert (
        render(rendered, SMALL, workers=1, progress=lambda done, total: seen.append((done, total)))
        == 1
    )
    assert seen == [(8, 8)]
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
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


def test_a_failing_encoder_names_the_clip_and_leaves_nothing(tmp_path: Path):
    take = film(SMALL, plan(SMALL)[0])
    with pytest.raises(RuntimeError, match=r"ffmpeg could not write clip.mp4: "):
        encode(
            replace(take, frames=take.frames[:, :63, :63]), tmp_path / "clip.mp4"
        )  # H.264 wants even sides
    assert not (tmp_path / "clip.pcm").exists()
