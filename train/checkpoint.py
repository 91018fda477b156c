"""The checkpoint of an unfinished run: everything that is needed to resume it, in one file.

RUN/checkpoint/ exists from the start of training to its end. Its file state.safetensors holds the
tensors of the trainer, and as JSON in its header how far the run is. No code is stored.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from semanticmac.cache.atomic_io import atomic_write, remove_partial_files
from semanticmac.cache.file_locks import try_lock, writable
from semanticmac.train.background_writer import BackgroundWriter
from semanticmac.train.data import TrainData, TrainError
from semanticmac.train.distributed import DistributedContext
from semanticmac.train.logger import RunLog, require_length
from semanticmac.train.trainer import Trainer
from semanticmac.train.validation import Score

FOLDER, FILE = "checkpoint", "state.safetensors"
EPOCH_END_S = 30.0  # The end of an epoch writes a checkpoint if the last one is so old.
_DONE = ".checkpoint-done"
_METADATA_KEY = "place"


@dataclass(frozen=True)
class CheckpointMetadata:
    """How far a run is, and what must be the same when it is resumed."""

    epoch: int  # the epoch that is being trained, from 1
    steps: int  # its finished steps
    log_bytes: int  # length of log.jsonl
    best: Score | None
    data: str  # TrainData.digest
    processes: int
    torch: str  # version
    threads: int  # of torch on the CPU: matrix kernels round by how work is shared among them

    @classmethod
    def of_new_run(cls, data: TrainData, distributed: DistributedContext) -> CheckpointMetadata:
        """The start of a run with this data, these processes, torch and threads."""
        threads = torch.get_num_threads()
        world_size = distributed.world_size
        return cls(1, 0, 0, None, data.digest, world_size, torch.__version__, threads)


@dataclass(frozen=True)
class Checkpoint:
    """Metadata and the tensors of the trainer, on the CPU."""

    metadata: CheckpointMetadata
    tensors: dict[str, Tensor]

    def restore(self, trainer: Trainer) -> None:
        metadata = self.metadata
        trainer.load_state_dict(self.tensors, metadata.epoch, metadata.steps, metadata.best)


class Checkpointer:
    """Decides when a checkpoint is due, and writes it."""

    def __init__(
        self,
        run: Path | None,
        metadata: CheckpointMetadata,
        save_every_s: float,
        interrupted: Callable[[], bool],
        in_background: bool = False,
    ) -> None:
        """run: None for a process that writes nothing; interrupted: has Ctrl-C been pressed?

        save_every_s: seconds between checkpoints; at the end of an epoch EPOCH_END_S are enough.
        in_background: a thread writes them while a GPU trains; `close` waits for it.
        """
        self._writer = BackgroundWriter() if in_background and run is not None else None
        self._run, self._metadata = run, metadata
        self._save_every_s, self._interrupted = save_every_s, interrupted
        self._saved_at = time.monotonic()

    def after_step(self, trainer: Trainer, log: RunLog) -> None:
        """Saves if it is time to, but not after the last step: the end of the epoch follows."""
        if trainer.epoch_steps == trainer.steps_per_epoch:
            return
        self._save_after(self._save_every_s, trainer, log)

    def after_epoch(self, trainer: Trainer, log: RunLog) -> None:
        """Saves, except shortly after a checkpoint: very short epochs do not each write one."""
        self._save_after(min(EPOCH_END_S, self._save_every_s), trainer, log)

    def _save_after(self, seconds: float, trainer: Trainer, log: RunLog) -> None:
        """Saves if the last checkpoint is so old, or Ctrl-C has been pressed."""
        if self._interrupted() or time.monotonic() - self._saved_at >= seconds:
            self.save(trainer, log)

    def save(self, trainer: Trainer, log: RunLog) -> None:
        """Writes a checkpoint, then raises KeyboardInterrupt if Ctrl-C has been pressed.

        In the background an error of a write is raised by the next one, or by `close`.
        """
        metadata = replace(
            self._metadata,
            epoch=trainer.epoch,
            steps=trainer.epoch_steps,
            log_bytes=log.flush_to_disk(),
            best=trainer.best,
        )
        if self._writer is not None:
            self._writer.submit(trainer.state_dict(), partial(self._write, metadata))
        elif self._run is not None:
            self._write(metadata, trainer.state_dict())
        self._saved_at = time.monotonic()
        if self._interrupted():
            raise KeyboardInterrupt

    def close(self) -> None:
        """Returns when the last checkpoint is on disk."""
        if self._writer is not None:
            self._writer.close()

    def _write(self, metadata: CheckpointMetadata, tensors: dict[str, Tensor]) -> None:
        assert self._run is not None
        save(self._run, Checkpoint(metadata, tensors))


@contextmanager
def training_folder(run: Path) -> Iterator[None]:
    """Locks the run folder. Until the block ends without an error, the run can be resumed.

    Raises TrainError if another process trains in the same folder, and if the folder cannot be
    written or locked. A process that was killed holds no lock.
    """
    with writable(run, TrainError, "--run"):
        (run / FOLDER).mkdir(parents=True, exist_ok=True)
        handle = os.open(run / FOLDER, os.O_RDONLY)
    try:
        with writable(run, TrainError, "--run"):
            locked = try_lock(handle)
        if not locked:
            raise TrainError(
                f"another process is training in {run}: wait until it is done, or stop it"
            )
        remove_partial_files(run)
        remove_leftovers(run)
        yield
        # Renamed in one step: a run with half of this folder would start over.
        (run / FOLDER).rename(run / _DONE)
        remove_leftovers(run)
    finally:
        os.close(handle)


def save(run: Path, checkpoint: Checkpoint) -> None:
    """Writes a temporary file and renames it. If the disk is full, the last checkpoint stays."""
    metadata = {_METADATA_KEY: json.dumps(asdict(checkpoint.metadata))}
    tensors = _on_cpu(checkpoint.tensors)
    with atomic_write(run / FOLDER / FILE) as aside:
        save_file(tensors, aside, metadata)


def load(run: Path) -> Checkpoint | None:
    """The last checkpoint, or None if the run was stopped before its first one.

    Raises TrainError if it cannot be read.
    """
    path = run / FOLDER / FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            values = json.loads(file.metadata()[_METADATA_KEY])
            if values["best"] is not None:
                values["best"] = Score(**values["best"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  no dict
            return Checkpoint(CheckpointMetadata(**values), tensors)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise TrainError(
            f"the checkpoint {path} cannot be read ({error}): delete it, and the run starts over"
        ) from None


def load_for_resume(
    run: Path, data: TrainData, current: CheckpointMetadata, on_note: Callable[[str], None]
) -> Checkpoint | None:
    """The last checkpoint of the run, or None if the run must start from the beginning.

    on_note receives a sentence if the last bits of the result may differ. Raises TrainError if the
    data, the number of processes or the log is not what the checkpoint needs.
    """
    checkpoint = load(run)
    if checkpoint is None:
        return None
    saved = checkpoint.metadata
    if saved.data != current.data:
        raise TrainError(
            f"{run} was begun on other data: clips, texts, labels or embeddings of "
            f"{data.manifest.dataset} have changed in the cache. Start a new run."
        )
    if saved.processes != current.processes:
        raise TrainError(
            f"{run} was begun with {saved.processes} processes, now there are {current.processes}: "
            f"start it with torchrun --nproc-per-node={saved.processes}"
        )
    require_length(run / "log.jsonl", saved.log_bytes)
    if saved.torch != current.torch:
        on_note(
            f"begun with torch {saved.torch}, resumed with {current.torch}: last bits may differ"
        )
    if saved.threads != current.threads:
        on_note(
            f"begun with {saved.threads} CPU threads, resumed with {current.threads}: "
            "last bits may differ"
        )
    return checkpoint


def remove_checkpoint(run: Path) -> None:
    """Removes the checkpoint of an earlier training, because a new one starts in the folder."""
    (run / FOLDER / FILE).unlink(missing_ok=True)


def remove_leftovers(run: Path) -> None:
    """Removes the checkpoint of a run that was killed after its last step."""
    shutil.rmtree(run / _DONE, ignore_errors=True)


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
