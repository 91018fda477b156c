"""Shared by all tests: no network, few threads, and real little video files."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from support.labelled_clips import NO_TEXT, settings, write_clips
from support.planted import (
    CPU,
    SMALL,
    TASKS,
    Planted,
    Walk,
    planted_clips,
    save_family,
    write_corpus,
)
from support.program import semanticmac
from support.serving import train_run
from support.talk import join_films

from semanticmac.cache.layout import CacheLayout
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import open_data
from semanticmac.train.loop import train
from semanticmac.train.overrides import override

os.environ["HF_HUB_OFFLINE"] = "1"  # a name that cannot be reached would cost a minute of retries
SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real clips and label files that are not part of the project."""
    if not SHARED.is_dir():
        pytest.skip("the folder of real clips and label files is not on this machine")
    return SHARED


@pytest.fixture(scope="session")
def film():
    """Writes a clip of `seconds` with ffmpeg: a moving test image, a tone, or both."""
    import imageio_ffmpeg

    def make(
        path: Path,
        seconds: float = 2.0,
        *,
        picture: bool = True,
        sound: bool = True,
        extra: tuple = (),
    ) -> Path:
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y"]
        if picture:
            command += ["-f", "lavfi", "-i", f"testsrc=size=96x64:rate=25:duration={seconds}"]
        if sound:
            command += [
                "-f",
                "lavfi",
                "-i",
                f"sine=frequency=440:sample_rate=16000:duration={seconds}",
            ]
        subprocess.run(
            [*command, "-pix_fmt", "yuv420p", *extra, str(path)],
            check=True,
            stdin=subprocess.DEVNULL,
        )
        return path

    return make


@pytest.fixture(scope="session", autouse=True)
def _one_thread_in_fixtures() -> None:
    """Sums of several threads differ in the last bit, in what a whole module shares too."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def families(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Family → the folder of its tiny model; `still` is a BERT without dropout."""
    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("families")
    names = ("bert", "roberta", "xlnet", "still")
    for family in names:
        save_family(family, root / family)
    return {family: str(root / family) for family in names}


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., CacheLayout]:
    """Builds a planted corpus of a kind of task, with the name `planted`."""

    def make(
        kind: str = "regression",
        clips: Sequence[Planted] | None = None,
        sizes: tuple[int, int, int] = (24, 8, 8),
    ) -> CacheLayout:
        root = tmp_path_factory.mktemp("cache")
        return write_corpus(
            root, TASKS[kind], planted_clips(kind, sizes) if clips is None else clips
        )

    return make


@pytest.fixture(scope="session")
def planted_clip() -> type[Planted]:
    return Planted


@pytest.fixture(scope="session")
def small() -> dict[str, Any]:
    """Settings of a model that trains in a second."""
    return dict(SMALL)


@pytest.fixture(scope="session")
def walks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Walk]:
    """Kind of task → a small model trained on it, with a tiny BERT."""
    root = tmp_path_factory.mktemp("walks")
    torch.manual_seed(0)
    save_family("bert", root / "bert")
    trained = {}
    for kind, task in TASKS.items():
        layout = write_corpus(root / kind / "cache", task, planted_clips(kind))
        settings = SMALL | {"language": str(root / "bert"), "dropout": 0.0, "epochs": 3}
        config = override(TrainConfig("planted"), settings)
        data = open_data(layout, "planted")
        train(config, data, root / kind / "run", CPU)
        trained[kind] = Walk(layout, root / kind / "run")
    return trained


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(folder of runs, folder of clips): a small model that predicts raw videos."""
    return train_run(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def talk(small_run: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of drawn people who speak one after the other, about 15 s."""
    folder = tmp_path_factory.mktemp("talk")
    return join_films(sorted(small_run[1].rglob("*.mp4"))[:5], folder / "talk.mp4")


@pytest.fixture(scope="session")
def labelled_clips(tmp_path_factory: pytest.TempPathFactory, film: Callable[..., Path]) -> Path:
    """Twelve labelled clips of 1 to 2 s in three splits; one has no audio and one no frames."""
    return write_clips(tmp_path_factory.mktemp("clips"), film)


@pytest.fixture(scope="session")
def trained_folder(labelled_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the clips are cached and a small model is trained on them."""
    folder = tmp_path_factory.mktemp("trained")
    semanticmac(folder, "cache", "folder", "--root", labelled_clips, "--encoder", "imagebind-tiny")
    semanticmac(folder, "train", "--from-cache", *settings(NO_TEXT))
    return folder
