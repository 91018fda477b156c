import pickle
import shutil

import numpy as np
import pytest

from semanticmac.cache.embedding_store import EmbeddingReader, EmbeddingWriter
from semanticmac.cache.layout import CacheIncomplete
from semanticmac.cache.shard_format import read_index

SMALL = 2_000  # bytes: two or three pending clips fill a shard


def write(folder, fingerprint, clips, shard_bytes=SMALL):
    writer = EmbeddingWriter(folder, fingerprint, shard_bytes=shard_bytes)
    for key, made in clips.items():
        if key in writer:
            writer.keep(key)
        else:
            writer.add(key, made)
    writer.finish()


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def clips(rows):
    return {f"key-{i:02d}": rows(i, frames=1 + i % 5, present=i % 3 != 2) for i in range(20)}


def test_every_clip_comes_back_as_it_went_in(tmp_path, fingerprint, clips):
    write(tmp_path, fingerprint, clips)
    reader = EmbeddingReader(tmp_path, expected=fingerprint)
    assert len(read_index(tmp_path).shards) > 3
    assert len(reader) == len(clips)
    for key, made in clips.items():
        read = reader.get(key)
        if made is None:
            assert read is None
        else:
            assert read is not None and read.dtype == np.float16
            np.testing.assert_array_equal(read, made)


def test_reading_copies_nothing(tmp_path, fingerprint, clips):
    write(tmp_path, fingerprint, clips)
    array = EmbeddingReader(tmp_path).get("key-00")
    assert not array.flags.owndata
    assert not array.flags.writeable


def test_a_reader_can_be_sent_to_a_worker_process(tmp_path, fingerprint, clips):
    write(tmp_path, fingerprint, clips)
    reader = EmbeddingReader(tmp_path)
    reader.get("key-03")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(reader)).get("key-03"), clips["key-03"])


@pytest.mark.parametrize("done", range(0, 21, 3))
def test_a_stopped_run_continues_to_the_same_bytes(tmp_path, fingerprint, clips, done):
    write(tmp_path / "whole", fingerprint, clips)
    writer = EmbeddingWriter(tmp_path / "stopped", fingerprint, shard_bytes=SMALL)
    for key in list(clips)[:done]:
        writer.add(key, clips[key])
    # The process dies here: nothing is finished.
    write(tmp_path / "stopped", fingerprint, clips)
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


def test_a_run_killed_between_index_and_tidying_leaves_no_double(tmp_path, fingerprint, clips):
    write(tmp_path / "whole", fingerprint, clips)
    shutil.copytree(tmp_path / "whole", tmp_path / "killed")
    writer = EmbeddingWriter(tmp_path / "scratch", fingerprint)
    writer.add("key-05", clips["key-05"])
    shutil.copy(tmp_path / "scratch/pending/key-05.arrow", tmp_path / "killed/pending")
    write(tmp_path / "killed", fingerprint, clips)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_a_shard_that_the_index_does_not_name_is_written_over(tmp_path, fingerprint, clips):
    write(tmp_path / "whole", fingerprint, clips)
    (tmp_path / "killed").mkdir()
    (tmp_path / "killed/shard-00000.arrow").write_bytes(
        b"renamed, but the index was not written yet"
    )
    write(tmp_path / "killed", fingerprint, clips)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_new_clips_leave_finished_shards_alone(tmp_path, fingerprint, clips):
    first = dict(list(clips.items())[:9])
    write(tmp_path, fingerprint, first)
    before = {name: data for name, data in contents(tmp_path).items() if name.endswith(".arrow")}
    write(tmp_path, fingerprint, clips)
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before
    assert len(EmbeddingReader(tmp_path)) == len(clips)


def test_equal_content_is_stored_once(tmp_path, fingerprint, rows):
    writer = EmbeddingWriter(tmp_path, fingerprint)
    writer.add("same", rows(1))
    writer.add("same", rows(1))
    writer.keep("same")
    writer.finish()
    assert [shard.keys for shard in read_index(tmp_path).shards] == [("same",)]


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.999])
def test_a_pending_clip_that_changed_is_made_again(tmp_path, fingerprint, clips, damage, place):
    write(tmp_path / "whole", fingerprint, clips)
    stopped = EmbeddingWriter(tmp_path / "stopped", fingerprint)
    for key in list(clips)[:4]:
        stopped.add(key, clips[key])
    path = tmp_path / "stopped/pending/key-02.arrow"
    data = bytearray(path.read_bytes())
    at = int(place * len(data))
    data[at] ^= 1
    path.write_bytes({"flipped": data, "cut": data[:at], "empty": b""}[damage])
    writer = EmbeddingWriter(tmp_path / "stopped", fingerprint)
    assert [key in writer for key in list(clips)[:5]] == [True, True, False, True, False]
    write(tmp_path / "stopped", fingerprint, clips)
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


