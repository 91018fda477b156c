"""The memo of digests: believed where it is whole, and never where it is not."""

import json
import os
import shutil
from pathlib import Path

import pytest

from semanticmac.cache import file_hashes as module
from semanticmac.cache.file_hashes import FileHashes
from semanticmac.cache.keys import file_digest


@pytest.fixture
def files(tmp_path) -> list[Path]:
    made = [tmp_path / f"clip{i}.mp4" for i in range(8)]
    for i, file in enumerate(made):
        file.write_bytes(bytes([i]) * 1000)
    return made


@pytest.fixture
def read(monkeypatch) -> list[Path]:
    """The files whose bytes were read."""
    seen: list[Path] = []
    monkeypatch.setattr(module, "file_digest", lambda file: seen.append(file) or file_digest(file))
    return seen


def test_a_second_run_reads_no_file_that_stayed_as_it_was(tmp_path, files, read):
    memo = FileHashes(tmp_path / "digests.json")
    first = [memo.digest(file) for file in files]
    memo.save()
    read.clear()
    files[2].write_bytes(b"new")
    again = FileHashes(tmp_path / "digests.json")
    assert [again.digest(file) for file in files] == [*first[:2], file_digest(files[2]), *first[3:]]
    assert read == [files[2]]


def test_a_changed_digit_is_never_believed(tmp_path, files):
    path = tmp_path / "digests.json"
    memo = FileHashes(path)
    whole = [memo.digest(file) for file in files]
    memo.save()
    data = path.read_bytes()
    for at in range(0, len(data), 7):
        broken = bytearray(data)
        broken[at] ^= 1
        path.write_bytes(broken)
        again = FileHashes(path)
        assert [again.digest(file) for file in files] == whole


@pytest.mark.parametrize(
    "text", ["", "{", "null", "[1]", "3", "{}", '{"a": 3}', '{"files": null}', "\udcff"]
)
def test_what_is_no_memo_is_an_empty_one(tmp_path, files, text):
    path = tmp_path / "digests.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    memo = FileHashes(path)
    digest = memo.digest(files[0])
    memo.save()
    assert digest == file_digest(files[0]) and len(json.loads(path.read_text())["files"]) == 1


def test_a_killed_run_keeps_what_it_read(tmp_path, files, read, monkeypatch):
    monkeypatch.setattr(module, "_SAVE_BYTES", 3000)
    memo = FileHashes(tmp_path / "digests.json")
    for file in files:
        memo.digest(file)
    # The process dies here, between two saves.
    read.clear()
    again = FileHashes(tmp_path / "digests.json")
    for file in files:
        again.digest(file)
    assert read == files[6:]


def test_two_files_that_are_swapped_with_their_times_are_read_again(tmp_path, files):
    """`cp -p` keeps size and modification time."""
    one, two = files[:2]
    os.utime(two, ns=(one.stat().st_atime_ns, one.stat().st_mtime_ns))
    memo = FileHashes(tmp_path / "digests.json")
    hashes = memo.digest(one), memo.digest(two)
    memo.save()

    spare = tmp_path / "spare"
    for source, target in ((one, spare), (two, one), (spare, two)):
        shutil.copy2(source, target)
    again = FileHashes(tmp_path / "digests.json")
    assert (again.digest(two), again.digest(one)) == hashes


def test_entries_of_version_0_1_are_believed(tmp_path, files, read):
    memo = FileHashes(tmp_path / "digests.json")
    digest = memo.digest(files[0])
    memo._hashes = {name: [*known[:2], known[-1]] for name, known in memo._hashes.items()}
    memo.save()
    read.clear()
    assert FileHashes(tmp_path / "digests.json").digest(files[0]) == digest and read == []
