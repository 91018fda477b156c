"""The checkpoint of a run that is under way: everything it takes to go on, in one file that is whole or not there.

RUN/checkpoint/ is there from the start of a training to its end; state.safetensors in it holds the
tensors of the learner, and in its header, as JSON, where the run stands. Nothing in it is ever run.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from semanticmac.cache.atomic_io import atomic_write, remove_partial_files
from semanticmac.train.data import TrainError
from semanticmac.train.validation import Score

FOLDER, FILE = "checkpoint", "state.safetensors"
_DONE = ".checkpoint-done"


@dataclass(frozen=True)
class CheckpointMetadata:
    """Where a run stands, and what must be the same when it goes on."""

    epoch: int  # that is being trained, from 1
    steps: int  # of it that were done
    log_bytes: int  # length of log.jsonl
    best: Score | None
    data: str  # TrainData.digest
    processes: int
    torch: str  # version
    threads: int  # of torch on the CPU: matrix kernels round by how work is shared out


@contextmanager
def training(run: Path) -> Iterator[None]:
    """Around all that a training does: until it ends well, the run is one that can be resumed.

    Raises TrainError where another process is training in the same folder; one that was killed is
    none.
    """
    (run / FOLDER).mkdir(parents=True, exist_ok=True)
    handle = os.open(run / FOLDER, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrainError(
                f"another process is training in {run}: wait until it is done, or stop it"
            ) from None
        remove_partial_files(run)
        sweep(run)
        yield
        (run / FOLDER).rename(
            run / _DONE
        )  # in one step: half a folder would be a run that starts over
        sweep(run)
    finally:
        os.close(handle)


def save(run: Path, place: CheckpointMetadata, tensors: Mapping[str, Tensor]) -> None:
    """Writes the checkpoint aside and renames it; a full disk leaves the one before."""
    own = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_write(run / FOLDER / FILE) as aside:
        save_file(own, aside, {"place": json.dumps(asdict(place))})


def load(run: Path) -> tuple[CheckpointMetadata, dict[str, Tensor]] | None:
    """The last checkpoint, on the CPU; None where the run was stopped before its first.

    Raises TrainError.
    """
    path = run / FOLDER / FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads(file.metadata()["place"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no dict
            best = None if about["best"] is None else Score(**about["best"])
            return CheckpointMetadata(**about | {"best": best}), tensors
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise TrainError(
            f"the checkpoint {path} cannot be read ({error}): delete it, and the run starts over"
        ) from None


def forget(run: Path) -> None:
    """Removes what an earlier training left in the folder: another one begins there."""
    (run / FOLDER / FILE).unlink(missing_ok=True)


def sweep(run: Path) -> None:
    """Removes what a run that was killed at its very end left of its checkpoint."""
    shutil.rmtree(run / _DONE, ignore_errors=True)
