"""Work in several processes: the same results in order, whoever fails or is killed."""

import os
import signal
import subprocess
import sys
import time

import pytest
import tasks

from bayescale.errors import LostError, QuestionError
from bayescale.parallel import kept_workers, map_tasks, use_workers
from bayescale.parallel.map_tasks import PARCEL_SECONDS, _count_workers, _cut_parcels

LONG = 100.0  # seconds: enough to start processes for


def values(outcomes):
    return [outcome.get() for outcome in outcomes]


# Where it is done


def test_small_work_is_done_in_this_process():
    done = values(map_tasks(tasks.where, range(5)))
    assert done == [(k, os.getpid()) for k in range(5)]


def test_processes_are_started_where_their_start_is_paid_for():
    assert _count_workers(0.01, 100, 8, 0) == 1
    assert _count_workers(3.0, 100, 8, 0) == 8
    assert _count_workers(10.0, 3, 8, 0) == 3
    assert _count_workers(5.0, 3, 8, 0) == 2
    # Processes that are there already are used for less.
    assert _count_workers(0.5, 4, 8, 4) == 4
    assert _count_workers(0.01, 4, 8, 4) == 1
    assert _count_workers(LONG, 100, 1, 0) == 1


def test_short_tasks_are_sent_together_and_long_ones_alone():
    parcels = _cut_parcels(range(3, 1003), 0.01, 2)
    assert [number for parcel in parcels for number in parcel] == list(range(3, 1003))
    assert {len(parcel) for parcel in parcels[:-1]} == {int(PARCEL_SECONDS / 0.01)}
    assert {len(parcel) for parcel in _cut_parcels(range(10), 2.0, 2)} == {1}
    assert {len(parcel) for parcel in _cut_parcels(range(16), 0.01, 2)} == {2}


def test_several_processes_give_the_results_of_one_in_order():
    begun, counts = [], []
    with use_workers(2):
        done = values(map_tasks(tasks.where, range(8), seconds=LONG, starting=begun.append, finished=counts.append))
    assert [number for number, _ in done] == list(range(8))
    assert os.getpid() not in {process for _, process in done}
    assert sorted(begun) == list(range(8))
    assert counts == list(range(1, 9))


def test_work_that_turns_out_long_is_handed_to_processes(monkeypatch):
    # Tasks of 20 ms pay for processes that start in 2 ms, as the first one shows.
    monkeypatch.setattr(sys.modules["bayescale.parallel.map_tasks"], "START_SECONDS", 0.002)
    with use_workers(2):
        done = values(map_tasks(tasks.where, range(8)))
    assert [process == os.getpid() for _, process in done] == [True, *[False] * 7]


def test_a_process_starts_no_processes_and_uses_one_core():
    before = os.environ.get("OMP_NUM_THREADS")
    with use_workers(2):
        found = values(map_tasks(tasks.environment, range(2), seconds=LONG))
    assert {limit for limit, _, _ in found} == {1}
    assert {cores for _, cores, _ in found} == {1}
    assert {threads for _, _, threads in found} == {"1"}
    assert os.environ.get("OMP_NUM_THREADS") == before


def test_processes_are_kept_for_several_rounds_where_asked():
    with use_workers(2), kept_workers():
        first, second = (
            {process for _, process in values(map_tasks(tasks.where, range(8), seconds=LONG))} for _ in range(2)
        )
    assert first & second


def test_a_function_of_a_script_goes_along_whole():
    shift = 3
    with use_workers(2):
        assert values(map_tasks(lambda task: task + shift, range(3), seconds=LONG)) == [3, 4, 5]


@pytest.mark.parametrize("count", [0, -1])
def test_a_number_of_workers_below_one_is_refused(count):
    with pytest.raises(QuestionError, match="1 or more"), use_workers(count):
        pass


def test_a_wrong_number_in_the_environment_is_refused(monkeypatch):
    monkeypatch.setenv("BAYESCALE_WORKERS", "many")
    with pytest.raises(QuestionError, match="BAYESCALE_WORKERS='many'"):
        map_tasks(abs, [1])


# Bad news


@pytest.mark.parametrize("seconds", [None, LONG])
def test_one_failure_leaves_the_others_alone(seconds):
    with use_workers(2):
        outcomes = map_tasks(tasks.fail_at_three, range(6), seconds=seconds)
    assert [outcome.value for outcome in outcomes] == [0, 1, 2, None, 4, 5]
    with pytest.raises(ValueError, match="three is wrong"):
        outcomes[3].get()


def test_the_work_of_a_process_that_was_killed_is_done_again(tmp_path):
    with use_workers(2):
        outcomes = map_tasks(tasks.die_first, [(k, tmp_path, k == 2) for k in range(6)], seconds=LONG)
    assert [number for number, _ in values(outcomes)] == list(range(6))
    assert len((tmp_path / "2").read_text()) == 2


def test_work_that_always_kills_its_process_is_given_up_and_the_rest_is_done(tmp_path):
    with use_workers(2):
        outcomes = map_tasks(tasks.die_first, [(k, tmp_path, 9 * (k in (1, 4))) for k in range(7)], seconds=LONG)
    for k in (1, 4):
        with pytest.raises(LostError, match=r"ended 3 times .*--workers 1"):
            outcomes[k].get()
        assert len((tmp_path / str(k)).read_text()) == 3
    assert [o.value[0] for o in outcomes if o.error is None] == [0, 2, 3, 5, 6]


def test_processes_that_end_at_once_are_not_started_for_ever(tmp_path):
    with use_workers(2), pytest.raises(LostError, match="4 times in a row"):
        map_tasks(tasks.die_first, [(k, tmp_path, 99) for k in range(50)], seconds=LONG)


@pytest.mark.parametrize("seconds", [None, LONG])
def test_a_lack_of_memory_is_told_with_its_remedy(seconds):
    with use_workers(2):
        outcomes = map_tasks(tasks.exhaust, range(2), seconds=seconds)
    with pytest.raises(LostError, match=r"ran out of memory.*--workers 1"):
        outcomes[0].get()


SCRIPT = """
import time
from bayescale.parallel import map_tasks, use_workers

def rest(task):
    time.sleep(60)

print("begun", flush=True)
with use_workers(2):
    map_tasks(rest, range(4), seconds=100, starting=lambda k: print("sent", flush=True))
"""


def children_of(process):
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True)
    return [int(word) for word in found.stdout.split()]


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().split()[2] != "Z"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, -signal.SIGINT), (signal.SIGKILL, -signal.SIGKILL)])
@pytest.mark.parametrize("wait", [0.0, 1.5])
def test_no_process_outlives_the_first(tmp_path, sent, code, wait):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    path = os.pathsep.join(sys.path)
    process = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        start_new_session=True,
    )
    assert process.stdout.readline() == "begun\n"
    assert process.stdout.readline() == "sent\n"
    time.sleep(wait)
    children = children_of(process)
    # Ctrl-C goes to every process of the terminal.
    (os.killpg if sent == signal.SIGINT else os.kill)(process.pid, sent)
    _, err = process.communicate(timeout=20)
    assert process.returncode == code
    if sent == signal.SIGINT:
        assert err.count("KeyboardInterrupt") == 1
    deadline = time.monotonic() + 10
    while any(map(is_alive, children)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(is_alive, children))
