"""What thousands of studies take: measured figures of one, and the plan that follows from them.

    python -m benchmarks.many_studies           # measure, print the plan and write docs/many-studies.md
    python -m benchmarks.many_studies --print   # print alone

A study is `bs.forecast` of one log: all shipped forms fitted, rehearsed, weighed, checked and graded. It takes minutes,
and `pip install 'bayescale[dask]'` for the last figure.
"""

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import bayescale as bs
from bayescale.parallel import Outcome, map_tasks, use_workers
from benchmarks.growth import cpu, simulate_runs

PAGE = Path(__file__).resolve().parents[1] / "docs" / "many-studies.md"
RUNS, MEASURED = 60, 4
STUDIES, WORKERS, SPREAD = 10_000, 100, (1, 10, 100, 1000)
# A scheduler sends so many pieces of nothing, to see what each costs it.
EMPTY, CLUSTER_WORKERS = 2_000, 2


class Figures(NamedTuple):
    """What was measured: seconds of CPU, GB and KB."""

    start: float
    study: float
    least: float
    most: float
    memory: float
    answer: float
    task: float


def study(seed: int) -> dict[str, float]:
    """Do one study of a simulated log and return the few numbers that are kept of it."""
    start = cpu()
    runs = bs.read_runs(simulate_runs(RUNS, seed), suspicious="keep")
    far = bs.forecast(runs, "100x", seed=1)
    found = bs.answers.bands(far["loss"], [0.9])
    return {
        "median": float(found["median"].squeeze()),
        "lower": float(found["lower"].squeeze()),
        "upper": float(found["upper"].squeeze()),
        "cpu": cpu() - start,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
    }


def nothing(task: int) -> int:
    """Return the task."""
    return task


def measure_start() -> float:
    """Return the CPU seconds that a new process takes to import what a study needs."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    script = "import bayescale.studies.stack, bayescale.inference.program, arviz_stats, scipy.special"
    subprocess.run([sys.executable, "-c", script], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure_studies() -> list[Outcome[dict[str, float]]]:
    """Return what single studies took in a process of their own that has its models on disk."""
    with use_workers(1):
        study(0)  # compiles what is not on disk
        return map_tasks(study, range(1, MEASURED + 1))


def measure_task() -> float:
    """Return the seconds that a Dask scheduler takes for a piece of work with nothing in it."""
    from distributed import LocalCluster

    options = {"n_workers": CLUSTER_WORKERS, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster, use_workers(scheduler=cluster.scheduler_address):
        map_tasks(nothing, range(CLUSTER_WORKERS))
        start = time.perf_counter()
        map_tasks(nothing, range(EMPTY))
        # Pieces are sent together; each parcel is one task of the scheduler.
        return (time.perf_counter() - start) / EMPTY


def measure() -> Figures:
    """Return all figures."""
    found = [outcome.get() for outcome in measure_studies()]
    took = [one["cpu"] for one in found]
    return Figures(
        statistics.median(measure_start() for _ in range(3)),
        statistics.median(took),
        min(took),
        max(took),
        max(one["memory"] for one in found),
        sum(len(repr(one)) for one in found) / len(found) / 1e3,
        measure_task(),
    )


def hours(figures: Figures, studies: int, workers: int) -> float:
    """Return the hours that so many studies take: each worker starts once, and at the end all but one wait for it."""
    return (figures.start + studies * figures.study / workers + figures.most) / 3600


def duration(hours_: float) -> str:
    """Return a duration in words."""
    return f"{hours_:.1f} hours" if hours_ >= 1 else f"{60 * hours_:.0f} minutes"


def page(figures: Figures) -> str:
    """Return the text of docs/many-studies.md."""
    whole = STUDIES * figures.study / 3600
    rows = "\n".join(
        f"| {workers:,} | {duration(hours(figures, STUDIES, workers))} |" for workers in SPREAD if workers <= STUDIES
    )
    return f"""# Ten thousand studies on a hundred workers

Written by `python -m benchmarks.many_studies`; not edited by hand. It measures the figures anew where it runs.

## What one study takes

A study is `bs.forecast(runs, "100x")` of a log of {RUNS} runs: all shipped forms fitted, rehearsed below their
cut-offs, weighed, checked and graded, on one core.

| what | measured |
|---|---|
| CPU of one study, models on disk ({figures.least:.1f} to {figures.most:.1f} in {MEASURED}) | {figures.study:.1f} s |
| CPU of a worker before its first study | {figures.start:.1f} s |
| memory of a worker at most | {figures.memory:.2f} GB |
| what is kept of a study, as below | {figures.answer:.2f} KB |
| a Dask scheduler, for each study | {1e3 * figures.task:.1f} ms |

On {platform.machine()}, {os.cpu_count()} cores shared with other work, Python {platform.python_version()}.

## The plan

{STUDIES:,} studies are {whole:,.0f} hours of CPU. A study is done by one worker on one core, and studies do not wait
for one another, so the time is what each worker does, and the last study:

| workers | {STUDIES:,} studies take |
|---|---|
{rows}

{WORKERS} workers need {WORKERS} cores and {WORKERS * figures.memory:.0f} GB of memory in all. Plan 1 GB each: a model
that is not on disk yet is compiled by the first worker that needs it, once on each kind of processor if workers share
the folder `BAYESCALE_CACHE`, once on each machine if not. The scheduler is busy for {figures.task * STUDIES:.0f} s in
all, so a thousand workers do not wait for it. The answers are {figures.answer * STUDIES / 1e3:.0f} MB.

## How to do it

On one machine the scheduler, and on every machine as many workers as it has cores, each with one thread:

```sh
pip install 'bayescale[dask]'
dask scheduler
dask worker tcp://host:8786 --nworkers 16 --nthreads 1 --memory-limit 1.5GB
```

Then, from Python:

```python
import bayescale as bs
from bayescale.parallel import map_tasks, use_workers

def study(path):
    far = bs.forecast(bs.read_runs(path), "100x", seed=1)
    return bs.summary(far[["loss"]]), far["grade"].values.tolist()

with use_workers(scheduler="tcp://host:8786"):
    outcomes = map_tasks(study, paths, finished=lambda done: print(done, "of", len(paths)))

failed = {{path: done.error for path, done in zip(paths, outcomes) if done.error}}
```

One study alone is spread in the same way: `bayescale report runs.csv --scheduler tcp://host:8786` sends its fits and
rehearsals to the workers; so do `forecast`, `backtest`, `compare` and `families`. Without a scheduler these commands
use the cores of the machine (`--workers`, `BAYESCALE_WORKERS`).

## What happens when something breaks

- A worker is killed, or its machine is gone: its study is done again elsewhere, with the same result.
- A study kills every worker that tries it: it is given up after four workers and one more try alone. Its outcome says
  so; the others go on.
- A study fails, or runs out of memory: its outcome carries the error; the others go on.
- All workers are gone: after two minutes without one, an error says how to start some.
- The scheduler is lost: an error says so; what was not returned has to be asked again.
- A worker has another version of bayescale: it is refused before anything is sent.
- Ctrl-C: what is waiting is cancelled; what runs on a worker ends with its study.

A study brings its own seed. Workers of one kind of processor that share the folder of compiled models give the same
numbers to the last digit, however many they are. Processors of other kinds compile other machine code, and their draws
agree within Monte Carlo error.
"""


def main() -> None:
    """Measure, print the page and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print", action="store_true", dest="print_only", help="write no file")
    given = parser.parse_args()
    text = page(measure())
    print(text)
    if not given.print_only:
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
