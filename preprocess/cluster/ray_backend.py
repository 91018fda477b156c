"""Stage 1 on a Ray cluster: joining it, handing its machines work, and what of theirs is refused. The door to Ray.

The program itself reads and writes the cache, alone; the machines of the cluster only decode and
encode (actors.py).
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import torch

from semanticmac.cache.keys import Fingerprint, Sampling
from semanticmac.cache.records import Embeddings
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.cluster.actors import DecodeActor, EncodeActor, Sized
from semanticmac.preprocess.cluster.placement import (
    ClusterError,
    Device,
    Node,
    Placement,
    placements,
    resources,
)
from semanticmac.preprocess.cluster.worker_pool import (
    PATIENCE_S,
    GivenUp,
    WorkerLost,
    WorkerPool,
    in_order,
)
from semanticmac.preprocess.decoding.isolation import Job, Outcome, same_minute
from semanticmac.preprocess.decoding.request import DEFAULT_DECODER, Decoder
from semanticmac.preprocess.encoders.imagebind.download import home
from semanticmac.preprocess.pipeline import DecodedClip, EncodedClip
from semanticmac.preprocess.process_pool import LOOK_AHEAD, groups

# read when Ray is imported: nobody is told that it runs
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
try:
    import ray
    from ray.exceptions import RayError, RayTaskError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ImportError:
    raise ClusterError(
        "--ray needs the package ray, which is not installed: run `pip install 'semanticmac[ray]'`"
    ) from None

REACH_S = 10.0  # for an address to answer


@contextmanager
def join(
    address: str,
    encoder: str | None,
    device: Device,
    workers: int | None,
    sampling: Sampling,
    decoder: Decoder = DEFAULT_DECODER,
) -> Iterator[RayBackend]:
    """A cluster to build with (build.build), left again at the end; one that was started here ends then.

    address: `host:port`, `ray://host:port`, `auto` (the cluster that runs on this machine), `local`
    (start one on this machine), or "": what RAY_ADDRESS says, a cluster that runs here, or else a
    local one. workers: decoding workers, by default one a CPU of the cluster. encoder: None decodes
    only. Raises ClusterError.
    """
    address = address or os.environ.get("RAY_ADDRESS", "")
    _require_answer(address)
    try:
        ray.init(
            address or None,
            log_to_driver=False,
            logging_level=logging.ERROR,
            include_dashboard=False,
        )
    except (RayError, ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise ClusterError(
            f"the cluster {address or 'on this machine'} cannot be joined: {error}. One that wants a token needs "
            "RAY_AUTH_MODE=token here, and its ~/.ray/auth_token"
        ) from None
    try:
        nodes = _nodes()
        decoders, encoders = placements(nodes, workers, None if encoder is None else device)
        with closing(RayBackend(nodes, decoders, encoders, encoder, sampling, decoder)) as cluster:
            yield cluster
    finally:
        ray.shutdown()


class RayBackend:
    """The machines as what decodes and encodes (stages.Engine)."""

    def __init__(
        self,
        nodes: Sequence[Node],
        decoders: list[Placement],
        encoders: list[Placement],
        encoder: str | None,
        sampling: Sampling,
        decoder: Decoder = DEFAULT_DECODER,
    ) -> None:
        self._nodes, self._sampling = nodes, sampling
        self._said: dict[
            str, tuple[str, object]
        ] = {}  # by kind of worker: the first machine, and what it said
        self._lock = threading.Lock()
        folder = os.getcwd()  # noqa: PTH109  the words of the command line are read from here
        threads = torch.get_num_threads()
        self._decoders: WorkerPool[list[Sized], list[Outcome]] = WorkerPool(
            [
                partial(_Worker, DecodeActor, seat, self._agree, folder, sampling, decoder)
                for seat in decoders
            ],
            self._no_room,
        )
        self._encoders: WorkerPool[bytes, Embeddings | str] = WorkerPool(
            [
                partial(
                    _Worker, EncodeActor, seat, self._agree,
                    folder, sampling, encoder, "cuda" if seat.gpus else "cpu", home().absolute(), threads,
                )
                for seat in encoders
            ],
            self._no_room,
        )  # fmt: skip

    def fingerprint(self) -> Fingerprint | None:
        """What the encoders on all machines are; waits for the first to be loaded."""
        if not len(self._encoders):
            return None
        self._encoders.start(1)
        self._encoders.wait()
        fingerprint = self._said["EncodeActor"][1]
        assert isinstance(fingerprint, Fingerprint)
        return fingerprint

    def decode(self, clips: Sequence[Clip]) -> Generator[Outcome, None, None]:
        """What becomes of each clip, in order; neighbouring segments of one file go to one worker."""

        def submitted() -> Iterator[tuple[list[Sized], Future[list[Outcome] | GivenUp]]]:
            for group in groups((Job(clip, self._sampling) for clip in clips), same_minute):
                sized = [Sized(job.clip, _size(job.clip)) for job in group]
                yield sized, self._decoders.submit(sized)

        self._decoders.start(len(clips))
        for sized, made in in_order(submitted(), LOOK_AHEAD * len(self._decoders)):
            if isinstance(made, GivenUp):
                yield from (Outcome(each.clip, None, made.reason) for each in sized)
            else:
                yield from made

    def encode(self, ready: Iterable[DecodedClip]) -> Iterator[EncodedClip]:
        """What becomes of each clip, in order; records travel through Ray's object store, few at a time."""

        def submitted() -> Iterator[tuple[str, Future[Any]]]:
            for clip in ready:
                if clip.record is None:
                    future: Future[Any] = Future()
                    future.set_result(None)
                else:
                    self._encoders.start(len(self._encoders))
                    future = self._encoders.submit(clip.record)
                yield clip.key, future

        for key, made in in_order(submitted(), LOOK_AHEAD * len(self._encoders)):
            if isinstance(made, GivenUp | str):
                yield EncodedClip(key, None, made if isinstance(made, str) else made.reason)
            else:
                yield EncodedClip(key, made)

    def close(self) -> None:
        """Ends all workers."""
        self._decoders.close()
        self._encoders.close()

    def _agree(self, kind: str, machine: str, said: object) -> None:
        """Raises ClusterError where a machine would make something else than the first one makes."""
        with self._lock:
            first, expected = self._said.setdefault(kind, (machine, said))
        if said != expected:
            how = f"{said}, not {expected}"
            if isinstance(said, Fingerprint) and isinstance(expected, Fingerprint):
                how = "; ".join(said.differences(expected))
            raise ClusterError(
                f"{machine} is not like {first}: {how}. Install and copy the same on every machine"
            )

    def _no_room(self, reason: str) -> ClusterError:
        free = ray.available_resources()  # type: ignore[no-untyped-call]
        return ClusterError(
            f"no machine took in a worker for {PATIENCE_S:.0f} s. The cluster has {resources(self._nodes)}; free are "
            f"{free.get('CPU', 0):g} CPUs and {free.get('GPU', 0):g} GPUs. Wait until other work there is done, or ask "
            f"for fewer --workers{'. The last one was lost: ' * bool(reason)}{reason}"
        )