def test_a_pending_clip_that_changes_under_the_writer_is_never_sealed(tmp_path, fingerprint, rows):
    writer = EmbeddingWriter(tmp_path, fingerprint)
    writer.add("key", rows(1))
    path = tmp_path / "pending/key.arrow"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        CacheIncomplete, match=r"key.arrow is not as it was written.*Run the same command again"
    ):
        writer.finish()
    write(tmp_path, fingerprint, {"key": rows(1)})
    np.testing.assert_array_equal(EmbeddingReader(tmp_path).get("key"), rows(1))


@pytest.mark.parametrize("change", ["other clips", "fewer clips", "gone", "empty"])
def test_a_reader_never_takes_one_clip_for_another(tmp_path, fingerprint, rows, change):
    """The cache is repaired while a reader holds the index of before."""
    made = {"a": rows(1), "b": rows(2)}
    write(tmp_path, fingerprint, made)
    reader = EmbeddingReader(tmp_path)
    shard = tmp_path / read_index(tmp_path).shards[0].file
    EmbeddingWriter(tmp_path, fingerprint).remove_shards([shard.name])
    if change.endswith("clips"):
        write(
            tmp_path,
            fingerprint,
            dict(reversed(made.items())) if change == "other clips" else {"a": made["a"]},
        )
    elif change == "empty":
        shard.write_bytes(b"")
    with pytest.raises(
        CacheIncomplete, match=r"shard-00000.arrow: .*start again; else run `semanticmac verify`"
    ):
        reader.get("a")


def test_a_reader_keeps_what_it_has_open_through_a_repair(tmp_path, fingerprint, clips):
    write(tmp_path, fingerprint, clips)
    reader = EmbeddingReader(tmp_path)
    reader.get("key-00")
    EmbeddingWriter(tmp_path, fingerprint).remove_shards(
        [shard.file for shard in read_index(tmp_path).shards]
    )
    write(tmp_path, fingerprint, dict(reversed(clips.items())))
    np.testing.assert_array_equal(reader.get("key-00"), clips["key-00"])


def test_forgetting_nothing_writes_no_index(tmp_path, fingerprint):
    EmbeddingWriter(tmp_path, fingerprint).remove_shards([])
    assert not (tmp_path / "index.json").exists()


def test_a_forgotten_shard_is_made_again(tmp_path, fingerprint, clips):
    write(tmp_path, fingerprint, clips)
    before = contents(tmp_path)
    lost = read_index(tmp_path).shards[1]
    writer = EmbeddingWriter(tmp_path, fingerprint, shard_bytes=SMALL)
    writer.remove_shards([lost.file])
    assert lost.keys[0] not in writer
    assert read_index(tmp_path).shards[0].keys[0] in writer
    for key, made in clips.items():
        if key in writer:
            writer.keep(key)
        else:
            writer.add(key, made)
    writer.finish()
    assert contents(tmp_path) == before


def test_no_index_is_no_cache(tmp_path, fingerprint, rows):
    EmbeddingWriter(tmp_path, fingerprint).add("key", rows(0))
    with pytest.raises(
        CacheIncomplete, match=r"has no index.json: building it was interrupted.*it resumes"
    ):
        EmbeddingReader(tmp_path)


def test_another_encoder_is_refused_field_by_field(tmp_path, fingerprint, clips):
    from dataclasses import replace

    write(tmp_path, fingerprint, clips)
    with pytest.raises(CacheIncomplete, match="weights: weights, not other"):
        EmbeddingReader(tmp_path, expected=replace(fingerprint, weights="other"))


def test_a_clip_that_was_refused_is_remembered_until_it_is_encoded(tmp_path, fingerprint, rows):
    writer = EmbeddingWriter(tmp_path, fingerprint)
    writer.add("a", rows(1))
    writer.fail("b", "not finite")
    writer.finish()
    assert EmbeddingReader(tmp_path).failed == {"b": "not finite"}
    before = contents(tmp_path)
    writer = EmbeddingWriter(tmp_path, fingerprint)
    writer.fail("b", "not finite")
    writer.finish()
    assert contents(tmp_path) == before
    writer = EmbeddingWriter(tmp_path, fingerprint)
    writer.add("b", rows(2))
    writer.finish()
    assert EmbeddingReader(tmp_path).failed == {}
