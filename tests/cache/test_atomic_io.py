"""Files are written completely or not at all; no change of a checksummed file goes unnoticed."""

import errno
import os

import pytest

from semanticmac.cache.atomic_io import (
    EMPTY_CHECKSUM,
    ChecksumMismatch,
    atomic_write,
    read_checksummed,
    remove_partial_files,
    write_checksummed,
    write_text,
)


def test_only_partial_files_of_killed_processes_are_removed(tmp_path):
    kept = [
        ".download.mp4.part",
        ".part",
        ".5.part",
        "clip.7.part",
        ".a.7.part.mp4",
        ".folder.7.part/.notes",
        ".a.x7.part",
    ]
    partial = [".index.json.41.part", "deep/.key.arrow.7.part", ".a name\n.5.part"]
    for name in (*kept, *partial):
        write_text(tmp_path / name, "")
    remove_partial_files(tmp_path)
    assert {
        str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()
    } == set(kept)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize(
    "raised", [OSError, lambda code, words: RuntimeError(f"I/O error: {words} (os error {code})")]
)
def test_a_full_disk_names_the_file_whichever_library_was_writing(tmp_path, code, raised):
    with (
        pytest.raises(OSError, match=os.strerror(code)) as raised_error,
        atomic_write(tmp_path / "file"),
    ):
        raise raised(code, os.strerror(code))
    assert (raised_error.value.errno, raised_error.value.filename) == (code, str(tmp_path / "file"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "before", ["", "text", f"a name like {EMPTY_CHECKSUM}", "sha256:" + 64 * "f"]
)
def test_any_flipped_byte_and_any_cut_is_found(tmp_path, before):
    path = tmp_path / "file"
    write_checksummed(path, f"{before}|{EMPTY_CHECKSUM}|behind".encode())
    data = read_checksummed(path)
    assert data.startswith(f"{before}|sha256:".encode()) and data.endswith(b"|behind")
    assert EMPTY_CHECKSUM.encode() not in data[len(before) :]
    for at in range(len(data)):
        for bit in (0x01, 0x20):
            broken = bytearray(data)
            broken[at] ^= bit
            path.write_bytes(broken)
            with pytest.raises(ChecksumMismatch, match="do not match the SHA-256"):
                read_checksummed(path)
        path.write_bytes(data[:at])
        with pytest.raises(ChecksumMismatch):
            read_checksummed(path)
    path.write_bytes(data)
    assert read_checksummed(path) == data


def test_a_file_without_checksum_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"some older format")
    with pytest.raises(ChecksumMismatch):
        read_checksummed(tmp_path / "file")
    with pytest.raises(ValueError):
        write_checksummed(tmp_path / "new", b"no place for a digest")
    assert not (tmp_path / "new").exists()
