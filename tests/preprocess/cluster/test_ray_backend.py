"""`cache --ray` on two machines writes the bytes of one, also if a worker or machine is killed."""

import contextlib
import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import typer

from semanticmac.cache import stream_catalogue
from semanticmac.cache.frame_store import FrameStore
from semanticmac.cache.keys import Fingerprint, Sampling
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.shard_format import read_index
from semanticmac.cli import app
from semanticmac.preprocess import pipeline as stages
from semanticmac.preprocess.build import BuildOptions, BuildReport, build
from semanticmac.preprocess.cluster.placement import ClusterError
from semanticmac.preprocess.corpora import read_corpus
from semanticmac.preprocess.encoders.imagebind.encoder import load_encoders
from semanticmac.preprocess.encoders.requests import requests

FILES = 8
TINY = requests("imagebind-tiny")
GUARD_S = 120.0  # a generous deadline; nothing here should come near it
SHARD_BYTES = 3_000  # a few clips of the tiny encoder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, film) -> Path:
    """Eight files of about a second, most of them audio only; one long file with six segments.

    One file is listed twice, and one is not a video.
    """
    root = tmp_path_factory.mktemp("corpus")
    names = [f"clip{i}.{'mp4' if i % 4 == 1 else 'wav'}" for i in range(FILES)]
    for i, name in enumerate(names):
        film(root / name, 0.6 + 0.2 * i, picture=name.endswith("mp4"))
    film(root / "long.mp4", 3.0)
    (root / "broken.mp4").write_text("no video")
    rows = []
    for i, name in enumerate([*names, names[1], "broken.mp4"]):
        # A file that is listed twice has the same label in both rows.
        label = 1 if name == names[1] else i % 3
        rows.append({"clip_id": f"{i}", "file": name, "text": f"line {i}", "label": label})
    for i in range(6):
        segment = {"start_s": i * 0.5, "end_s": (i + 1) * 0.5}
        row = {"clip_id": f"cut{i}", "text": f"cut {i}", **segment}
        rows.append({**row, "file": "long.mp4", "label": 0})
    with (root / "clips.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[-1]))
        writer.writeheader()
        writer.writerows(rows)
    return root


def contents(layout: Path) -> dict[str, bytes]:
    """The bytes of all files of a cache; of LMDB its records, since its pages may differ."""
    files = [file for file in layout.rglob("*") if file.is_file() and file.parent.name != "frames"]
    with FrameStore(layout / "frames") as store:
        records = {f"frames/{key}": store.record(key) for key in store.keys()}  # noqa: SIM118
    return {str(file.relative_to(layout)): file.read_bytes() for file in files} | records


def made(corpus: Path, layout: Path, limit: int | None = None, **how) -> BuildReport:
    """One build in small shards."""
    clips = read_corpus("folder", corpus)
    clips = replace(clips, clips=clips.clips[:limit])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            stream_catalogue,
            "EmbeddingWriter",
            partial(stream_catalogue.EmbeddingWriter, shard_bytes=SHARD_BYTES),
        )
        patch.setattr(stages, "_WRITE_CLIPS", 3)
        how = {"encoders": (), **how}
        return build(
            clips,
            CacheLayout(layout),
            options=BuildOptions(corpus, 1),
            progress=lambda *_: None,
            **how,
        )


@pytest.fixture(scope="module")
def tiny():
    return load_encoders("imagebind-tiny", "cpu")


@pytest.fixture(scope="module")
def expected(corpus, tiny, tmp_path_factory) -> dict[str, bytes]:
    """The cache that one machine makes."""
    layout = tmp_path_factory.mktemp("one")
    made(corpus, layout, encoders=tiny)
    found = contents(layout)
    for embeddings in (layout / "embeddings").iterdir():
        assert len(read_index(embeddings).shards) >= 3
    assert sum(name.startswith("frames/") for name in found) == FILES + 6
    return found


