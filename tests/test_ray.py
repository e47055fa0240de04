"""The Ray crew: equal output, on one node and on two with one of them killed in the middle."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
import toys

from kgdistill.engine.job import Job
from kgdistill.engine.ray import RayCrew
from kgdistill.engine.recipe import decode
from kgdistill.engine.runner import run
from kgdistill.records import Reading
from kgdistill.storage.artifact import latest

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def recipe(latency: float = 0.0, **changes: object) -> object:
    plain = toys.plain(60, latency)
    plain["ask"] = changes
    return decode(plain, toys.CATALOGUE)


def test_a_local_cluster_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    run(recipe(), tmp_path / "local", workers=1)
    run(recipe(), tmp_path / "ray", on="ray", workers=2)
    assert not ray.is_initialized()
    assert toys.tree(tmp_path / "ray") == toys.tree(tmp_path / "local")


def test_a_node_dies_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.cluster_utils import Cluster

    run(recipe(), tmp_path / "local", workers=1)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    out = tmp_path / "ray"
    killed: list[float] = []
    try:
        second = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)

        def strike() -> None:
            while len(list(out.glob("ask-*/reports/*.json"))) < 3:
                time.sleep(0.02)
            cluster.remove_node(second, allow_graceful=False)
            killed.append(time.monotonic())

        thread = threading.Thread(target=strike, daemon=True)
        thread.start()
        state = run(recipe(latency=0.5), out, on="ray", workers=2)
        thread.join(5)
    finally:
        cluster.shutdown()
        os.environ.pop("RAY_ADDRESS", None)
    assert killed and state.state == "finished"
    assert toys.tree(out) == toys.tree(tmp_path / "local")


def test_a_worker_that_never_began_is_no_fault_of_its_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when workers are placed on a node of which the cluster does not yet know that it is gone."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    run(recipe(), tmp_path / "local", workers=1)
    give, struck = RayCrew.give, []

    def strike(crew: RayCrew, seat: int, job: Job) -> None:
        new = seat not in crew._actors
        give(crew, seat, job)
        if new and len(struck) < 5:
            struck.append(seat)
            ray.kill(crew._actors[seat])

    monkeypatch.setattr(RayCrew, "give", strike)
    run(recipe(), tmp_path / "ray", on="ray", workers=1)
    assert len(struck) == 5
    assert toys.tree(tmp_path / "ray") == toys.tree(tmp_path / "local")


def test_each_worker_holds_the_gpus_of_its_teacher(tmp_path: Path) -> None:
    """Ray hands out GPUs by number, so that it can be tested where there are none."""
    ray.init(address="local", num_cpus=4, num_gpus=2, include_dashboard=False, log_to_driver=False)
    try:
        script = {"script": "toys:visible_gpus", "on": 1}
        state = run(decode(toys.plain(30, 0.02, **script), toys.CATALOGUE), tmp_path / "run", on="ray", workers=2)
    finally:
        ray.shutdown()
    assert state.state == "finished"
    readings = latest(tmp_path / "run", "readings").records(Reading)
    assert {claim.object for reading in readings for claim in reading.claims} == {"0", "1"}
