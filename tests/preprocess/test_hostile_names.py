"""Hostile file names and links through the whole run: cache, failures.jsonl and screen."""

import json
import os
from pathlib import Path

import pytest
from support.program import semanticmac

from semanticmac.cache.failures import read_failures
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest
from semanticmac.cache.verify import verify

NAMES = [
    b"-rf.wav",
    b"--help.wav",
    b'it\'s "quoted", [red]not markup.wav',
    b"two\nlines.wav",
    b"tab\tand\x1b[31mescape\x07.wav",
    b"latin-\xe9\xff.wav",
    b"http:x|y.wav",
    b"%03d $(id) `id`.wav",
    "表情 🙂.wav".encode(),
    b"n" * 240 + b".wav",
]


@pytest.fixture(scope="module")
def sound(tmp_path_factory, film) -> bytes:
    return film(tmp_path_factory.mktemp("sound") / "sound.wav", 0.6, picture=False).read_bytes()


def test_any_name_goes_through_the_whole_run(sound, build_folder, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    for n, name in enumerate(NAMES):
        (root / os.fsdecode(name)).write_bytes(
            sound + bytes(2 * n)
        )  # other bytes: another content key
        (root / os.fsdecode(b"broken" + name[:200] + b".mp4")).write_bytes(b"no video")
    report = build_folder(root, tmp_path / "cache")
    assert (report.clips, report.cached, report.failed) == (2 * len(NAMES), len(NAMES), len(NAMES))

    layout = CacheLayout(tmp_path / "cache")
    manifest = Manifest.read(layout.manifest("folder"))
    rows = {row.video for row in manifest.rows}
    assert rows == {
        name.decode("utf-8", "backslashreplace")
        if b"\xff" not in name
        else r"latin-\udce9\udcff.wav"
        for name in NAMES
    }
    assert verify(layout, manifest, lambda *_: None) == []
    lines = layout.failures("folder").read_bytes().split(b"\n")
    named = [json.loads(line) for line in lines if line]
    assert {line["clip_id"] for line in named if not line["cached"]} >= {
        "broken-rf.wav",
        "brokentwo\nlines.wav",
    }
    assert build_folder(root, tmp_path / "cache").decoded == 0


def test_any_name_is_shown_and_none_commands_the_screen(sound, build_folder, tmp_path, capfd):
    from semanticmac.commands.ui.failures import print_failures

    for name in NAMES:
        (tmp_path / os.fsdecode(b"broken" + name[:200] + b".mp4")).write_bytes(b"no video")
    (tmp_path / "good.wav").write_bytes(sound)
    build_folder(tmp_path, tmp_path / ".cache")
    print_failures(CacheLayout(tmp_path / ".cache").failures("folder"))
    shown = capfd.readouterr().out
    assert "10 clips failed" in shown
    assert "\x1b" not in shown and "\x07" not in shown


def failures(cache: Path) -> dict[str, str]:
    lines = read_failures(CacheLayout(cache).failures("folder"))
    return {line.clip_id: line.reason for line in lines if not line.cached}


def test_a_link_out_of_the_folder_fails_alone(sound, build_folder, tmp_path):
    (tmp_path / "outside.wav").write_bytes(sound)
    root = tmp_path / "root"
    root.mkdir()
    (root / "link.wav").symlink_to("../outside.wav")
    (root / "inside.wav").write_bytes(sound)
    report = build_folder(root, tmp_path / "cache")
    assert (report.clips, report.cached, report.failed) == (2, 1, 1)
    reasons = failures(tmp_path / "cache")
    assert list(reasons) == ["link"]
    assert reasons["link"].startswith(f"the file is a link that leads out of {root}")


def test_a_link_inside_the_folder_is_a_clip_and_a_circle_of_links_is_none(
    sound, build_folder, tmp_path
):
    root = tmp_path / "root"
    root.mkdir()
    (root / "inside.wav").write_bytes(sound)
    (root / "link.wav").symlink_to("inside.wav")
    (root / "round.wav").symlink_to("round.wav")
    report = build_folder(root, tmp_path / "cache")
    assert (report.clips, report.decoded) == (2, 1)  # two names, one content
    assert not (Path(tmp_path) / "cache/frames/link.wav").exists()


def test_a_named_link_out_of_the_folder_fails_alone(sound, build_folder, tmp_path):
    (tmp_path / "outside.wav").write_bytes(sound)
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "sub/link.wav").symlink_to(tmp_path / "outside.wav")
    (root / "inside.wav").write_bytes(sound)
    (root / "clips.csv").write_text("file\nsub/link.wav\ninside.wav\n")
    report = build_folder(root, tmp_path / "cache")
    assert (report.cached, report.failed) == (1, 1)
    assert list(failures(tmp_path / "cache")) == ["sub/link"]


def test_a_transcript_that_is_no_text_costs_its_clip_alone(sound, build_folder, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    for name in ("a", "b"):
        (root / f"{name}.wav").write_bytes(sound)
    (root / "a.txt").write_bytes(b"\0\1\2")
    assert build_folder(root, tmp_path / "cache").cached == 1
    assert "transcript cannot be read" in failures(tmp_path / "cache")["a"]


def test_the_command_names_a_link_out_of_the_folder_and_exits_with_3(sound, tmp_path):
    (tmp_path / "outside.wav").write_bytes(sound)
    root = tmp_path / "root"
    root.mkdir()
    (root / "inside.wav").write_bytes(sound)
    (root / "link.wav").symlink_to("../outside.wav")
    options = ("--encoder", "imagebind-tiny", "--cache", "cache")
    answer = semanticmac(tmp_path, "cache", "folder", "--root", root, *options, expect=3)
    shown = " ".join((answer.stdout + answer.stderr).split())
    assert "link that leads out of" in shown
