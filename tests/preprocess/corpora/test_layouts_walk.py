"""Every layout: from a raw folder of small films to a cache and a model trained on it."""

import csv
import io
import json
import os
import pickle
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import torch

from semanticmac.cache.frame_store import FrameStore
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.model.config import ModelConfig
from semanticmac.preprocess.build import BuildOptions, BuildReport, build
from semanticmac.preprocess.corpora import Options, read_corpus
from semanticmac.preprocess.encoders.imagebind.encoder import load_encoders
from semanticmac.preprocess.encoders.protocol import Encoder
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import open_data
from semanticmac.train.loop import train

Files = dict[str, str | bytes | Path]  # a path: the film that lies there
Films = list[Path]
SMALL = ModelConfig(
    modalities=("audio", "vision"),
    d_model=16,
    heads=2,
    perceiver_layers=1,
    sgfi_layers=1,
    perceiver_tokens=2,
)
SPLIT = ("train", "train", "train", "valid", "test", "train")  # of the i-th clip of a miniature
QUIET = lambda *_: None  # noqa: E731


def render(
    path: Path, *picture: str, seconds: int = 1, tone_hz: int = 440, codec: str = "libx264"
) -> Path:
    """A film of 64 × 64 pixels with a beep; several pictures stand side by side."""
    inputs = [part for one in picture for part in ("-f", "lavfi", "-i", f"{one}:r=10:d={seconds}")]
    sound = ["-f", "lavfi", "-i", f"sine=frequency={tone_hz}:sample_rate=16000:duration={seconds}"]
    beside = ["-filter_complex", f"hstack=inputs={len(picture)}"] if len(picture) > 1 else []
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-nostdin",
        "-v",
        "error",
        "-y",
        *inputs,
        *sound,
        *beside,
    ]
    coded = ["-c:v", codec, "-pix_fmt", "yuv420p", "-q:v", "2", str(path)]
    subprocess.run([*command, *coded], check=True, stdin=subprocess.DEVNULL)
    return path


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    """Three films of a second."""
    folder = tmp_path_factory.mktemp("films")
    colours = ("red", "green", "blue")
    return [
        render(folder / f"{c}.mp4", f"color={c}:s=64x64", tone_hz=300 * (i + 1))
        for i, c in enumerate(colours)
    ]


@pytest.fixture(scope="session")
def dialogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people in one frame, as in IEMOCAP: red left, blue right; three seconds of AVI."""
    path = tmp_path_factory.mktemp("dialogue") / "dialogue.avi"
    return render(path, "color=red:s=64x64", "color=blue:s=64x64", seconds=3, codec="mpeg4")


@pytest.fixture(scope="session")
def encoders() -> Sequence[Encoder]:
    return load_encoders("imagebind-tiny", "cpu")


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> CacheLayout:
    """One cache for all corpora: a film that two of them show is decoded and encoded once."""
    return CacheLayout(tmp_path_factory.mktemp("cache"))


def put(root: Path, files: Files) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            os.link(content, path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def table(rows: Iterable[dict[str, object]]) -> str:
    rows, text = list(rows), io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def common(films: Films, label_file: str = "label.csv", digits: int = 1, top: float = 3.0) -> Files:
    """MMSA's layout; label_T, label_A and label_V as SIMS has them."""
    rows = [
        {
            "video_id": f"-v{i // 2}",
            "clip_id": i % 2,
            "text": f"Line {i}.",
            "label": top * (i - 2) / 3,
        }
        | dict.fromkeys(("label_T", "label_A", "label_V"), top / 3 if digits > 1 else "")
        | {"annotation": "x", "mode": SPLIT[i]}
        for i in range(6)
    ]
    videos: Files = {
        f"Raw/-v{i // 2}/{str(i % 2).zfill(digits)}.mp4": films[i % 3] for i in range(6)
    }
    return {label_file: table(rows), **videos}


def mosi(films: Films) -> Files:
    lines = {
        f"Raw/Transcript/Segmented/v_{i}.annotprocessed": "1_DELIM_YES\n2_DELIM_NO\n"
        for i in range(3)
    }
    videos = {
        f"Raw/Video/Segmented/v_{i}_{k}.mp4": films[(i + k) % 3] for i in range(3) for k in (1, 2)
    }
    labels = "".join(f"0,1,v_{i},{k},{i - k}\n" for i in range(3) for k in (1, 2))
    splits = "video_id,split\nv_0,train\nv_1,dev\nv_2,test\n"
    return {**lines, **videos, "Raw/Labels/OpinionLevelSentiment.csv": labels, "splits.csv": splits}


