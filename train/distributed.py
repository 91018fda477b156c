"""Training with several processes: rank, share of each batch, and the exchange of values.

Each process runs the model on its share of every batch. The outputs are gathered, so that losses,
pseudo labels and scores on every process are those of the whole batch. N processes learn the same
as one.
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

from semanticmac.model.build import ModelOutput
from semanticmac.train.error import TrainError
from semanticmac.train.losses import wide

Value = TypeVar("Value")

TIMEOUT = timedelta(hours=1)  # for a slow process, such as the main one, which writes files


@dataclass(frozen=True)
class DistributedContext:
    """Process `rank` of `world_size`. A run with one process has the world size 1."""

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0  # on this machine; also the index of its GPU

    @property
    def is_main(self) -> bool:
        """The main process writes files and shows progress."""
        return self.rank == 0

    def device(self, chosen: torch.device) -> torch.device:
        """The device of this process; `chosen` is the one that the user asked for.

        Raises TrainError if there are too few GPUs.
        """
        if self.world_size == 1 or chosen.type != "cuda":
            return chosen
        if chosen.index is not None:
            raise TrainError(
                f"--device {chosen}: under torchrun each process takes its own GPU, give cuda"
            )
        if self.local_rank >= torch.cuda.device_count():
            raise TrainError(
                f"this machine has {torch.cuda.device_count()} GPUs, and torchrun started more "
                "processes on it: start one process for each GPU, or give --device cpu"
            )
        return torch.device("cuda", self.local_rank)

    def share_sizes(self, clips: int) -> list[int]:
        """How many clips of a batch each process runs. The sizes differ by one at most."""
        smaller, remainder = divmod(clips, self.world_size)
        return [smaller + (rank < remainder) for rank in range(self.world_size)]

    def share_totals(self, counts: Sequence[int]) -> list[int]:
        """How many clips each process predicts; counts: those of each item of a batch."""
        totals, start = [], 0
        for size in self.share_sizes(len(counts)):
            totals.append(sum(counts[start : start + size]))
            start += size
        return totals

    def part(self, clips: int) -> range:
        """The positions of this process's clips; empty if there are too few clips."""
        sizes = self.share_sizes(clips)
        start = sum(sizes[: self.rank])
        return range(start, start + sizes[self.rank])

    def share(self, batch: Sequence[int]) -> Sequence[int]:
        """The clips of a batch that this process runs: consecutive ones.

        Every process must take part in a step. A process without a clip runs the first one again,
        and `gather` leaves its result out.
        """
        part = self.part(len(batch))
        return batch[part.start : part.stop] if part else batch[:1]

    def gather(self, local: Tensor, sizes: list[int]) -> Tensor:
        """Joins the (b, …) of all processes to the (B, …) of the whole batch, on every process.

        sizes: b of each process; 0 for one whose result is left out.
        Differentiable: each process receives the gradient of its own share.
        """
        if self.world_size == 1:
            return local
        gathered: Tensor = _Gather.apply(local, sizes, self.rank)  # type: ignore[no-untyped-call]
        return gathered

    def gather_output(self, output: ModelOutput, sizes: list[int]) -> ModelOutput:
        """The model's output for the whole batch, from the outputs for the shares; as `gather`."""
        if self.world_size == 1:
            return output
        parts = output.tensors()
        columns = [wide(part).flatten(1) for part in parts.values()]
        widths = [column.shape[1] for column in columns]
        gathered = torch.split(self.gather(torch.cat(columns, dim=1), sizes), widths, dim=1)
        whole = {}
        for (name, part), column in zip(parts.items(), gathered, strict=True):
            values = column.reshape(-1, *part.shape[1:])
            whole[name] = values > 0.5 if part.dtype == torch.bool else values
        return output.with_tensors(whole)

    def all_gather(self, value: Value) -> list[Value]:
        """The values of all processes in the order of their ranks, on every process."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        dist.all_gather_object(values, value)
        return values

    def broadcast(self, value: Value) -> Value:
        """The value of the main process, on every process."""
        return self.all_gather(value)[0]


SINGLE_PROCESS = DistributedContext()


class _Gather(torch.autograd.Function):
    """Joins the shares of all processes; the backward pass returns this process's part."""

    @staticmethod
    def forward(ctx: Any, local: Tensor, sizes: list[int], rank: int) -> Tensor:
        ctx.start, ctx.size, ctx.shape = sum(sizes[:rank]), sizes[rank], local.shape
        padded = local.new_zeros(max(sizes), *local.shape[1:])
        padded[: sizes[rank]] = local[: sizes[rank]]
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        # A process without a clip of its own gets a gradient of zero.
        local = gradients[0].new_zeros(ctx.shape)
        local[: ctx.size] = gradients[0][ctx.start : ctx.start + ctx.size]
        return local, None, None


@contextmanager
def init_distributed() -> Iterator[DistributedContext]:
    """Joins the processes that torchrun started, if its environment variables are set."""
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    local_rank = int(os.environ.get("LOCAL_RANK", "0"))
    if "LOCAL_RANK" in os.environ and local_rank < torch.cuda.device_count():
        torch.cuda.set_device(local_rank)
    if world_size == 1:
        # Nothing is exchanged, so the training is that of a process without torchrun.
        yield SINGLE_PROCESS
        return
    # Chosen by the device of a tensor; users may choose the CPU on a machine with GPUs.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=TIMEOUT)
    try:
        yield DistributedContext(dist.get_rank(), world_size, local_rank)
    finally:
        # A model that still uses the group when it is deleted aborts the process.
        gc.collect()
        dist.destroy_process_group()
