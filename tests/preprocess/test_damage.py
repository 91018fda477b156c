"""Damaged caches: `verify` names the damage, and a build with `repair` replaces only that."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from support.damage import flip

from semanticmac.cache.frame_codec import RecordError
from semanticmac.cache.frame_store import FrameStore, StoreDamaged
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.cache.shard_format import read_index
from semanticmac.cache.verify import verify
from semanticmac.commands.cache import print_report

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
    layout = CacheLayout(cache)
    return verify(layout, Manifest.read(layout.manifest("folder")), lambda *_: None)


def embeddings_of(cache: Path) -> Path:
    """The folder of the audio stream: most clips have no frames."""
    [folder] = (cache / "embeddings").glob("audio-*")
    return folder


def contents(cache: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(cache)): file.read_bytes()
        for file in embeddings_of(cache).rglob("*.*")
    }


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "gone"])
def test_a_damaged_shard_is_named_and_its_clips_alone_are_encoded_again(
    cache, whole, root, build_folder, damage
):
    lost = read_index(embeddings_of(cache)).shards[1]
    shard = embeddings_of(cache) / lost.file
    reason = {
        "flipped": "its SHA-256",
        "cut": "expected",
        "empty": "0 bytes, expected",
        "gone": "missing",
    }[damage]
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
def test_a_damaged_frame_record_is_named_and_it_alone_is_decoded_again(
    cache, whole, root, build_folder, damage
):
    row = Manifest.read(CacheLayout(cache).manifest("folder")).rows[3]
    with FrameStore(cache / "frames", writable=True) as store:
        record = bytearray(store.record(row.key))
        record[len(record) // 2] ^= 1
        store.put_many([(row.key, bytes(record))]) if damage == "flipped" else store.delete(row.key)
    [found] = wrong(cache)
    assert found.startswith(f"{row.clip_id}: ") and (
        "CRC-32" in found or "its frames are missing" in found
    )
    report = build_folder(root, cache, repair=True)
    assert (report.decoded, report.encoded) == (1, 0)
    assert wrong(cache) == [] and contents(cache) == contents(whole)


@pytest.mark.parametrize("keep", [0, 100, 8192, 0.5, 0.99, "noise"])
def test_a_store_that_lmdb_cannot_read_is_one_clear_message(cache, whole, root, build_folder, keep):
    file = cache / "frames/data.mdb"
    data = file.read_bytes()
    noise = np.random.default_rng(0).bytes(len(data))
    file.write_bytes(
        noise
        if keep == "noise"
        else data[: int(keep * len(data)) if isinstance(keep, float) else keep]
    )
    [found] = wrong(cache)
    assert "LMDB cannot read" in found
    advice = (
        "`semanticmac cache DATASET --repair` decodes the videos again and keeps the embeddings"
    )
    assert advice in found
    if keep:  # an empty file is how LMDB begins: a build fills it
        with pytest.raises(StoreDamaged, match="LMDB cannot read"):
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


@pytest.mark.parametrize("damage", ["lost", "changed"])
def test_an_index_that_names_other_clips_is_found_and_mended(
    cache, whole, root, build_folder, damage
):
    path = embeddings_of(cache) / "index.json"
    index = json.loads(path.read_text())
    keys = index["shards"][0]["keys"]
    key = keys.pop()
    keys.extend([key[::-1]] if damage == "changed" else [])
    path.write_text(json.dumps(index))
    shard, clip = wrong(cache)
    assert shard.endswith("shard-00000.arrow: it holds other clips than the index says")
    assert clip.endswith(": the embeddings of audio imagebind-tiny are missing")
    build_folder(root, cache, repair=True)
    assert wrong(cache) == [] and contents(cache) == contents(whole)


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "noise"])
@pytest.mark.parametrize("repair", [False, True])
def test_a_damaged_manifest_is_written_anew_and_nothing_else_made(
    cache, whole, root, build_folder, damage, repair
):
    path, expected = (
        CacheLayout(cache).manifest("folder"),
        CacheLayout(whole).manifest("folder").read_bytes(),
    )
    if damage == "flipped":
        flip(path, len(expected) // 2)
    else:
        path.write_bytes(
            {"cut": expected[:-7], "empty": b"", "noise": np.random.default_rng(0).bytes(5000)}[
                damage
            ]
        )
    report = build_folder(root, cache, repair=repair)
    assert (report.decoded, report.encoded, report.manifest_written) == (0, 0, True)
    assert path.read_bytes() == expected and contents(cache) == contents(whole)


@pytest.mark.parametrize(("was", "now"), [(b"{", b"s"), (b'"duration_s": 0', b'"duration_s": 4')])
def test_what_a_damaged_record_says_never_enters_a_manifest(
    cache, whole, root, build_folder, was, now
):
    row = Manifest.read(CacheLayout(cache).manifest("folder")).rows[0]
    with FrameStore(cache / "frames", writable=True) as store:
        record = store.record(row.key)
        assert was in record
        store.put_many([(row.key, record.replace(was, now, 1))])
    with pytest.raises(
        RecordError, match=r"CRC-32.*`semanticmac cache DATASET --repair` decodes the clip again"
    ):
        build_folder(root, cache)
    assert build_folder(root, cache, repair=True).decoded == 1
    manifests = [CacheLayout(folder).manifest("folder").read_bytes() for folder in (cache, whole)]
    assert manifests[0] == manifests[1] and wrong(cache) == []


def test_a_pending_clip_that_changed_is_encoded_again(cache, whole, root, build_folder):
    """Only the first shard exists, as after a stopped run, and one pending clip was changed."""
    folder = embeddings_of(cache)
    index = json.loads((folder / "index.json").read_text())
    key = index["shards"][1]["keys"][0]
    for shard in index["shards"][1:]:
        (folder / shard["file"]).unlink()
    (folder / "index.json").write_text(
        json.dumps({**index, "shards": index["shards"][:1]}, indent=1)
    )
    (folder / "pending" / f"{key}.arrow").write_bytes(b"")
    report = build_folder(root, cache)
    assert report.encoded == CLIPS - len(index["shards"][0]["keys"])
    assert wrong(cache) == [] and contents(cache) == contents(whole)


@pytest.mark.parametrize("damage", ["shard", "record", "store", "manifest"])
def test_a_repair_names_the_other_datasets_that_are_not_whole(
    cache, root, build_folder, tmp_path, damage, capsys
):
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(root / "clip1.wav", other / "seen.wav")  # a clip that both have
    (other / "new.wav").write_bytes((root / "clip1.wav").read_bytes() + b"\0\0")
    build_folder(other, cache, name="other")
    assert build_folder(other, cache, name="other", repair=True).incomplete == ()
    layout = CacheLayout(cache)
    row = Manifest.read(layout.manifest("folder")).rows[3]
    if damage == "shard":
        [lost] = [
            shard.file for shard in read_index(embeddings_of(cache)).shards if row.key in shard.keys
        ]
        flip(embeddings_of(cache) / lost, 1000)
    elif damage == "record":
        with FrameStore(layout.frames, writable=True) as store:
            store.put_many([(row.key, store.record(row.key)[:-1])])
    else:
        path = layout.manifest("folder") if damage == "manifest" else layout.frames / "data.mdb"
        path.write_bytes(path.read_bytes()[:-1])
    report = build_folder(other, cache, name="other", repair=True)
    [sentence] = report.incomplete
    command = "CORPUS --root DIR --name folder" if damage == "manifest" else "folder --root DIR"
    assert (
        sentence.startswith("folder is incomplete: ")
        and f"`semanticmac cache {command}" in sentence
    )
    print_report(report, layout.failures("other"))
    assert sentence in capsys.readouterr().out
    build_folder(root, cache)
    assert wrong(cache) == []
    assert build_folder(other, cache, name="other", repair=True).incomplete == ()


def test_a_dataset_of_not_one_clip_is_not_whole(tmp_path, build_folder):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "clip.mp4").write_bytes(b"no film")
    assert build_folder(tmp_path / "root", tmp_path / "cache").failed == 1
    [found] = wrong(tmp_path / "cache")
    assert found.startswith("folder has no clip: ") and "failures.jsonl" in found
