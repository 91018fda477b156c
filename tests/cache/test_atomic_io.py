"""Files are written whole or not at all, and what was left of them is tidied up."""

import errno
import os

import pytest

from semanticmac.cache.atomic_io import atomic_write, remove_partial_files, write_text


def test_only_what_a_killed_process_was_writing_aside_is_removed(tmp_path):
    kept = [
        ".download.mp4.part",
        ".part",
        ".5.part",
        "clip.7.part",
        ".a.7.part.mp4",
        ".folder.7.part/.notes",
        ".a.x7.part",
    ]
    gone = [".index.json.41.part", "deep/.key.arrow.7.part", ".a name\n.5.part"]
    for name in (*kept, *gone):
        write_text(tmp_path / name, "")
    remove_partial_files(tmp_path)
    assert {
        str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()
    } == set(kept)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize(
    "raised", [OSError, lambda code, words: RuntimeError(f"I/O error: {words} (os error {code})")]
)
def test_want_of_room_names_the_file_whoever_was_writing(tmp_path, code, raised):
    with (
        pytest.raises(OSError, match=os.strerror(code)) as broadcast,
        atomic_write(tmp_path / "file"),
    ):
        raise raised(code, os.strerror(code))
    assert (broadcast.value.errno, broadcast.value.filename) == (code, str(tmp_path / "file"))
    assert list(tmp_path.iterdir()) == []
