"""The note about clips whose content stands in two splits, from `cache`, `inspect` and `train`."""

import csv
import shutil
from pathlib import Path

import pytest
from support.program import Answer, semanticmac

from semanticmac.cache.copies import copies_in_two_splits, copies_notes
from semanticmac.cache.manifest import Row

NOTE = (
    "note: 3 clips have a copy in another split, so a score there is not one on unseen clips: "
    "k0.mp4 (train) = copy of k0 (1).mp4 (test), k1.mp4 (train) = copy of k1 (1).mp4 (valid), "
    "k2.mp4 (valid) = copy of k2 (1).mp4 (test). Leave the copies out with `--exclude`, or put "
    "them in one split with `--splits`, when you cache the dataset"
)
CACHE = ("cache", "folder", "--root", "clips", "--encoder", "imagebind-tiny")
SPLITS = {
    "k0.mp4": "train",
    "copy of k0 (1).mp4": "test",
    "k1.mp4": "train",
    "copy of k1 (1).mp4": "valid",
    "k2.mp4": "valid",
    "copy of k2 (1).mp4": "test",
    "k3.mp4": "train",
    "copy of k3 (1).mp4": "train",
}


def row(clip_id: str, key: str, split: str | None) -> Row:
    return Row(clip_id, key, "", 0.0, None, "", split, 1, 0.5, True, False, None)


def one_line(answer: Answer) -> str:
    """What a command wrote to stderr, without the line breaks of the terminal."""
    return " ".join(answer.stderr.split())


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory, film) -> tuple[Path, Answer]:
    """A folder in which films and their copies are cached, and what the command wrote."""
    folder = tmp_path_factory.mktemp("copies")
    clips = folder / "clips"
    clips.mkdir()
    for k in range(4):
        path = film(clips / f"k{k}.mp4", 1.0 + 0.1 * k)
        shutil.copyfile(path, clips / f"copy of k{k} (1).mp4")
    with (clips / "clips.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "clip_id", "label", "split"])
        for i, (name, split) in enumerate(SPLITS.items()):
            writer.writerow([name, name, i % 5 - 2, split])
    return folder, semanticmac(folder, *CACHE)


def test_copies_are_counted_once_per_content_and_only_across_splits() -> None:
    rows = [
        row("a", "1", "train"),
        row("b", "1", "train"),
        row("c", "1", "test"),
        row("d", "1", "valid"),
        row("e", "2", "valid"),
        row("f", "2", None),
        row("g", "3", "test"),
        row("h", "3", "valid"),
    ]
    pairs = [(first.clip_id, second.clip_id) for first, second in copies_in_two_splits(rows)]
    assert pairs == [("a", "c"), ("g", "h")]
    assert copies_notes(rows[:2]) == []


def test_only_the_first_copies_are_named() -> None:
    rows = [row(f"{split}{i}", str(i), split) for i in range(12) for split in ("train", "test")]
    [note] = copies_notes(rows)
    assert note.startswith("12 clips have a copy in another split")
    assert "train2 (train) = test2 (test), …. Leave" in note and "train3" not in note


def test_cache_names_the_copies(cached: tuple[Path, Answer]) -> None:
    folder, answer = cached
    assert NOTE in one_line(answer)
    again = semanticmac(folder, *CACHE)
    assert NOTE in one_line(again)


def test_inspect_names_the_copies(cached: tuple[Path, Answer]) -> None:
    folder, _ = cached
    assert NOTE in one_line(semanticmac(folder, "inspect"))


def test_train_names_the_copies_before_it_starts(cached: tuple[Path, Answer]) -> None:
    folder, _ = cached
    words = []
    for setting in ("d_model=16", "heads=2", "epochs=1", 'modalities=["audio", "vision"]'):
        words += ["--set", setting]
    written = one_line(semanticmac(folder, "train", "--from-cache", *words))
    assert written.index(NOTE) < written.index("training on folder")
