"""The crew on a Ray cluster: the same worker in actors. The only file that knows Ray."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import Any

import msgspec

from kgdistill.engine.job import Job, Message, Outcome, Setup
from kgdistill.engine.local import environment
from kgdistill.engine.worker import Worker
from kgdistill.errors import MissingExtra, UserError

PLACE_SECONDS = 120
_BEGINNINGS = 10
"""How often a seat may lose its worker before that worker has begun, and get another for the same job."""


class RemoteWorker:
    """A worker behind JSON, so that nothing but text crosses the cluster."""

    def __init__(self, setup: bytes) -> None:
        self._worker = Worker(msgspec.json.decode(setup, type=Setup))

    def run(self, job: bytes) -> bytes:
        return msgspec.json.encode(self._worker.run(msgspec.json.decode(job, type=Job)))

    def ready(self) -> None:
        """Answers as soon as the cluster has found a place for this worker."""


class RayCrew:
    """Actors on the cluster at RAY_ADDRESS, or on one of this machine that is started and stopped here.

    Every node must see the run folder under the same path. `gpus` is what each actor asks for.
    """

    def __init__(self, size: int, setup: Setup, gpus: float = 0) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry
        try:
            import ray
        except ImportError as error:
            raise MissingExtra("--on ray needs Ray: pip install 'kgdistill[ray]'") from error
        self._ray = ray
        self.seats = list(range(size))
        self._gpus = gpus
        self._started_here = not ray.is_initialized()
        if self._started_here:
            self._connect(size)
        self._setup = msgspec.json.encode(setup)
        names = ("PYTHONPATH", "OMP_NUM_THREADS", "TOKENIZERS_PARALLELISM", "HF_HUB_OFFLINE")
        variables = {name: value for name, value in environment(size).items() if name in names}
        self._actor = ray.remote(RemoteWorker).options(
            num_cpus=1,
            num_gpus=gpus,
            max_restarts=0,
            scheduling_strategy="SPREAD",
            runtime_env={"env_vars": variables},
        )
        self._actors: dict[int, Any] = {}
        self._placed: dict[int, Any] = {}
        self._calls: dict[Any, int] = {}
        self._jobs: dict[int, Job] = {}
        self._early: Counter[int] = Counter()

    def _connect(self, size: int) -> None:
        address = os.environ.get("RAY_ADDRESS")
        quiet = {"log_to_driver": False, "logging_level": "ERROR"}
        try:
            if address:
                self._ray.init(address=address, **quiet)
            else:  # an actor is a seat, not a core: as many as were asked for fit on any machine
                places = max(size, os.cpu_count() or 1)
                self._ray.init(address="local", num_cpus=places, include_dashboard=False, **quiet)
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            where = f"the cluster at {address}" if address else "a local cluster"
            line = str(error).strip().splitlines()[0]
            raise UserError(f"Ray cannot reach {where}: {line}; `ray status` says more") from error

    def give(self, seat: int, job: Job) -> None:
        if seat not in self._actors:
            self._actors[seat] = self._actor.remote(self._setup)
            self._placed[seat] = self._actors[seat].ready.remote()
        self._jobs[seat] = job
        self._calls[self._actors[seat].run.remote(msgspec.json.encode(job))] = seat

    def wait(self) -> tuple[int, Message | None]:
        while True:
            seat, message = self._next()
            if message is None and seat in self.seats and self._early[seat] and self._early[seat] < _BEGINNINGS:
                time.sleep(1)  # a cluster takes a while to see that a node is gone, and places workers on it until then
                self.give(seat, self._jobs[seat])
            else:
                return seat, message

    def _next(self) -> tuple[int, Message | None]:
        since = time.monotonic()
        while True:
            ready, _ = self._ray.wait(list(self._calls), num_returns=1, timeout=1.0)
            if ready:
                break
            homeless = self._homeless(since)
            if homeless is not None:
                return homeless, None
        seat = self._calls.pop(ready[0])
        try:
            outcome = msgspec.json.decode(self._ray.get(ready[0]), type=Outcome)
        except (self._ray.exceptions.RayActorError, self._ray.exceptions.ObjectLostError) as error:
            # Its node or process died, or cannot be reached: the next job gets a new one, wherever there is room.
            self._ray.kill(self._actors.pop(seat))
            broken = getattr(error, "actor_init_failed", False)
            self._early[seat] = 0 if broken or self._began(seat) else self._early[seat] + 1
            return seat, None
        self._early[seat] = 0
        return seat, outcome

    def _began(self, seat: int) -> bool:
        """Whether the seat's worker has ever been there: only then a job can be why it died."""
        try:
            self._ray.get(self._placed[seat], timeout=0)
        except self._ray.exceptions.RayError:
            return False
        return True

    def _homeless(self, since: float) -> int | None:
        """A seat given up because the cluster (smaller than it was?) has no place for it while another is idle."""
        asked = list(self._placed.values())
        placed, _ = self._ray.wait(asked, num_returns=len(asked), timeout=0)
        if not placed and time.monotonic() - since > PLACE_SECONDS:
            raise UserError(
                f"the Ray cluster has had no place for a worker (1 CPU, {self._gpus:g} GPUs) for {PLACE_SECONDS} s; "
                "`ray status` shows what it has"
            )
        idle = [seat for seat in self._actors if seat not in self._calls.values() and self._placed[seat] in placed]
        for call, seat in list(self._calls.items()):
            if idle and self._placed[seat] not in placed:
                self._ray.kill(self._actors.pop(seat))
                del self._calls[call]
                self.seats.remove(seat)
                return seat
        return None

    def close(self, *, now: bool) -> None:
        for actor in self._actors.values():
            self._ray.kill(actor)
        self._actors.clear()
        self._calls.clear()
        if self._started_here:
            self._ray.shutdown()
