"""`cache` killed at any step and run again: the same bytes, without lost or repeated clips."""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from semanticmac.cache.embedding_store import EmbeddingReader
from semanticmac.cache.frame_store import FrameStore
from semanticmac.cache.shard_format import read_index

MOMENTS = 30 if os.environ.get("SEMANTICMAC_ALL_MOMENTS") else 4
NEVER = 1_000_000
CLIPS = 8

Run = Callable[..., tuple[int, int | None]]


def write_table(path: Path, rows: list[dict]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, film) -> Path:
    """Eight clips of about 1 s, most of them audio only; one is listed twice, one is no video."""
    root = tmp_path_factory.mktemp("corpus")
    names = [f"clip{i}.{'mp4' if i % 4 == 1 else 'wav'}" for i in range(CLIPS)]
    for i, name in enumerate(names):
        film(root / name, 0.6 + 0.2 * i, picture=name.endswith("mp4"))
    (root / "broken.mp4").write_text("no video")
    rows = [
        {"clip_id": i, "file": name, "text": f"line {i}", "label": i % 3}
        for i, name in enumerate(names)
    ]
    rows.append({**rows[1], "clip_id": "again", "text": "line again"})
    rows.append({"clip_id": "broken", "file": "broken.mp4", "text": "line broken", "label": 0})
    write_table(root / "clips.csv", rows)
    return root


@pytest.fixture(scope="module")
def run(corpus) -> Iterator[Run]:
    """run(folder, at=step): exit status of `cache`, and its number of steps if not killed."""
    words = ["cache", "folder", "--encoder", "imagebind-tiny", "--device", "cpu"]
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("kill_at.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert server.stdin and server.stdout

    def once(
        folder: Path, at: int = NEVER, *more: str, root: Path = corpus
    ) -> tuple[int, int | None]:
        folder.mkdir(exist_ok=True)
        server.stdin.write(
            json.dumps([at, str(folder), *words, "--root", str(root), "--workers", "1", *more])
            + "\n"
        )
        server.stdin.flush()
        status, steps = json.loads(server.stdout.readline())
        return status, steps

    yield once
    server.stdin.close()
    server.stdout.close()
    server.wait()


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of all files of a cache; of LMDB its records, since its pages may differ."""
    layout = folder / "data/cache"
    files = [file for file in layout.rglob("*") if file.is_file() and file.parent.name != "frames"]
    with FrameStore(layout / "frames") as store, store._env.begin() as transaction:
        records = {
            f"frames/{bytes(key).decode()}": bytes(value) for key, value in transaction.cursor()
        }
    return {str(file.relative_to(layout)): file.read_bytes() for file in files} | records


def clips_of(folder: Path) -> dict[str, bytes]:
    """Frame records and embeddings by content key, whatever shard they lie in."""
    found = {name: data for name, data in contents(folder).items() if name.startswith("frames/")}
    for embeddings in (folder / "data/cache/embeddings").iterdir():
        reader = EmbeddingReader(embeddings)
        for key in read_index(embeddings).keys:
            rows = reader.get(key)
            found[f"{key} {embeddings.name}"] = b"" if rows is None else rows.tobytes()
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def whole(run, undisturbed) -> tuple[dict[str, bytes], int]:
    """The cache that an undisturbed run makes, and how many steps that takes."""
    folder = undisturbed
    status, steps = run(folder)
    assert status == 3, (folder / "said").read_text()  # one clip is no video
    found = contents(folder)
    for embeddings in (folder / "data/cache/embeddings").iterdir():
        assert len(read_index(embeddings).shards) >= 3
    assert sum(name.startswith("frames/") for name in found) == CLIPS
    return found, steps


def moments(steps: int) -> list[int]:
    """Seeded, and one in every stretch of the run, so that each kind of step is met."""
    dice, stretch = random.Random(20), steps / MOMENTS
    return [1 + int(stretch * i + dice.random() * stretch) for i in range(MOMENTS)]


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_a_killed_run_continues_to_the_same_bytes(run, whole, tmp_path, moment):
    expected, steps = whole
    assert run(tmp_path, moments(steps)[moment])[0] == -signal.SIGKILL
    assert run(tmp_path)[0] == 3
    assert contents(tmp_path) == expected


def test_a_run_that_is_killed_again_and_again_ends_all_the_same(run, whole, tmp_path):
    expected, steps = whole
    dice, kills = random.Random(21), 0
    while run(tmp_path, dice.randint(steps // 4, steps // 2))[0] == -signal.SIGKILL and kills < 12:
        kills += 1
    assert kills >= 2
    assert run(tmp_path)[0] == 3
    assert contents(tmp_path) == expected


def test_the_number_of_workers_changes_no_byte(run, whole, tmp_path):
    assert run(tmp_path, NEVER, "--workers", "3")[0] == 3
    assert contents(tmp_path) == whole[0]


def test_the_order_of_the_work_changes_no_clip(run, whole, undisturbed, corpus, tmp_path):
    """Part of the corpus reversed, then only frames, then all: other shards, same clip bytes."""
    turned = tmp_path / "turned"
    shutil.copytree(corpus, turned)
    with (corpus / "clips.csv").open(newline="") as file:
        write_table(turned / "clips.csv", [*csv.DictReader(file)][::-1])
    assert run(tmp_path, NEVER, "--limit", "5", root=turned)[0] == 3
    assert run(tmp_path, NEVER, "--only", "frames")[0] == 3
    assert run(tmp_path)[0] == 3
    assert clips_of(tmp_path) == clips_of(undisturbed)
    assert contents(tmp_path) != whole[0]
