"""Stage 1 on a Ray cluster. The only importer of Ray.

Only the program itself reads and writes the cache. The machines of the cluster decode and encode
(actors.py).
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
from semanticmac.cache.streams import Streams
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.cluster.actors import DecodeActor, EncodeActor, SizedClip
from semanticmac.preprocess.cluster.local_cluster import descendants, end_with_program
from semanticmac.preprocess.cluster.placement import (
    ClusterError,
    Device,
    Node,
    Placement,
    describe_resources,
    placements,
)
from semanticmac.preprocess.cluster.worker_pool import (
    PATIENCE_S,
    GivenUp,
    WorkerLost,
    WorkerPool,
    in_order,
)
from semanticmac.preprocess.decoding.isolation import DecodedClip, Job, same_minute
from semanticmac.preprocess.decoding.request import DEFAULT_DECODER, Decoder
from semanticmac.preprocess.encode_jobs import GROUP_CLIPS, EncodeJob, Encoding
from semanticmac.preprocess.encoders.imagebind.download import download_folder
from semanticmac.preprocess.encoders.requests import EncoderRequest, finder_specs
from semanticmac.preprocess.faces.finder import FinderSpec
from semanticmac.preprocess.pipeline import EncodedClip
from semanticmac.preprocess.process_pool import LOOK_AHEAD, groups

# No usage statistics are sent. Ray reads this when it is imported.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
try:
    import ray
    from ray.exceptions import RayError, RayTaskError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ImportError:
    raise ClusterError(
        "--ray needs the package ray, which is not installed: run `pip install 'semanticmac[ray]'`"
    ) from None

REACH_S = 10.0  # Time for an address to answer.


@contextmanager
def join(
    address: str,
    encoders: Sequence[EncoderRequest],
    device: Device,
    workers: int | None,
    sampling: Sampling,
    decoder: Decoder = DEFAULT_DECODER,
) -> Iterator[RayBackend]:
    """A cluster as the backend of `build`. Leaves it at the end; ends it if it was started here.

    address: `host:port`, `ray://host:port`, `auto` (the cluster that runs on this machine), `local`
    (start one on this machine), or "": the address in RAY_ADDRESS, else a cluster that runs here,
    else a local one. workers: number of decoding workers, by default one per CPU of the cluster.
    encoders: none only decodes. Raises ClusterError.
    """
    address = address or os.environ.get("RAY_ADDRESS", "")
    _require_answer(address)
    started_before = descendants()
    try:
        ray.init(
            address or None,
            log_to_driver=False,
            logging_level=logging.ERROR,
            include_dashboard=False,
        )
    except (RayError, ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise ClusterError(
            f"the cluster {address or 'on this machine'} cannot be joined: {error}. One that wants "
            "a token needs RAY_AUTH_MODE=token here, and its ~/.ray/auth_token"
        ) from None
    with end_with_program(descendants() - started_before):
        try:
            nodes = _nodes()
            encoder_device = device if encoders else None
            decode_places, encode_places = placements(nodes, workers, encoder_device)
            backend = RayBackend(nodes, decode_places, encode_places, encoders, sampling, decoder)
            with closing(backend):
                yield backend
        finally:
            ray.shutdown()


class RayBackend:
    """The machines of a cluster as a Backend (pipeline.py)."""

    def __init__(
        self,
        nodes: Sequence[Node],
        decode_places: list[Placement],
        encode_places: list[Placement],
        encoders: Sequence[EncoderRequest],
        sampling: Sampling,
        decoder: Decoder = DEFAULT_DECODER,
    ) -> None:
        self._nodes = nodes
        self._requests = tuple(encoders)
        self._sampling = sampling
        # By kind of worker: the first machine that began, and what its `begin` returned.
        self._first: dict[str, tuple[str, object]] = {}
        self._lock = threading.Lock()

        folder = os.getcwd()  # noqa: PTH109  Relative paths of the command line start here.
        start_decoders = []
        for placement in decode_places:
            start_decoders.append(
                partial(_Worker, DecodeActor, placement, self._agree, folder, sampling, decoder)
            )
        weights = download_folder().absolute()
        threads = torch.get_num_threads()
        start_encoders = []
        # A GPU encodes several clips at once.
        on_gpu = any(placement.gpus for placement in encode_places)
        self._together = GROUP_CLIPS if on_gpu else 1
        for placement in encode_places:
            device = "cuda" if placement.gpus else "cpu"
            options = (folder, sampling, encoders, device, weights, threads)
            start_encoders.append(partial(_Worker, EncodeActor, placement, self._agree, *options))
        self._decoders: WorkerPool[list[SizedClip], list[DecodedClip]] = WorkerPool(
            start_decoders, self._no_room_error
        )
        self._encoders: WorkerPool[EncodeJob, tuple[Encoding, ...]] = WorkerPool(
            start_encoders, self._no_room_error, self._together
        )

    def fingerprints(self) -> tuple[Fingerprint, ...]:
        """Those of the encoders on all machines; waits until the first machine has loaded them."""
        if not len(self._encoders):
            return ()
        self._encoders.start(1)
        self._encoders.wait()
        _, fingerprints = self._first[EncodeActor.__name__]
        assert isinstance(fingerprints, tuple)
        return fingerprints

    def finders(self) -> tuple[FinderSpec | None, ...]:
        """Faces are found on the machine of the program, and encoded in the cluster."""
        return finder_specs(self._requests)

    def decode(self, clips: Sequence[Clip]) -> Generator[DecodedClip, None, None]:
        """Decodes the clips, in order; neighbouring segments of one file go to one worker."""
        self._decoders.start(len(clips))
        ahead = LOOK_AHEAD * len(self._decoders)
        for group, result in in_order(self._submit_groups(clips), ahead):
            if isinstance(result, GivenUp):
                for sized in group:
                    yield DecodedClip(sized.clip, None, result.reason)
            else:
                yield from result

    def _submit_groups(
        self, clips: Sequence[Clip]
    ) -> Iterator[tuple[list[SizedClip], Future[list[DecodedClip] | GivenUp]]]:
        jobs = (Job(clip, self._sampling) for clip in clips)
        for group in groups(jobs, same_minute):
            sized = [SizedClip(job.clip, _size(job.clip)) for job in group]
            yield sized, self._decoders.submit(sized)

    def encode(self, jobs: Iterable[EncodeJob]) -> Iterator[EncodedClip]:
        """Encodes the clips, in order. Ray's object store holds only a few records at a time."""
        ahead = LOOK_AHEAD * len(self._encoders) * self._together
        for job, result in in_order(self._submit_records(jobs), ahead):
            if isinstance(result, GivenUp):
                failed = [Encoding(encoder, None, result.reason) for encoder in job.encoders]
                yield EncodedClip(job.clip, tuple(failed))
            else:
                yield EncodedClip(job.clip, result)

    def _submit_records(
        self, jobs: Iterable[EncodeJob]
    ) -> Iterator[tuple[EncodeJob, Future[tuple[Encoding, ...] | GivenUp]]]:
        future: Future[tuple[Encoding, ...] | GivenUp]
        for job in jobs:
            if job.record is None:
                future = Future()
                future.set_result(())
            else:
                self._encoders.start(len(self._encoders))
                future = self._encoders.submit(job)
            yield job, future

    def close(self) -> None:
        """Ends all workers."""
        self._decoders.close()
        self._encoders.close()

    def _agree(self, kind: str, machine: str, version: object) -> None:
        """Raises ClusterError if a machine would give other results than the first machine."""
        with self._lock:
            first_machine, expected = self._first.setdefault(kind, (machine, version))
        if version == expected:
            return
        if isinstance(version, tuple) and isinstance(expected, tuple):
            difference = "; ".join(Streams.group(version).differences(Streams.group(expected)))
        else:
            difference = f"{version}, not {expected}"
        raise ClusterError(
            f"{machine} is not like {first_machine}: {difference}. "
            "Install and copy the same on every machine"
        )

    def _no_room_error(self, reason: str) -> ClusterError:
        free = ray.available_resources()  # type: ignore[no-untyped-call]
        message = (
            f"no machine accepted a worker for {PATIENCE_S:.0f} s. The cluster has "
            f"{describe_resources(self._nodes)}; free are {free.get('CPU', 0):g} CPUs and "
            f"{free.get('GPU', 0):g} GPUs. Wait until other work there is done, or ask for fewer "
            "--workers"
        )
        if reason:
            message += f". The last one was lost: {reason}"
        return ClusterError(message)


