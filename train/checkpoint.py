"""The checkpoint of a run that is under way: everything it takes to go on, in one file that is whole or not there.

RUN/checkpoint/ is there from the start of a training to its end; state.safetensors in it holds the tensors of the
learner, and in its header, as JSON, where the run stands. Nothing in it is ever run.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from semanticmac.cache.files import drop_leftovers, written_aside
from semanticmac.train.data import TrainError
from semanticmac.train.selection import Score

FOLDER, FILE = "checkpoint", "state.safetensors"
_DONE = ".checkpoint-done"


@dataclass(frozen=True)
class Place:
    """Where a run stands, and what must be the same when it goes on."""

    epoch: int  # that is being trained, from 1
    steps: int  # of it that were done
    log_bytes: int  # length of log.jsonl
    best: Score | None
    data: str  # TrainData.digest
    processes: int
    torch: str  # version


def begin(run: Path) -> None:
    """From here on the run is one that can be resumed."""
    drop_leftovers(run)
    sweep(run)
    (run / FOLDER).mkdir(parents=True, exist_ok=True)


def under_way(run: Path) -> bool:
    """Was the run begun and not ended?"""
    return (run / FOLDER).exists()


def save(run: Path, place: Place, tensors: Mapping[str, Tensor]) -> None:
    """Writes the checkpoint aside and renames it; a full disk leaves the one before."""
    own = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with written_aside(run / FOLDER / FILE) as aside:
        save_file(own, aside, {"place": json.dumps(asdict(place))})


def load(run: Path) -> tuple[Place, dict[str, Tensor]] | None:
    """The last checkpoint, on the CPU; None where the run was stopped before its first. Raises TrainError."""
    path = run / FOLDER / FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads(file.metadata()["place"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no dict
            best = None if about["best"] is None else Score(**about["best"])
            return Place(**about | {"best": best}), tensors
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise TrainError(
            f"the checkpoint {path} cannot be read ({error}): delete it, and the run starts over"
        ) from None


def end(run: Path) -> None:
    """The run is finished. The folder goes in one step: half of it would be a run that starts over."""
    (run / FOLDER).rename(run / _DONE)
    sweep(run)


def sweep(run: Path) -> None:
    """Removes what a run that was killed at its very end left of its checkpoint."""
    shutil.rmtree(run / _DONE, ignore_errors=True)
