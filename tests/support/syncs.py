"""SyncCounter: counts the operations for which a process would wait for its GPU."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

# The result, or its shape, is needed by the process itself.
_WAITING = {
    "aten._local_scalar_dense.default",  # item(), bool(), tolist()
    "aten.nonzero.default",
    "aten.masked_select.default",
    "aten._unique2.default",
    "aten.equal.default",
    "aten.lift_fresh.default",  # torch.tensor(numbers): on a GPU a copy from pageable memory
}
_INDEXING = {"aten.index.Tensor", "aten.index_put.default", "aten.index_put_.default"}


class SyncCounter(TorchDispatchMode):
    """Counts them on a CPU, also in the backward pass. Indexing by a mask waits for its count."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = str(func)
        if name in _WAITING:
            self.counts[name] += 1
        if name in _INDEXING and any(_is_mask(index) for index in args[1]):
            self.counts[name] += 1
        return func(*args, **(kwargs or {}))


def _is_mask(index: Tensor | None) -> bool:
    return index is not None and index.dtype in (torch.bool, torch.uint8)
