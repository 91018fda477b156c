"""A second encoder is added to a cache without its videos, trained on, and used for predictions."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file
from support.program import semanticmac
from support.tiny_encoders import save_encoder

from semanticmac.cache.failures import read_failures
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.preprocess.encoders.imagebind.encoder import ImageBindEncoder
from semanticmac.preprocess.encoders.transformers_vision import TransformersVision
from semanticmac.run.folder import RunInfo

TINY = ["cache", "folder", "--root", "clips", "--encoder", "imagebind-tiny", "--workers", "1"]
OTHER = ["cache", "folder", "--root", "clips", "--vision", "clip:models/clip-large"]
OTHER += ["--audio", "wavlm:models/wavlm-large@layer2", "--workers", "1"]
SETTINGS = ["d_model=8", "heads=2", "perceiver_layers=1", "sgfi_layers=1", "epochs=2"]
SETTINGS += ["batch_size=2", "modalities=vision,audio", "precision=float32"]
SPLITS = ("train", "train", "train", "train", "valid", "test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, film) -> Path:
    """Six clips, two encoders, and a cache that the first encoder filled."""
    folder = tmp_path_factory.mktemp("streams")
    (folder / "clips").mkdir()
    lines = ["clip_id,file,text,label,split"]
    for i, split in enumerate(SPLITS):
        film(folder / "clips" / f"{i}.mp4", 1.0 + 0.2 * i, sound=i != 1)
        lines.append(f"{i},{i}.mp4,line {i},{i % 3 - 1},{split}")
    (folder / "clips" / "clips.csv").write_text("\n".join(lines))
    save_encoder("clip", folder / "models" / "clip-large")
    save_encoder("wavlm", folder / "models" / "wavlm-large")
    semanticmac(folder, *TINY)
    return folder


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """The folder without its videos."""
    shutil.copytree(folder, tmp_path / "copy")
    for video in (tmp_path / "copy" / "clips").glob("*.mp4"):
        video.unlink()
    return tmp_path / "copy"


@pytest.fixture(scope="module")
def two(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with both streams of each modality."""
    two = Path(shutil.copytree(folder, tmp_path_factory.mktemp("two") / "two"))
    semanticmac(two, *OTHER)
    return two


def settings(*more: str) -> list[str]:
    words = []
    for setting in (*SETTINGS, *more):
        words += ["--set", setting]
    return words


