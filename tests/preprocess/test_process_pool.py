"""A job that hangs, crashes or takes too much memory fails alone, and no process is left behind."""

import contextlib
import functools
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

import pytest

from semanticmac.cache.keys import Sampling
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.decoding import isolation
from semanticmac.preprocess.decoding.decode import decode_clip
from semanticmac.preprocess.process_pool import (
    GROUP_JOBS,
    LOOK_AHEAD,
    Result,
    WorkerError,
    run_isolated,
)

HERE = Path(__file__).parent
LIMITS = {"timeout_s": 60.0, "memory_bytes": 1 << 30}
GUARD_S = 20.0  # a generous deadline; nothing here should come near it


@pytest.fixture(autouse=True)
def jobs(monkeypatch: pytest.MonkeyPatch):
    """The module of jobs, importable here and, because workers take over sys.path, there."""
    monkeypatch.syspath_prepend(str(HERE))
    import worker_jobs

    return worker_jobs


def until(happens) -> None:
    """Wait for something that happens very soon, or fail."""
    deadline = time.monotonic() + GUARD_S
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pids_in(file: Path) -> list[int]:
    until(file.exists)
    return [int(pid) for pid in file.read_text().split()]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_results_come_in_the_order_of_the_jobs(jobs, workers: int):
    names = [str(number) for number in range(60)]
    results = list(run_isolated(jobs.behave, names, workers=workers, **LIMITS))
    assert [result.job for result in results] == [result.value for result in results] == names
    assert {result.outcome for result in results} == {"done"}


def test_nothing_runs_in_the_parent_and_few_jobs_start_few_workers(jobs, tmp_path: Path):
    files = [tmp_path / "a", tmp_path / "b"]
    pids = {result.value for result in run_isolated(jobs.tell, files, workers=1, **LIMITS)}
    assert len(pids) == 1 and os.getpid() not in pids
    assert list(run_isolated(jobs.behave, [], workers=4, **LIMITS)) == []


EXPECTED = {
    "hang": ("timed out", "killed after 3 s without an answer"),
    "abort": ("died", "killed by SIGABRT"),
    "segfault": ("died", "killed by SIGSEGV"),
    "leave": ("died", "exit status 3"),
    "spin": ("timed out", "killed after 3 s without an answer"),
    "allocate": ("out of memory", "more than the 1024 MiB that a worker may use"),
    "raise": ("raised", "not this one"),
    "exit": ("raised", "enough"),
    "unpicklable": ("raised", "pickle"),
}


def test_a_bad_job_costs_only_itself(jobs):
    names = [job for bad in EXPECTED for job in (f"before {bad}", bad)] + ["last"]
    results = list(run_isolated(jobs.behave, names, workers=2, timeout_s=3.0, memory_bytes=1 << 30))
    assert [result.job for result in results] == names
    for result in results:
        if result.job in EXPECTED:
            outcome, reason = EXPECTED[result.job]
            assert result.outcome == outcome and reason in result.reason
            assert result.worker_lost == (outcome != "raised") and result.value is None
        else:
            assert result == Result(result.job, "done", result.job)


def test_an_error_keeps_its_type(jobs):
    (result,) = run_isolated(jobs.behave, ["raise"], workers=1, **LIMITS)
    assert (result.error_type, result.reason) == ("ValueError", "not this one")


def test_a_worker_killed_from_outside(jobs, tmp_path: Path):
    def kill() -> None:
        os.kill(pids_in(tmp_path / "hanging")[0], signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    run = run_isolated(jobs.tell_and_hang, [tmp_path / "hanging"], workers=1, **LIMITS)
    (result,) = run
    assert result.outcome == "died" and result.worker_lost and "killed by SIGKILL" in result.reason
    until(
        lambda: not any(map(alive, pids_in(tmp_path / "hanging")))
    )  # its child is not left behind either


def test_a_killed_worker_leaves_no_child_also_where_its_parent_does_nothing(tmp_path: Path):
    """As on a cluster, where the parent is killed with it."""
    parent = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(here=str(HERE)), str(tmp_path / "a")]
    )
    try:
        worker, child = pids_in(tmp_path / "a")
        parent.send_signal(signal.SIGSTOP)
        os.kill(worker, signal.SIGKILL)
        until(lambda: not alive(child))
    finally:
        parent.kill()
        parent.wait()


def test_a_worker_killed_while_idle_costs_no_job(jobs, tmp_path: Path):
    def files() -> Iterator[Path]:
        yield tmp_path / "first"
        (pid,) = pids_in(tmp_path / "first")
        time.sleep(0.3)  # until it has answered
        os.kill(pid, signal.SIGKILL)
        until(lambda: not alive(pid))
        yield tmp_path / "second"

    results = list(run_isolated(jobs.tell, files(), workers=1, **LIMITS))
    assert [result.outcome for result in results] == ["done", "done"]
    assert results[0].value != results[1].value


def test_closing_leaves_no_process(jobs, tmp_path: Path):
    files = [tmp_path / "quick", *(tmp_path / str(number) for number in range(20))]
    run = run_isolated(jobs.tell_and_hang, files, workers=2, **LIMITS)
    assert next(run).outcome == "done"
    pids = pids_in(files[1]) + pids_in(files[2])
    assert len(pids) == 4 and all(map(alive, pids))
    run.close()
    until(lambda: not any(map(alive, pids)))


def test_an_iterator_that_is_left_early_leaves_no_process(jobs, tmp_path: Path):
    run = run_isolated(
        jobs.tell, (tmp_path / str(number) for number in range(100)), workers=2, **LIMITS
    )
    pid = next(run).value
    run.close()
    assert not alive(pid)


