"""Work on a real Dask cluster of this machine, whose workers and scheduler are killed."""

import os
import signal
import subprocess
import sys
import time

import pytest
import tasks

from bayescale.errors import LostError, QuestionError
from bayescale.parallel import map_tasks, use_workers

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as made:
        yield made


def test_a_client_gives_the_results_of_one_process_in_order(cluster):
    begun = []
    with distributed.Client(cluster) as client, use_workers(scheduler=client):
        outcomes = map_tasks(tasks.where, range(40), starting=begun.append)
    assert [outcome.get()[0] for outcome in outcomes] == list(range(40))
    assert os.getpid() not in {outcome.get()[1] for outcome in outcomes}
    assert sorted(begun) == list(range(40))


def test_equal_tasks_are_each_done_and_one_failure_leaves_the_others_alone(cluster):
    with use_workers(scheduler=cluster.scheduler_address):
        outcomes = map_tasks(tasks.fail_at_three, [1, 1, 3, 4])
        ways = map_tasks(tasks.environment, range(4))
    assert [outcome.value for outcome in outcomes] == [1, 1, None, 4]
    with pytest.raises(ValueError, match="three is wrong"):
        outcomes[2].get()
    assert {outcome.get()[:2] for outcome in ways} == {(1, 1)}


@pytest.mark.slow
def test_the_work_of_a_lost_worker_is_done_again(cluster, tmp_path):
    with use_workers(scheduler=cluster.scheduler_address):
        outcomes = map_tasks(tasks.die_first, [(k, tmp_path, k == 3) for k in range(8)])
    assert [outcome.get()[0] for outcome in outcomes] == list(range(8))
    assert len((tmp_path / "3").read_text()) == 2


@pytest.mark.slow
def test_work_that_always_kills_its_worker_is_given_up_and_the_rest_is_done(cluster, tmp_path):
    with use_workers(scheduler=cluster.scheduler_address):
        outcomes = map_tasks(tasks.die_first, [(k, tmp_path, 99 * (k == 3)) for k in range(8)])
    with pytest.raises(LostError, match="--memory-limit"):
        outcomes[3].get()
    assert [outcome.value[0] for outcome in outcomes if outcome.error is None] == [0, 1, 2, 4, 5, 6, 7]


def test_an_address_without_a_scheduler_is_told(monkeypatch):
    monkeypatch.setattr(sys.modules["bayescale.parallel.cluster"], "CONNECT_SECONDS", 0.5)
    told = pytest.raises(LostError, match=r"no Dask scheduler answers at 'tcp://127.0.0.1:9'.*dask scheduler")
    with told, use_workers(scheduler="tcp://127.0.0.1:9"):
        pass


@pytest.mark.parametrize(("given", "said"), [("nowhere", "no Dask scheduler answers"), (3, "accepted: an address")])
def test_what_is_no_scheduler_is_refused(given, said, monkeypatch):
    monkeypatch.setattr(sys.modules["bayescale.parallel.cluster"], "CONNECT_SECONDS", 0.5)
    with pytest.raises((LostError, QuestionError), match=said), use_workers(scheduler=given):
        pass


def test_processes_and_a_cluster_are_not_asked_for_together():
    with pytest.raises(QuestionError, match="not both"), use_workers(2, scheduler="tcp://127.0.0.1:9"):
        pass


def test_without_dask_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(QuestionError, match=r"pip install 'bayescale\[dask\]'"), use_workers(scheduler="tcp://h:1"):
        pass


def test_workers_with_another_version_are_refused(cluster, monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", lambda name: "99.0")
    told = pytest.raises(QuestionError, match=r"2 of 2 Dask workers lack bayescale 99.0.*Install the same version")
    with told, use_workers(scheduler=cluster.scheduler_address):
        pass


@pytest.mark.slow
def test_a_lost_scheduler_is_told_and_nothing_hangs(tmp_path):
    address = "tcp://127.0.0.1:18786"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    start = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "18786", "--no-dashboard"]
    scheduler = subprocess.Popen(start, stderr=subprocess.DEVNULL, env=environment)
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--death-timeout", "20"]
    workers = subprocess.Popen(worker, stderr=subprocess.DEVNULL, env=environment, cwd=tmp_path)
    begun = []

    def kill_scheduler(number):
        begun.append(time.monotonic())
        if len(begun) == 2:
            scheduler.kill()

    try:
        with pytest.raises(LostError, match="the Dask scheduler was lost"), use_workers(scheduler=address):
            map_tasks(tasks.rest, range(5), starting=kill_scheduler)
        assert time.monotonic() - begun[-1] < 60
    finally:
        for process in (scheduler, workers):
            process.send_signal(signal.SIGTERM)
            process.wait(30)