@pytest.fixture(scope="module")
def machines() -> Iterator:
    """A Ray cluster: a head that does no work, and two machines of one CPU."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'semanticmac[ray]'")
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    cluster.work = [cluster.add_node(num_cpus=1) for _ in range(2)]
    yield cluster
    cluster.shutdown()


@pytest.fixture(scope="module")
def ray_cluster(machines) -> Iterator:
    from semanticmac.preprocess.cluster.ray_backend import join

    with join(machines.address, TINY, "auto", None, Sampling()) as cluster:
        yield cluster


@pytest.fixture
def struck(monkeypatch):
    """struck(kind, number, strike) calls strike(worker) just before job `number` of that kind.

    Returns the kinds of the workers that were lost during a job.
    """
    from semanticmac.preprocess.cluster import ray_backend as cluster
    from semanticmac.preprocess.cluster.worker_pool import WorkerLost

    plans, lost, counts = {}, [], {}
    do = cluster._Worker.do

    def watched(worker, job):
        counts[worker.kind] = counts.get(worker.kind, 0) + 1
        if plans.get(worker.kind, (0,))[0] == counts[worker.kind]:
            plans[worker.kind][1](worker)
        try:
            return do(worker, job)
        except WorkerLost:
            lost.append(worker.kind)
            raise

    def plan(kind: str, number: int, strike) -> list[str]:
        plans[kind] = number, strike
        return lost

    monkeypatch.setattr(cluster._Worker, "do", watched)
    return plan


def test_a_cluster_makes_the_bytes_of_one_machine(ray_cluster, corpus, expected, tmp_path):
    report = made(corpus, tmp_path, cluster=ray_cluster)
    assert (report.decoded, report.encoded, report.failed) == (FILES + 6, FILES + 6, 1)
    assert contents(tmp_path) == expected
    assert made(corpus, tmp_path, cluster=ray_cluster).decoded == 0


def test_one_machine_and_a_cluster_continue_each_other(
    ray_cluster, corpus, expected, tiny, tmp_path
):
    for name, first, second in (
        ("a", {"encoders": tiny}, {"cluster": ray_cluster}),
        ("b", {"cluster": ray_cluster}, {"encoders": tiny}),
    ):
        made(corpus, tmp_path / name, 5, **first)
        report = made(corpus, tmp_path / name, **second)
        assert report.decoded == FILES + 6 - 5
        # Shards are cut at the end of a build, so these are others; of every clip it is the same
        # bytes.
        assert records(contents(tmp_path / name)) == records(expected)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def records(found: dict[str, bytes]) -> dict[str, bytes]:
    return {name: data for name, data in found.items() if name.startswith("frames/")}


def test_frames_that_one_machine_stored_are_encoded_by_a_cluster(
    ray_cluster, corpus, expected, tmp_path
):
    made(corpus, tmp_path, encoders=())
    report = made(corpus, tmp_path, cluster=ray_cluster)
    assert (report.decoded, report.encoded) == (0, FILES + 6)
    assert contents(tmp_path) == expected


def wait_for_the_end_of(worker) -> None:
    """A kill takes a moment, in which the worker might still answer."""
    import ray
    from ray.exceptions import RayError

    with pytest.raises(RayError):
        while True:
            ray.get(worker.actor.hostname.remote())


def test_clips_of_killed_workers_are_done_again(ray_cluster, struck, corpus, expected, tmp_path):
    def kill(worker) -> None:
        worker.terminate()
        wait_for_the_end_of(worker)

    struck("DecodeActor", 4, kill)
    lost = struck("EncodeActor", 6, kill)
    report = made(corpus, tmp_path, cluster=ray_cluster)
    assert sorted(lost) == ["DecodeActor", "EncodeActor"]
    assert (report.decoded, report.encoded, report.failed) == (FILES + 6, FILES + 6, 1)
    assert contents(tmp_path) == expected


def test_clips_of_a_killed_machine_are_done_again(
    ray_cluster, machines, struck, corpus, expected, tmp_path
):
    def kill(worker) -> None:
        [machine] = [
            machine for machine in machines.work if machine.node_id == worker.placement.node_id
        ]
        machines.remove_node(machine, allow_graceful=False)
        wait_for_the_end_of(worker)

    lost = struck("DecodeActor", 5, kill)
    report = made(corpus, tmp_path, cluster=ray_cluster)
    assert "DecodeActor" in lost
    assert (report.decoded, report.encoded, report.failed) == (FILES + 6, FILES + 6, 1)
    assert contents(tmp_path) == expected


def test_machines_that_differ_are_refused():
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'semanticmac[ray]'")
    from semanticmac.preprocess.cluster.ray_backend import RayBackend

    cluster = RayBackend([], [], [], TINY, Sampling())
    fingerprint = Fingerprint("audio", "tiny", "a", "weights", True, 8, Sampling())
    cluster._agree("EncodeActor", "one", (fingerprint,))
    cluster._agree("EncodeActor", "two", (fingerprint,))
    message = "three is not like one: audio weights: others, not weights"
    with pytest.raises(ClusterError, match=message):
        cluster._agree("EncodeActor", "three", (replace(fingerprint, weights="others"),))


def test_an_address_where_nothing_answers_is_named():
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'semanticmac[ray]'")
    from semanticmac.preprocess.cluster.ray_backend import join

    for address in ("localhost:1", "ray://localhost:1", "nowhere"):
        with (
            pytest.raises(ClusterError, match=f"no cluster answers at {address}: "),
            join(address, None, "auto", None, Sampling()),
        ):
            pass


def program(*words: str, before: str = "pass") -> subprocess.CompletedProcess[str]:
    code = (
        f"import sys; {before}; from semanticmac.cli import main; "
        f"sys.argv[1:] = {list(words)!r}; main()"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_a_cluster_that_it_started_itself_ends_with_it(corpus, tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'semanticmac[ray]'")
    mark = f"SEMANTICMAC_TEST={tmp_path}"
    monkeypatch.setenv(*mark.split("="))
    words = [
        "cache",
        "folder",
        "--root",
        str(corpus),
        "--cache",
        str(tmp_path),
        "--only",
        "frames",
        "--limit",
        "3",
    ]
    done = program(*words, "--ray", "local")
    assert done.returncode == 0, done.stderr
    assert "3 decoded" in done.stdout
    deadline = time.monotonic() + GUARD_S
    while (
        left := [process for process in processes() if mark.encode() in process[1]]
    ) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [name for name, _ in left] == []


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_program_leaves_no_ffmpeg(corpus, tmp_path, with_signal):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'semanticmac[ray]'")
    mark, slow = f"SEMANTICMAC_TEST={tmp_path}", tmp_path / "slow"
    lines = [
        '[ "$1" = -version ] && echo ffmpeg version 0 && exit',
        f"echo $$ >> {tmp_path}/pids",
        "exec sleep 999",
    ]
    slow.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    slow.chmod(0o755)
    words = [
        "cache",
        "folder",
        "--root",
        str(corpus),
        "--cache",
        str(tmp_path / "cache"),
        "--only",
        "frames",
        "--decoder",
        "ffmpeg",
    ]
    stopped = subprocess.Popen(
        [sys.executable, "-m", "semanticmac.cli", *words, "--ray", "local", "--workers", "2"],
        env={**os.environ, "SEMANTICMAC_TEST": str(tmp_path), "SEMANTICMAC_FFMPEG": str(slow)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + GUARD_S
    while not (tmp_path / "pids").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    stopped.send_signal(with_signal)
    stopped.wait()
    deadline = time.monotonic() + GUARD_S
    while (
        left := [each for each in processes() if mark.encode() in each[1]]
    ) and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in (tmp_path / "pids").read_text().split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    assert [name for name, _ in left] == []


def processes() -> list[tuple[str, bytes]]:
    """(command, environment) of every other process that may be looked at."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(folder.name) != os.getpid():
                found.append(
                    (
                        (folder / "cmdline").read_text(errors="replace"),
                        (folder / "environ").read_bytes(),
                    )
                )
    return found