def mosei(dialogue: Path) -> Files:
    """The official layout with uncut videos: clips are spans of them."""
    names = ("-a_", "b_c", "d")
    lines = {
        f"Transcript/Segmented/Combined/{v}.txt": (
            f"{v}___0___0.25___1.0___Hi\n{v}___1___1.0___2.5___A___B\n"
        )
        for v in names
    }
    emotions = ("happiness", "sadness", "anger", "surprise", "disgust", "fear")
    labels = [
        {"Input.VIDEO_ID": v, "Input.CLIP": k, "Answer.sentiment": k * 2 - i}
        | {f"Answer.{name}": (place + i + k) % 2 for place, name in enumerate(emotions)}
        for i, v in enumerate(names)
        for k in (0, 1)
    ]
    splits = table(
        {"video_id": v, "split": s} for v, s in zip(names, ("train", "valid", "test"), strict=True)
    )
    videos: Files = {f"Videos/Full/Combined/{v}.mp4": dialogue for v in names}
    return {**lines, **videos, "Labels/batch_1.csv": table(labels), "splits.csv": splits}


def meld(films: Films) -> Files:
    files: Files = {}
    emotions = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
    folders = {
        "train": "train_splits",
        "dev": "dev_splits_complete",
        "test": "output_repeated_splits_test",
    }
    for part, folder in folders.items():
        rows = [
            {
                "Sr No.": i,
                "Utterance": "You\u2019re right.",
                "Speaker": "Ann",
                "Emotion": emotion,
                "Sentiment": "x",
            }
            | {"Dialogue_ID": 0, "Utterance_ID": i, "Season": 1, "Episode": 1}
            | {"StartTime": "00:00:01,000", "EndTime": "00:00:02,000"}
            for i, emotion in enumerate(emotions)
        ]
        files[f"{part}_sent_emo.csv"] = table(rows)
        files |= {f"{folder}/dia0_utt{i}.mp4": films[i % 3] for i in range(7)}
    return files


def iemocap(dialogue: Path) -> Files:
    files: Files = {}
    for session in range(1, 6):
        for actor in "FM":
            stem, folder = f"Ses0{session}{actor}_impro01", f"Session{session}/dialog"
            labels, texts = "", ""
            for i, label in enumerate(("hap", "sad", "neu", "ang", "exc", "fru")):
                name, start, end = f"{stem}_{'FM'[i % 2]}{i // 2:03d}", i * 0.4, i * 0.4 + 0.75
                labels += (
                    f"[{start:.4f} - {end:.4f}]\t{name}\t{label}\t[2.5000, 2.5000, 2.5000]\n\n"
                )
                texts += f"{name} [{start:08.4f}-{end:08.4f}]: Line {i}.\n"
            files[f"{folder}/EmoEvaluation/{stem}.txt"] = "% [START_TIME - END_TIME]\n\n" + labels
            files[f"{folder}/transcriptions/{stem}.txt"] = texts
            files[f"{folder}/avi/DivX/{stem}.avi"] = dialogue
    return files


def urfunny(films: Films) -> Files:
    ids = list(range(10, 16))
    language = {i: {"punchline_sentence": f"punch {i}", "context_sentences": ["a"]} for i in ids}
    folds = {"train": ids[:3], "dev": ids[3:5], "test": ids[5:]}
    videos: Files = {f"urfunny2_videos/{i}.mp4": films[i % 3] for i in ids}
    pickles = {
        "language_sdk.pkl": language,
        "humor_label_sdk.pkl": {i: i % 2 for i in ids},
        "data_folds.pkl": folds,
    }
    return videos | {name: pickle.dumps(data) for name, data in pickles.items()}


def mustard(films: Films) -> Files:
    entries = {
        f"1_{i}": {
            "utterance": f"Line {i}.",
            "speaker": "ANN",
            "context": ["One."],
            "context_speakers": ["BEN"],
        }
        | {"show": "X", "sarcasm": i % 2 == 0}
        for i in range(8)
    }
    folds = [[list(range(2, 8)), [0, 1]], [list(range(6)), [6, 7]]]
    videos: Files = {f"utterances_final/{name}.mp4": films[i % 3] for i, name in enumerate(entries)}
    context: Files = {"context_final/1_0_c.mp4": films[1]}
    return (
        {"data/sarcasm_data.json": json.dumps(entries), "data/split_indices.p": pickle.dumps(folds)}
        | videos
        | context
    )


