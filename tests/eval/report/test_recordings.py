"""A page finds the original file of a clip by its content, and links to it from where it lies."""

from __future__ import annotations

from pathlib import Path

from semanticmac.cache.file_hashes import FileHashes
from semanticmac.cache.keys import Sampling, content_key
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Row
from semanticmac.eval.report.recordings import recordings


def row(video: str, key: str, start_s: float = 0.0, end_s: float | None = None) -> Row:
    return Row("clip", key, video, start_s, end_s, "", "test", 1, 1.0, True, True, None)


def test_the_file_is_found_by_its_content(tmp_path: Path) -> None:
    layout = CacheLayout(tmp_path / "cache")
    layout.root.mkdir()
    folder = tmp_path / "my films"
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"a film")
    (folder / "b.avi").write_bytes(b"another")
    hashes = FileHashes(layout.file_hashes)
    first, second = hashes.digest(folder / "a.mp4"), hashes.digest(folder / "b.avi")
    hashes.save()
    sampling, page = Sampling(), tmp_path / "runs/one/report.html"
    rows = [
        row("a.mp4", content_key(first, 1.0, 2.5, sampling), 1.0, 2.5),
        row("b.avi", content_key(second, 0.0, None, sampling, "left")),
        row("a.mp4", content_key("0" * 64, 0.0, None, sampling)),
    ]
    one, two, three = recordings(layout, sampling, rows, page)
    assert one is not None and one.url == "../../my%20films/a.mp4#t=1,2.5" and one.plays
    assert two is not None and two.url == "../../my%20films/b.avi" and not two.plays
    assert three is None
    assert recordings(layout, sampling, rows, None) == [None] * 3
    assert recordings(layout, None, rows, page) == [None] * 3
    (folder / "a.mp4").unlink()
    assert recordings(layout, sampling, rows, page)[0] is None