def states(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Bytes and time of every file of embeddings."""
    files = [path for path in (folder / "data/cache/embeddings").rglob("*") if path.is_file()]
    states = {}
    for path in files:
        states[str(path.relative_to(folder))] = (path.read_bytes(), path.stat().st_mtime_ns)
    return states


def embeddings_of(folder: Path) -> dict[str, bytes]:
    return {name: content for name, (content, _) in states(folder).items()}


def without_folders(content: dict[str, bytes]) -> dict[str, bytes]:
    """A fingerprint.json names the folder of its encoder, and these differ here."""
    return {name: data for name, data in content.items() if not name.endswith("fingerprint.json")}


def test_a_stream_is_added_without_videos_and_touches_no_other(copy: Path) -> None:
    manifest = copy / "data/cache/datasets/folder/manifest.parquet"
    before, rows = states(copy), Manifest.read(manifest).rows
    answer = semanticmac(copy, *OTHER)
    assert "(0 decoded, 6 encoded now)" in answer.stdout
    after = states(copy)
    assert {name: after[name] for name in before} == before
    folders = {Path(name).parts[3] for name in after if name not in before}
    assert {name.rpartition("-")[0] for name in folders} == {
        "vision-clip-large",
        "audio-wavlm-large@layer2",
    }
    assert Manifest.read(manifest).rows == rows

    shown = " ".join(semanticmac(copy, "inspect").stdout.split())
    for cells in (
        "vision* clip-large 12 6 of 6",
        "vision imagebind-tiny 128 6 of 6",
        "audio* wavlm-large@layer2 16 6 of 6",
        "audio imagebind-tiny 128 6 of 6",
    ):
        assert cells in shown
    assert "is whole" in semanticmac(copy, "verify").stdout


def test_one_modality_alone_is_added(copy: Path) -> None:
    before = states(copy)
    semanticmac(copy, *OTHER[:6], "--workers", "1")
    assert {name: states(copy)[name] for name in before} == before
    shown = " ".join(semanticmac(copy, "inspect").stdout.split())
    assert "vision* clip-large" in shown and "audio* imagebind-tiny" in shown


def test_an_addition_that_was_stopped_ends_with_the_same_bytes(
    copy: Path, two: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = TransformersVision.encode
    calls = 0

    def stop_at_the_fourth(self, raw):
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return encode(self, raw)

    before = states(copy)
    with monkeypatch.context() as patch:
        patch.setattr(TransformersVision, "encode", stop_at_the_fourth)
        semanticmac(copy, *OTHER, expect=130)
    assert list((copy / "data/cache/embeddings").glob("*/pending/*.arrow"))
    answer = semanticmac(copy, *OTHER)
    assert "(0 decoded, 3 encoded now)" in answer.stdout
    assert {name: states(copy)[name] for name in before} == before
    assert without_folders(embeddings_of(copy)) == without_folders(embeddings_of(two))


def test_a_clip_that_an_encoder_refuses_stays_for_the_others(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from semanticmac.preprocess.encoders.protocol import EncodeError

    encode = TransformersVision.encode
    calls = 0

    def refuse_the_second(self, raw):
        nonlocal calls
        calls += 1
        if calls == 2:
            raise EncodeError("not finite")
        return encode(self, raw)

    with monkeypatch.context() as patch:
        patch.setattr(TransformersVision, "encode", refuse_the_second)
        answer = semanticmac(copy, *OTHER, expect=3)
    shown = " ".join(answer.stdout.split())
    assert "1 cached clip could not be encoded now" in shown
    failures = read_failures(copy / "data/cache/datasets/folder/failures.jsonl")
    reasons = {failure.clip_id: failure.reason for failure in failures}
    assert "not encoded now: vision clip-large: not finite" in reasons["1"]
    answer = semanticmac(copy, "train", "--run", "runs/two", *settings())
    assert "clip-large: not finite" in answer.stderr and "(3 clips, validated" in answer.stderr
    answer = semanticmac(
        copy, "train", "--run", "runs/one", *settings("vision=imagebind-tiny", "epochs=1")
    )
    assert "(4 clips, validated" in answer.stderr
    assert "(0 decoded, 1 encoded now)" in semanticmac(copy, *OTHER).stdout


def test_streams_are_chosen_and_a_run_keeps_its_own(two: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(two, tmp_path / "copy"))
    answer = semanticmac(copy, "train", "--run", "runs/last", *settings("epochs=1"))
    assert (
        "embeddings: vision clip-large, audio wavlm-large@layer2 (vision and audio: cached last)"
        in answer.stderr
    )
    info = RunInfo.read(copy / "runs/last")
    assert (info.model.vision_width, info.model.audio_width) == (12, 16)

    words = settings("vision=imagebind-tiny+clip-large", "epochs=1")
    answer = semanticmac(copy, "train", "--run", "runs/both", *words)
    assert "embeddings: vision imagebind-tiny+clip-large, audio wavlm-large@layer2" in answer.stderr
    assert RunInfo.read(copy / "runs/both").model.vision_width == 128 + 12

    # Another stream is cached last; scores and predictions read those of the run.
    semanticmac(copy, *TINY)
    semanticmac(copy, "eval", "--run", "runs/both")
    [scored] = pq.read_table(copy / "runs/both/predictions.parquet").to_pylist()
    predicted = semanticmac(copy, "predict", "clips/5.mp4", "--run", "runs/both", "--json")
    [prediction] = json.loads(predicted.stdout)["predictions"]
    assert prediction["clip"] == scored["clip_id"] == "5"
    for name in ("multimodal", "audio", "vision"):
        expected = pytest.approx(scored[f"predicted_{name}"], abs=1e-5)
        assert prediction["scores"][name] == expected


def test_a_wrong_pair_is_refused_field_by_field(two: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(two, tmp_path / "copy"))
    semanticmac(copy, "train", "--run", "runs/one", *settings("epochs=1"))
    [stream] = (copy / "data/cache/embeddings").glob("vision-clip-large-*")
    away = stream.rename(copy / "away")
    message = " ".join(semanticmac(copy, "eval", "--run", "runs/one", expect=2).stderr.split())
    assert "does not hold the vision stream of clip-large that is wanted for folder" in message
    away.rename(stream)

    predict = ["predict", "clips/5.mp4", "--run", "runs/one"]
    answer = semanticmac(copy, *predict, "--vision", "imagebind-tiny", expect=2)
    message = " ".join(answer.stderr.split())
    assert "vision encoder: imagebind-tiny, not clip-large" in message
    assert "vision width: 128, not 12" in message


def test_a_run_resumes_with_its_own_streams(
    two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends with the bytes of a run that was left alone, on vision and audio of other widths."""
    from semanticmac.train.trainer import Trainer

    copy = Path(shutil.copytree(two, tmp_path / "copy"))
    semanticmac(copy, "train", "--run", "runs/whole", *settings())
    step, calls = Trainer.step, 0

    def stop_at_the_fourth(self, batches):
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return step(self, batches)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", stop_at_the_fourth)
        patch.setattr("semanticmac.train.checkpoint.EPOCH_END_S", 0.0)
        semanticmac(copy, "train", "--run", "runs/stopped", *settings(), expect=130)
    assert (copy / "runs/stopped/checkpoint").exists()
    semanticmac(copy, *TINY)  # other streams are cached last now
    semanticmac(copy, "train", "--resume", "runs/stopped")
    whole, resumed = copy / "runs/whole", copy / "runs/stopped"
    for name in ("model.safetensors", "log.jsonl", "config.toml"):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes()
    assert RunInfo.read(resumed).streams == RunInfo.read(whole).streams
    weights = load_file(resumed / "model.safetensors")
    widths = {name.split(".")[1]: weights[name].shape[1] for name in weights if "position" in name}
    assert widths == {"vision": 12, "audio": 16}


def test_damage_of_any_stream_is_found_and_repaired(two: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(two, tmp_path / "copy"))
    semanticmac(copy, *TINY)  # the damaged stream is not the one that was cached last
    before = embeddings_of(copy)
    [shard] = (copy / "data/cache/embeddings").glob("audio-wavlm*/shard-00000.arrow")
    shard.write_bytes(shard.read_bytes()[:-1] + b"\0")
    found = semanticmac(copy, "verify", expect=1).stdout
    assert "its SHA-256" in found and "--audio wavlm:" in found
    answer = semanticmac(copy, *TINY, "--repair")
    assert "audio-wavlm-large@layer2" in answer.stdout and "lost 6 clips" in answer.stdout
    semanticmac(copy, *OTHER)
    assert embeddings_of(copy).keys() == before.keys()
    assert without_folders(embeddings_of(copy)) == without_folders(before)
    semanticmac(copy, "verify")


def test_both_modalities_of_imagebind_share_one_network(folder: Path) -> None:
    from semanticmac.preprocess.encoders.requests import open_encoders, requests

    vision, audio = open_encoders(requests("imagebind-tiny"), "cpu")
    assert isinstance(vision, ImageBindEncoder) and isinstance(audio, ImageBindEncoder)
    assert vision.model is audio.model
    layout = CacheLayout(folder / "data/cache")
    assert len(list(layout.root.glob("embeddings/*/index.json"))) == 2