Walk = Callable[..., tuple[BuildReport, Manifest]]


@pytest.fixture
def walk(tmp_path: Path, layout: CacheLayout, encoders: Sequence[Encoder]) -> Walk:
    """Writes a miniature corpus, caches it, trains for an epoch, and returns the cached rows."""

    def go(name: str, files: Files, options: Options = Options()) -> tuple[BuildReport, Manifest]:  # noqa: B008
        root = put(tmp_path / name, files)
        corpus = read_corpus(name, root, options)
        report = build(corpus, layout, encoders, BuildOptions(root, workers=1), QUIET)
        assert (report.failed, report.cached) == (0, len(corpus.clips)), layout.failures(
            name
        ).read_text()
        manifest = Manifest.read(layout.manifest(name))
        assert {row.split for row in manifest.rows if row.label} == {"train", "valid", "test"}
        assert all(row.has_vision and row.has_audio for row in manifest.rows)
        config = TrainConfig(name, epochs=1, batch_size=8, neighbours=2, model=SMALL)
        data, run = open_data(layout, name), tmp_path / f"run-{name}"
        info = train(config, data, run, torch.device("cpu"))
        assert (info.dataset, info.task, info.best_epoch) == (name, corpus.task, 1)
        assert (run / "model.safetensors").is_file()
        return report, manifest

    return go


def test_mosi_common(walk, films):
    _, manifest = walk("mosi", common(films))
    assert [row.clip_id for row in manifest.split("valid")] == ["-v1_1"]
    assert manifest.rows[0].label == [-2.0]


def test_mosi_official_and_its_common_layout_show_the_same(walk, films, layout):
    report, manifest = walk("mosi", mosi(films))
    assert [row.clip_id for row in manifest.split("valid")] == ["v_1_1", "v_1_2"]
    assert report.decoded <= len(films)


def test_sims_and_simsv2(walk, films):
    _, manifest = walk("sims", common(films, digits=4, top=1.0))
    assert manifest.rows[0].label_audio == [1 / 3]
    assert manifest.rows[1].video == "Raw/-v0/0001.mp4"
    walk("simsv2", common(films, "meta.csv", digits=4, top=1.0))


def test_mosei_and_its_emotions_share_what_is_decoded_and_encoded(walk, dialogue, layout):
    report, sentiment = walk("mosei", mosei(dialogue))
    assert report.decoded == report.encoded == 2  # three copies of one video, two spans of it
    shards = sorted(layout.root.glob("embeddings/*/shard-*.arrow"))
    assert shards
    before = [path.read_bytes() for path in shards]
    report, emotion = walk("mosei-emotion", mosei(dialogue))
    assert report.decoded == report.encoded == 0
    assert [row.key for row in emotion.rows] == [row.key for row in sentiment.rows]
    assert [path.read_bytes() for path in shards] == before
    assert {row.clip_id: row.text for row in emotion.rows}["-a__1"] == "A___B"


def test_meld(walk, films):
    _, manifest = walk("meld", meld(films))
    assert [len(manifest.split(name)) for name in ("train", "valid", "test")] == [7, 7, 7]
    assert manifest.rows[-1].clip_id == "test_dia0_utt6"


def test_iemocap_shows_the_speaker_alone(walk, dialogue, layout):
    _, manifest = walk("iemocap", iemocap(dialogue))
    with FrameStore(layout.frames) as store:
        for row in manifest.rows[:12]:
            frames = store.get(row.key).frames
            assert frames is not None
            # the left half is the actor whose letter the dialogue bears
            left = row.clip_id[-4] == row.clip_id[5]
            assert frames.shape == (
                2,
                224,
                224,
                3,
            )  # a half is square, and the short side is that of the half
            assert int(np.argmax(frames.mean(axis=(0, 1, 2)))) == (0 if left else 2)
            assert frames[..., 1 if left else 0].max() < 60
    assert len({row.key for row in manifest.rows}) == 12  # six spans of one video, each half of two


def test_urfunny(walk, films):
    _, manifest = walk("urfunny", urfunny(films))
    assert [row.label for row in manifest.rows[:2]] == [[0.0], [1.0]]


def test_mustard(walk, films):
    _, manifest = walk("mustard", mustard(films), Options(fold=1))
    assert [row.clip_id for row in manifest.split("test")] == ["1_6", "1_7"]
    context = manifest.rows[0]
    assert (context.clip_id, context.label, context.split, context.position) == (
        "1_0_c",
        None,
        None,
        0,
    )
