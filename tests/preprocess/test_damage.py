"""A cache that was damaged: `verify` finds it, and a build with `repair` makes again what is damaged and only that."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from semanticmac.cache.frames import FrameStore, StoreDamaged
from semanticmac.cache.home import CacheHome
from semanticmac.cache.manifest import Manifest
from semanticmac.cache.shards import CacheIncomplete, read_index
from semanticmac.cache.verify import verify

CLIPS = 6


@pytest.fixture(scope="module")
def root(tmp_path_factory, film) -> Path:
    folder = tmp_path_factory.mktemp("root")
    for i in range(CLIPS):
        film(folder / f"clip{i}.{'mp4' if i == 2 else 'wav'}", 0.5 + 0.3 * i, picture=i == 2)
    return folder


@pytest.fixture(scope="module")
def whole(root, build_folder, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "cache"
    report = build_folder(root, folder)
    assert (report.decoded, report.encoded, report.failed) == (CLIPS, CLIPS, 0)
    return folder


@pytest.fixture
def cache(whole, tmp_path) -> Path:
    shutil.copytree(whole, tmp_path / "cache")
    return tmp_path / "cache"


def wrong(cache: Path) -> list[str]:
    home = CacheHome(cache)
    return verify(home, Manifest.read(home.manifest("folder")), lambda *_: None)


def embeddings_of(cache: Path) -> Path:
    [folder] = (cache / "embeddings").iterdir()
    return folder


def contents(cache: Path) -> dict[str, bytes]:
    return {str(file.relative_to(cache)): file.read_bytes() for file in embeddings_of(cache).rglob("*.*")}


def flip(file: Path, at: int) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


def test_a_flipped_byte_is_found_anywhere_in_a_shard(cache):
    assert wrong(cache) == []
    shard = embeddings_of(cache) / read_index(embeddings_of(cache))[1].file
    data, dice = shard.read_bytes(), np.random.default_rng(0)
    for at in [0, len(data) - 1, *dice.integers(0, len(data), 60)]:
        flip(shard, at)
        [found] = wrong(cache)
        assert f"{shard.name}: its SHA-256 is not the one in the index" in found
        shard.write_bytes(data)


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "gone"])
def test_a_damaged_shard_is_named_and_its_clips_alone_are_encoded_again(cache, whole, root, build_folder, damage):
    lost = read_index(embeddings_of(cache))[1]
    shard = embeddings_of(cache) / lost.file
    reason = {"flipped": "its SHA-256", "cut": "expected", "empty": "0 bytes, expected", "gone": "missing"}[damage]
    if damage == "flipped":
        flip(shard, lost.bytes // 2)
    elif damage == "gone":
        shard.unlink()
    else:
        shard.write_bytes(shard.read_bytes()[: 0 if damage == "empty" else -7])
    [found] = wrong(cache)
    assert lost.file in found and reason in found
    report = build_folder(root, cache, repair=True)
    assert (report.decoded, report.encoded) == (0, len(lost.keys))
    assert len(lost.keys) < CLIPS
    assert wrong(cache) == [] and contents(cache) == contents(whole)


@pytest.mark.parametrize("damage", ["flipped", "gone"])
def test_a_damaged_frame_record_is_named_and_it_alone_is_decoded_again(cache, whole, root, build_folder, damage):
    row = Manifest.read(CacheHome(cache).manifest("folder")).rows[3]
    with FrameStore(cache / "frames", writable=True) as store, store._env.begin() as transaction:
        record = bytearray(transaction.get(row.key.encode()))
    record[len(record) // 2] ^= 1
    with FrameStore(cache / "frames", writable=True) as store:
        store.put_many([(row.key, bytes(record))]) if damage == "flipped" else store.delete(row.key)
    [found] = wrong(cache)
    assert found.startswith(f"{row.clip_id}: ") and ("CRC-32" in found or "its frames are missing" in found)
    report = build_folder(root, cache, repair=True)
    assert (report.decoded, report.encoded) == (1, 0)
    assert wrong(cache) == [] and contents(cache) == contents(whole)


@pytest.mark.parametrize("keep", [0, 100, 8192, 0.5, 0.99, "noise"])
def test_a_store_that_lmdb_cannot_read_is_one_clear_message(cache, whole, root, build_folder, keep):
    file = cache / "frames/data.mdb"
    data = file.read_bytes()
    noise = np.random.default_rng(0).bytes(len(data))
    file.write_bytes(noise if keep == "noise" else data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    [found] = wrong(cache)
    assert "data.mdb cannot be read by LMDB" in found
    assert "`semanticmac cache DATASET --repair` decodes the videos again; embeddings that are made already" in found
    if keep:  # an empty file is how LMDB begins: a build fills it
        with pytest.raises(StoreDamaged, match="cannot be read by LMDB"):
            build_folder(root, cache)
    report = build_folder(root, cache, repair=True)
    assert (report.decoded, report.encoded) == (CLIPS, 0)
    assert wrong(cache) == [] and contents(cache) == contents(whole)


def test_a_lost_store_is_named(cache, root, build_folder):
    shutil.rmtree(cache / "frames")
    [found] = wrong(cache)
    assert "holds no frames: `semanticmac cache DATASET` writes them" in found
    assert build_folder(root, cache).decoded == CLIPS and wrong(cache) == []


def test_a_changed_fingerprint_is_found_and_mended(cache, root, build_folder):
    flip(embeddings_of(cache) / "fingerprint.json", 20)
    [found] = wrong(cache)
    assert "fingerprint.json: missing or changed" in found
    report = build_folder(root, cache, repair=True)
    assert (report.decoded, report.encoded) == (0, 0) and wrong(cache) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 1, "shards": [{"file": "a"}]}'])
def test_a_damaged_index_is_one_clear_message(cache, text):
    (embeddings_of(cache) / "index.json").write_text(text)
    with pytest.raises(CacheIncomplete, match=r"index.json is damaged .* run `semanticmac cache` again"):
        wrong(cache)


def test_a_key_that_the_index_lost_is_missed(cache):
    path = embeddings_of(cache) / "index.json"
    index = json.loads(path.read_text())
    index["shards"][0]["keys"].pop()
    path.write_text(json.dumps(index))
    assert [line.partition(": ")[2] for line in wrong(cache)] == ["its embeddings are missing"]
