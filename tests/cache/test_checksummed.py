"""Sealed files: no byte changes unnoticed, whatever else the file says."""

import pytest

from semanticmac.cache.checksummed import (
    EMPTY_CHECKSUM,
    ChecksumMismatch,
    read_checksummed,
    write_checksummed,
)


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


def test_a_file_without_a_seal_is_none(tmp_path):
    (tmp_path / "file").write_bytes(b"some older format")
    with pytest.raises(ChecksumMismatch):
        read_checksummed(tmp_path / "file")
    with pytest.raises(ValueError):
        write_checksummed(tmp_path / "new", b"no place for a digest")
    assert not (tmp_path / "new").exists()