SCRIPT = """
import sys
sys.path.insert(0, {here!r})
import worker_jobs
from pathlib import Path
from semanticmac.preprocess.process_pool import run_isolated
limits = dict(workers=2, timeout_s=600, memory_bytes=1 << 30)
list(run_isolated(worker_jobs.tell_and_hang, map(Path, sys.argv[1:]), **limits))
"""


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_or_killed_parent_leaves_no_process(
    tmp_path: Path, with_signal: signal.Signals
):
    files = [tmp_path / "a", tmp_path / "b"]
    script = SCRIPT.format(here=str(HERE))
    parent = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, files)], stderr=subprocess.PIPE, text=True
    )
    pids = [pid for file in files for pid in pids_in(file)]
    try:
        assert len(pids) == 4 and all(map(alive, pids))
        parent.send_signal(with_signal)
        stderr = parent.communicate(timeout=GUARD_S)[1]
        until(lambda: not any(map(alive, pids)))
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    assert parent.returncode == -with_signal
    assert ("KeyboardInterrupt" in stderr) == (with_signal == signal.SIGINT)
    assert "Exception in thread" not in stderr


def test_look_ahead_is_bounded(jobs):
    taken: list[str] = []

    def endless() -> Iterator[str]:
        while True:
            taken.append(str(len(taken)))
            yield taken[-1]

    run = run_isolated(jobs.behave, endless(), workers=2, **LIMITS)
    assert [next(run).value for _ in range(20)] == taken[:20]
    run.close()
    assert len(taken) <= 20 + 8


def test_jobs_that_belong_together_go_to_one_worker(jobs, tmp_path: Path):
    files = [tmp_path / group / str(number) for group in "abcdefgh" for number in range(6)]
    for file in files:
        file.parent.mkdir(exist_ok=True)
    results = list(
        run_isolated(jobs.tell, files, workers=2, together=attrgetter("parent"), **LIMITS)
    )
    assert [result.job for result in results] == files
    hands = {
        group: {result.value for result in results if result.job.parent.name == group}
        for group in "abcdefgh"
    }
    assert all(len(pids) == 1 for pids in hands.values())
    assert len(set.union(*hands.values())) == 2


def test_a_bad_job_costs_none_of_those_that_belong_together_with_it(jobs):
    names = ["one", "abort", "two", "raise", "three", "segfault", "four"]
    results = list(run_isolated(jobs.behave, names, workers=2, together=lambda _: None, **LIMITS))
    assert [result.job for result in results] == names
    assert [result.outcome for result in results] == [
        "done",
        "died",
        "done",
        "raised",
        "done",
        "died",
        "done",
    ]


def test_a_group_without_end_is_bounded(jobs):
    taken = itertools.count()
    run = run_isolated(jobs.behave, map(str, taken), workers=1, together=lambda _: None, **LIMITS)
    assert [next(run).value for _ in range(3)] == ["0", "1", "2"]
    run.close()
    assert next(taken) <= (LOOK_AHEAD + 1) * GROUP_JOBS


def test_a_function_that_no_worker_can_import(jobs, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(TypeError, match="must be a function of a module"):
        run_isolated(lambda job: job, ["a"], workers=1, **LIMITS)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(HERE)])
    with pytest.raises(
        WorkerError, match="cannot start: ModuleNotFoundError: No module named 'worker_jobs'"
    ):
        list(run_isolated(jobs.behave, ["a"], workers=2, **LIMITS))


def test_a_script_without_a_main_guard_runs_once(tmp_path: Path):
    """A worker does not run the caller's script again, as multiprocessing's spawn does."""
    script = tmp_path / "script.py"
    script.write_text(f"""
import sys
sys.path.insert(0, {str(HERE)!r})
import worker_jobs
from semanticmac.preprocess.process_pool import run_isolated
print("started", flush=True)
limits = dict(workers=1, timeout_s=60, memory_bytes=1 << 30)
print([result.value for result in run_isolated(worker_jobs.behave, ["one"], **limits)])
""")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.stdout == "started\n['one']\n", done.stderr


def test_a_worker_is_light(jobs):
    heavy = ("torch", "transformers", "decord", "pyarrow", "lmdb")
    (result,) = run_isolated(jobs.heavy_modules, [heavy], workers=1, **LIMITS)
    assert result.value == []
    (result,) = run_isolated(jobs.behave, ["threads"], workers=1, **LIMITS)
    assert result.value == "1"
    code = (
        "import sys, semanticmac.preprocess.decoding.decode; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "[]\n"
    )


def test_an_error_that_nobody_foresaw_names_its_type(jobs, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(isolation, "decode_and_pack", jobs.fail_to_decode)
    clips = [Clip(name, Path(name)) for name in ("AssertionError", "KeyError", "DecodeError")]
    reasons = [outcome.reason for outcome in isolation.decode_all(clips, Sampling(), 1)]
    assert reasons == ["AssertionError: ", "KeyError: 'frames'", "the file is empty"]


def test_decoding_in_workers(tmp_path: Path):
    (tmp_path / "empty.mp4").touch()
    clips = [Clip("empty", tmp_path / "empty.mp4"), Clip("gone", tmp_path / "gone.mp4")]
    function = functools.partial(decode_clip, decoder="ffmpeg")
    results = list(run_isolated(function, clips, workers=2, **LIMITS))
    assert [result.error_type for result in results] == ["DecodeError", "DecodeError"]
    assert "0 bytes" in results[0].reason and not results[0].worker_lost
