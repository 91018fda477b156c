"""export-features, push-features and pull-features, with a folder in the place of the hub."""

from pathlib import Path

import pytest
from support.folder_hub import FolderHub
from support.program import semanticmac

from semanticmac import hub

CLIPS = "clip_id,file,text,label,split\n0,0.mp4,one,-1,train\n1,1.mp4,two,1,valid\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, film) -> Path:
    folder = tmp_path_factory.mktemp("sharing")
    (folder / "clips").mkdir()
    for number in range(2):
        film(folder / "clips" / f"{number}.mp4", 1.0 + number)
    (folder / "clips" / "clips.csv").write_text(CLIPS)
    semanticmac(folder, "cache", "folder", "--root", "clips", "--encoder", "imagebind-tiny")
    return folder


def run(folder: Path, *words: str, code: int = 0) -> str:
    answer = semanticmac(folder, *words, expect=code)
    return f"{answer.stdout} {answer.stderr}".replace("\n", " ")


def shards(cache: Path) -> dict[str, bytes]:
    paths = sorted(cache.glob("embeddings/*/shard-*.arrow"))
    return {path.relative_to(cache).as_posix(): path.read_bytes() for path in paths}


def test_a_cache_goes_through_the_hub_and_comes_back(folder, tmp_path, monkeypatch):
    fake = FolderHub(tmp_path / "hub")
    monkeypatch.setattr(hub, "open_hub", lambda: fake)
    cache = folder / "data" / "cache"
    printed = run(
        folder,
        "push-features",
        "me/clips",
        "--dataset",
        "folder",
        "--cache",
        str(cache),
        "--private",
    )
    assert "2 clips" in printed and "licence of the features" in printed
    assert fake.private == {"me/clips"}
    names = {path.name for path in (tmp_path / "hub").rglob("*") if path.is_file()}
    assert not names & {"data.mdb", "digests.json", "0.mp4"}
    printed = run(folder, "pull-features", "me/clips", "--cache", str(tmp_path / "cache"))
    assert "folder: 2 clips with vision imagebind-tiny" in printed
    assert shards(tmp_path / "cache") == shards(cache)


@pytest.mark.parametrize(("kind", "name"), [("parquet", "out"), ("npz", "out.npz")])
def test_an_export_is_imported_again(folder, tmp_path, kind, name):
    cache = folder / "data" / "cache"
    path = tmp_path / name
    run(
        folder,
        "export-features",
        "folder",
        "--cache",
        str(cache),
        "--format",
        kind,
        "--to",
        str(path),
    )
    run(folder, "import-features", str(path), "--cache", str(tmp_path / "cache"))
    assert shards(tmp_path / "cache") == shards(cache)


def test_wrong_words_are_refused(folder, tmp_path):
    cache = ["--cache", str(folder / "data" / "cache")]
    assert "expected parquet, npz, mmsa" in run(
        folder, "export-features", "folder", *cache, "--format", "xml", code=2
    )
    assert "ends in .npz" in run(
        folder, "export-features", "folder", *cache, "--format", "npz", "--to", "out.csv", code=2
    )
    assert "expected USER/NAME" in run(folder, "push-features", "clips", *cache, code=2)
    pickle = tmp_path / "f.pkl"
    pickle.write_bytes(b"")
    assert "--dataset is missing" in run(folder, "import-features", str(pickle), *cache, code=2)


def test_a_hub_that_cannot_be_asked_is_said(folder, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    cache = str(folder / "data" / "cache")
    assert "HF_HUB_OFFLINE forbids" in run(
        folder, "push-features", "me/clips", "--cache", cache, code=2
    )