def test_without_ray_it_says_what_to_install(corpus, tmp_path):
    words = [
        "cache",
        "folder",
        "--root",
        str(corpus),
        "--cache",
        str(tmp_path),
        "--encoder",
        "imagebind-tiny",
        "--ray",
    ]
    done = program(*words, before="sys.modules['ray'] = None")
    assert done.returncode == 2
    assert "pip install 'semanticmac[ray]'" in done.stderr.replace("\n", " ")


def test_the_option_stands_alone_or_with_an_address():
    command = typer.main.get_command(app).commands["cache"]
    said = {
        "": ["mosi", "--ray"],
        "localhost:6379": ["--ray", "localhost:6379", "mosi"],
        "auto": ["--ray", "auto", "mosi"],
        "ray://head:10001": ["mosi", "--ray=ray://head:10001", "--workers", "2"],
        None: ["mosi", "--workers", "2"],
    }
    for address, words in said.items():
        assert command.make_context("cache", words).params["ray"] == address
    alone = command.make_context("cache", ["mosi", "--ray", "--workers", "2"]).params
    assert (alone["ray"], alone["workers"]) == ("", 2)
    before = command.make_context("cache", ["--ray", "folder", "--workers", "2"]).params
    assert (before["ray"], before["dataset"]) == ("", "folder")
