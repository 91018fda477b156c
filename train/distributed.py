"""The processes that train one model together: who this one is, its share of a batch, and what they tell each other.

Each process runs the model on its share of every batch. Outputs are gathered, so that losses,
pseudo labels and scores are those of the whole batch on every process, and N processes learn what
one would.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from semanticmac.model.network import Output
from semanticmac.train.data import TrainError
from semanticmac.train.losses import wide

Value = TypeVar("Value")

PATIENCE = timedelta(
    hours=1
)  # for a process that is behind the others, such as the first one, which writes


@dataclass(frozen=True)
class DistributedContext:
    """Process `rank` of `size`; a run that is not spread is a world of one."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0  # on this machine: which of its GPUs is ours

    @property
    def first(self) -> bool:
        """The one that writes files and talks to people."""
        return self.rank == 0

    def device(self, chosen: torch.device) -> torch.device:
        """The device of this process, where `chosen` is what all were told.

        Raises TrainError for too few GPUs.
        """
        if self.size == 1 or chosen.type != "cuda":
            return chosen
        if chosen.index is not None:
            raise TrainError(
                f"--device {chosen}: under torchrun every process takes a GPU of its own, give cuda"
            )
        if self.local_rank >= torch.cuda.device_count():
            raise TrainError(
                f"this machine has {torch.cuda.device_count()} GPUs, and torchrun started more processes on it: "
                "each needs one of its own, or all take --device cpu"
            )
        return torch.device("cuda", self.local_rank)

    def counts(self, clips: int) -> list[int]:
        """How many clips of a batch each process has: as equal as can be, the first ones one more."""
        return [clips // self.size + (rank < clips % self.size) for rank in range(self.size)]

    def share(self, batch: Sequence[int]) -> Sequence[int]:
        """The clips of a batch that this process runs: a stretch of it.

        Where there are too few clips it runs the first one once more, for every process must take part in a step;
        `gather` leaves that one out.
        """
        return [batch[place] for place in self.part(len(batch))] or batch[:1]

    def part(self, clips: int) -> range:
        """Which of so many clips are this process's; none where there are too few."""
        counts = self.counts(clips)
        start = sum(counts[: self.rank])
        return range(start, start + counts[self.rank])

    def gather(self, local: Tensor, clips: int) -> Tensor:
        """Each process's (b, …) for its share → the (B, …) of the whole batch, in its order, on every process.

        Differentiable: what comes back is the gradient of this process's share alone.
        """
        if self.size == 1:
            return local
        gathered: Tensor = _Gather.apply(local, self.counts(clips), self.rank)  # type: ignore[no-untyped-call]
        return gathered

    def gather_output(self, output: Output, clips: int) -> Output:
        """What the model said of the whole batch, from what each process's model said of its share."""
        if self.size == 1:
            return output
        parts = [output.predictions, output.specific, output.shared, output.fused, output.present]
        flat = torch.cat([wide(part).flatten(1) for part in parts], dim=1)
        widths = [part[0].numel() for part in parts]
        whole = torch.split(self.gather(flat, clips), widths, dim=1)
        predictions, specific, shared, fused, present = (
            new.reshape(-1, *part.shape[1:]) for new, part in zip(whole, parts, strict=True)
        )
        return Output(predictions, specific, shared, fused, present > 0.5)

    def collect(self, value: Value) -> list[Value]:
        """What every process hands in, in the order of their ranks, on every process."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value)
        return found

    def broadcast(self, value: Value) -> Value:
        """What the first process hands in."""
        return self.collect(value)[0]


SINGLE_PROCESS = DistributedContext()


class _Gather(torch.autograd.Function):
    """All shares one after the other; backwards, the stretch of the gradient that belongs to this process."""

    @staticmethod
    def forward(ctx: Any, local: Tensor, counts: list[int], rank: int) -> Tensor:
        ctx.place, ctx.shape = (sum(counts[:rank]), counts[rank]), local.shape
        padded = local.new_zeros(max(counts), *local.shape[1:])
        padded[: counts[rank]] = local[: counts[rank]]
        parts = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        start, count = ctx.place
        mine = gradients[0].new_zeros(
            ctx.shape
        )  # the clip of a process without one keeps a gradient of zero
        mine[:count] = gradients[0][start : start + count]
        return mine, None, None


@contextmanager
def init_distributed() -> Iterator[DistributedContext]:
    """The world that torchrun started this process in (it says so in the environment), or one of its own."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield SINGLE_PROCESS
        return
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    if local_rank < torch.cuda.device_count():
        torch.cuda.set_device(local_rank)
    # By the device of what is sent; people may choose the CPU where there are GPUs.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE)
    try:
        yield DistributedContext(dist.get_rank(), size, local_rank)
    finally:
        gc.collect()  # a model that still listens to the group when it goes aborts the process
        dist.destroy_process_group()
