"""Builds after videos were deleted, renamed or relabelled: cached data stays, the rest is named."""

import shutil
from pathlib import Path

import pytest

from semanticmac.cache.failures import read_failures
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.preprocess.build import NOT_DECODED, VIDEO_MISSING, BuildOptions, build
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora import read_corpus
from semanticmac.preprocess.decoding import isolation

CLIPS = 5
LABELS = [f"clip{i},clip{i}.{'mp4' if i == 2 else 'wav'},{i % 3}" for i in range(CLIPS)]


def write_table(root: Path, lines: list[str]) -> None:
    (root / "clips.csv").write_text("\n".join(["clip_id,file,label", *lines, ""]))


@pytest.fixture(scope="module")
def made(tmp_path_factory, film, build_folder) -> Path:
    """A corpus of five clips and its cache. One clip has no audio, the others no video."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "root").mkdir()
    for i in range(CLIPS):
        picture = i == 2
        name = f"clip{i}.{'mp4' if picture else 'wav'}"
        film(folder / "root" / name, 0.5 + 0.3 * i, picture=picture, sound=not picture)
    write_table(folder / "root", LABELS)
    assert build_folder(folder / "root", folder / "cache").encoded == CLIPS
    return folder


@pytest.fixture
def here(made, tmp_path, build_folder) -> Path:
    """A copy of both. Its cache knows the new paths of the videos."""
    shutil.copytree(made, tmp_path / "here")
    build_folder(tmp_path / "here/root", tmp_path / "here/cache")
    return tmp_path / "here"


def manifest(cache: Path) -> Manifest:
    return Manifest.read(CacheLayout(cache).manifest("folder"))


def remarks(cache: Path) -> dict[str, tuple[str, bool]]:
    return {
        line.clip_id: (line.reason, line.cached)
        for line in read_failures(CacheLayout(cache).failures("folder"))
    }


def delete(root: Path, *kept: int) -> None:
    for line in LABELS:
        if int(line[4]) not in kept:
            (root / line.split(",")[1]).unlink()


@pytest.mark.parametrize("frames", ["stored", "deleted"])
@pytest.mark.parametrize("kept", [(1,), ()])
def test_clips_whose_videos_are_deleted_stay_and_take_new_labels(here, build_folder, frames, kept):
    before = manifest(here / "cache").rows
    delete(here / "root", *kept)
    if frames == "deleted":
        shutil.rmtree(here / "cache/frames")
    write_table(here / "root", [LABELS[0].replace(",0", ",2"), *LABELS[1:]])
    report = build_folder(here / "root", here / "cache")
    assert (report.cached, report.encoded, report.failed) == (CLIPS, 0, 0)
    after = manifest(here / "cache").rows
    assert [row.label for row in after] == [[2.0], *(row.label for row in before[1:])]
    assert [vars(row) | {"label": None} for row in after] == [
        vars(row) | {"label": None} for row in before
    ]
    found = remarks(here / "cache")
    own = {i: "no audio track" if i == 2 else "no video track" for i in range(CLIPS)}
    gone = {
        i: f"{own[i]}; {VIDEO_MISSING}" if frames == "stored" else VIDEO_MISSING
        for i in range(CLIPS)
    }
    assert found == {f"clip{i}": (own[i] if i in kept else gone[i], True) for i in range(CLIPS)}


def test_frames_of_a_deleted_video_are_encoded(here, build_folder):
    delete(here / "root")
    shutil.rmtree(here / "cache/embeddings")
    report = build_folder(here / "root", here / "cache")
    assert (report.cached, report.decoded, report.encoded, report.failed) == (CLIPS, 0, CLIPS, 0)


def test_a_deleted_video_of_which_nothing_is_cached_fails(here, build_folder):
    delete(here / "root", 1)
    shutil.rmtree(here / "cache/frames")
    shutil.rmtree(here / "cache/embeddings")
    report = build_folder(here / "root", here / "cache")
    assert (report.cached, report.failed) == (1, CLIPS - 1)
    failed = {f"clip{i}": ("no such file", False) for i in range(CLIPS) if i != 1}
    assert remarks(here / "cache") == failed | {"clip1": ("no video track", True)}


def test_the_video_of_another_name_with_the_same_content_is_decoded(here, build_folder):
    shutil.rmtree(here / "cache/frames")
    shutil.rmtree(here / "cache/embeddings")
    (here / "root/clip0.wav").rename(here / "root/moved.wav")
    write_table(here / "root", ["moved,moved.wav,0", *LABELS])
    report = build_folder(here / "root", here / "cache")
    assert (report.cached, report.decoded, report.failed) == (CLIPS + 1, CLIPS, 0)
    assert remarks(here / "cache")["clip0"] == (f"no video track; {VIDEO_MISSING}", True)


def test_where_no_video_is_there_nor_cached_nothing_is_written(here, build_folder, tmp_path):
    delete(here / "root")
    empty = tmp_path / "empty"
    with pytest.raises(
        CorpusError, match=r"folder: none of the 5 video files exists; the first is .*clip0\.wav"
    ):
        build_folder(here / "root", empty)
    assert not CacheLayout(empty).manifest("folder").exists()


def test_embeddings_stay_where_frames_cannot_be_made_again(here, build_folder, tiny, monkeypatch):
    shutil.rmtree(here / "cache/frames")
    before = manifest(here / "cache").rows
    corpus = read_corpus("folder", here / "root")
    plan = BuildOptions(here / "root", workers=1, frames=False)
    report = build(corpus, CacheLayout(here / "cache"), tiny, plan, lambda *_: None)
    assert (report.cached, report.failed) == (CLIPS, 0) and manifest(here / "cache").rows == before
    assert remarks(here / "cache")["clip0"] == (
        f"it has no frames ({NOT_DECODED}); its embeddings are kept",
        True,
    )
    monkeypatch.setattr(isolation, "CLIP_TIMEOUT_S", 0.0)
    report = build_folder(here / "root", here / "cache")
    assert (report.cached, report.failed) == (CLIPS, 0) and manifest(here / "cache").rows == before


def test_other_videos_under_the_same_name_are_told(here, build_folder, film, tmp_path, capfd):
    from semanticmac.commands.cache import print_report

    other = tmp_path / "other"
    other.mkdir()
    film(other / "another.wav", 0.9, picture=False)
    assert build_folder(here / "root", here / "cache").replaced == 0
    report = build_folder(other, here / "cache")
    assert report.replaced == CLIPS
    print_report(report, CacheLayout(here / "cache").failures("folder"))
    message = " ".join(capfd.readouterr().err.split())
    assert "until now folder was 5 clips of other videos" in message
    assert "another --name to keep both" in message
    assert build_folder(other, here / "cache").replaced == 0
    film(other / "more.wav", 1.1, picture=False)
    assert build_folder(other, here / "cache").replaced == 0