class _Worker:
    """A Ray actor as a worker of a pool."""

    def __init__(
        self,
        kind: type,
        placement: Placement,
        agree: Callable[[str, str, object], None],
        *arguments: object,
    ) -> None:
        self.placement = placement
        self.kind = kind.__name__
        self._agree = agree
        remote: Any = ray.remote(kind)
        self.actor = remote.options(
            num_cpus=placement.cpus,
            num_gpus=placement.gpus,
            # Soft: the successor of a worker whose machine is lost may run on another machine.
            scheduling_strategy=NodeAffinitySchedulingStrategy(placement.node_id, soft=True),
            max_restarts=0,
        ).remote(*arguments)
        self._hostname = self.actor.hostname.remote()
        self._machine = ""

    def placed(self, timeout_s: float) -> bool:
        done, _ = ray.wait([self._hostname], timeout=timeout_s)
        if done:
            self._machine = _get(self._hostname)
        return bool(done)

    def begin(self) -> None:
        self._agree(self.kind, self._machine, _get(self.actor.begin.remote()))

    def do(self, job: object) -> Any:
        return _get(self.actor.do.remote(job))

    def do_together(self, jobs: Sequence[object]) -> Any:
        return _get(self.actor.do_together.remote(list(jobs)))

    def terminate(self) -> None:
        ray.kill(self.actor)


def _get(reference: Any) -> Any:
    """The result of a call to an actor. Raises WorkerLost if the actor or its machine is lost."""
    try:
        return ray.get(reference)
    except RayTaskError as error:  # An exception that the actor raised.
        if isinstance(error.cause, Exception):
            raise error.cause from None
        raise ClusterError(str(error)) from None
    except RayError as error:
        lines = str(error).splitlines()
        reason = lines[0]
        for line in lines:
            if line.startswith("The actor is dead because"):
                reason = line
                break
        raise WorkerLost(f"{type(error).__name__}: {reason}") from None


def _nodes() -> list[Node]:
    nodes = []
    for node in ray.nodes():  # type: ignore[no-untyped-call]
        if node["Alive"]:
            offered = node["Resources"]
            cpus = offered.get("CPU", 0.0)
            gpus = int(offered.get("GPU", 0))
            nodes.append(Node(node["NodeID"], node["NodeManagerHostname"], cpus, gpus))
    return nodes


def _require_answer(address: str) -> None:
    """Raises ClusterError if nothing listens at the address.

    Ray itself tries for minutes, and may then end the process.
    """
    if address in ("", "auto", "local"):
        return
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 0), REACH_S):
            return
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    raise ClusterError(
        f"no cluster answers at {address}: {reason}. Expected `host:port` (6379 unless it was "
        "started otherwise), `ray://host:port` (10001), `auto` or `local`"
    )


def _size(clip: Clip) -> int | None:
    try:
        return clip.video.stat().st_size
    except OSError:
        return None
