"""Files that cannot be read get no content key; they fail alone."""

import os

from semanticmac.cache.failures import read_failures
from semanticmac.cache.layout import CacheLayout


def test_a_path_that_is_no_regular_file_fails_alone_without_waiting(film, build_folder, tmp_path):
    root, cache = tmp_path / "root", tmp_path / "cache"
    root.mkdir()
    film(root / "clip.wav", 0.5, picture=False)
    os.mkfifo(root / "pipe.wav")
    (root / "round.wav").symlink_to("round.wav")
    files = {name: f"{name}.wav" for name in ("clip", "pipe", "round")}
    files["long"] = f"{'n' * 300}.wav"
    lines = [f"{clip_id},{file},0" for clip_id, file in files.items()]
    (root / "clips.csv").write_text("\n".join(["clip_id,file,label", *lines, ""]))

    report = build_folder(root, cache)
    assert (report.cached, report.failed) == (1, 3)
    reasons = {}
    for failure in read_failures(CacheLayout(cache).failures("folder")):
        if not failure.cached:
            reasons[failure.clip_id] = failure.reason.removeprefix("the file cannot be read: ")
    assert reasons == {
        "pipe": "it is a folder, a device or a pipe",
        "round": "Too many levels of symbolic links",
        "long": "File name too long",
    }