class _Worker:
    """An actor of Ray as a worker of a crew."""

    def __init__(
        self, kind: type, seat: Placement, agree: Callable[[str, str, object], None], *words: object
    ) -> None:
        # soft: a worker that takes the place of one whose machine is gone may sit elsewhere.
        where = NodeAffinitySchedulingStrategy(seat.node_id, soft=True)
        options = {
            "num_cpus": seat.cpus,
            "num_gpus": seat.gpus,
            "scheduling_strategy": where,
            "max_restarts": 0,
        }
        self.seat, self._kind, self._agree = seat, kind.__name__, agree
        actor: Any = ray.remote(kind)
        self._actor = actor.options(**options).remote(*words)
        self._place = self._actor.place.remote()
        self._machine = ""

    def placed(self, timeout_s: float) -> bool:
        done, _ = ray.wait([self._place], timeout=timeout_s)
        if done:
            self._machine = _get(self._place)
        return bool(done)

    def begin(self) -> None:
        self._agree(self._kind, self._machine, _get(self._actor.begin.remote()))

    def do(self, job: object) -> Any:
        return _get(self._actor.do.remote(job))

    def terminate(self) -> None:
        ray.kill(self._actor)


def _get(reference: Any) -> Any:
    """The value of a call to an actor. Raises Lost where the actor or its machine is gone."""
    try:
        return ray.get(reference)
    except RayTaskError as error:  # raised over there
        raise (
            error.cause if isinstance(error.cause, Exception) else ClusterError(str(error))
        ) from None
    except RayError as error:
        why = [
            line for line in str(error).splitlines() if line.startswith("The actor is dead because")
        ]
        raise WorkerLost(f"{type(error).__name__}: {(why or str(error).splitlines())[0]}") from None


def _nodes() -> list[Node]:
    alive = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    found = [(node["NodeID"], node["NodeManagerHostname"], node["Resources"]) for node in alive]
    return [
        Node(node_id, name, has.get("CPU", 0.0), int(has.get("GPU", 0)))
        for node_id, name, has in found
    ]


def _require_answer(address: str) -> None:
    """Raises ClusterError where nothing listens: Ray itself tries for minutes, and may end the process then."""
    if address in ("", "auto", "local"):
        return
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 0), REACH_S):
            return
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    raise ClusterError(
        f"no cluster answers at {address}: {reason}. Expected `host:port` (6379 unless it was started otherwise), "
        "`ray://host:port` (10001), `auto` or `local`"
    )


def _size(clip: Clip) -> int | None:
    try:
        return clip.video.stat().st_size
    except OSError:
        return None
