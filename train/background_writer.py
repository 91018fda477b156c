"""BackgroundWriter: tensors of a GPU are written to a file while training goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

WriteFn = Callable[[dict[str, Tensor]], None]


class BackgroundWriter:
    """Copies tensors to the CPU and writes them in a thread. One write at a time.

    A GPU copies to pinned memory in the order of its work: later steps change the tensors only
    after the copy. The pinned memory is allocated once and used for every write.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._pinned: dict[str, Tensor] = {}
        self._pending: Future[None] | None = None

    def submit(self, tensors: Mapping[str, Tensor], write: WriteFn) -> None:
        """Copies the tensors and starts `write`. Raises what the write before it raised."""
        self.wait()
        copies = {name: self._copy(name, tensor.detach()) for name, tensor in tensors.items()}
        # Not of the current device alone: a caller of `train` may use another GPU.
        copied = []
        for device in {tensor.device for tensor in tensors.values()}:
            if device.type == "cuda":
                copied.append(torch.cuda.current_stream(device).record_event())
        self._pending = self._pool.submit(_write_when_copied, write, copies, copied)

    def wait(self) -> None:
        """Returns when the last write has ended. Raises what it raised."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def close(self) -> None:
        """Waits, and ends the thread."""
        try:
            self.wait()
        finally:
            self._pool.shutdown()

    def _copy(self, name: str, tensor: Tensor) -> Tensor:
        if tensor.device.type != "cuda":
            return tensor.clone(memory_format=torch.contiguous_format)
        pinned = self._pinned.get(name)
        if pinned is None or pinned.shape != tensor.shape or pinned.dtype != tensor.dtype:
            pinned = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            self._pinned[name] = pinned
        return pinned.copy_(tensor, non_blocking=True)


def _write_when_copied(
    write: WriteFn, tensors: dict[str, Tensor], copied: Sequence[torch.cuda.Event]
) -> None:
    for event in copied:
        event.synchronize()
    write(tensors)
