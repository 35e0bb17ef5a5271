"""How long an answer takes: this checkout beside an older one, other samplers and other packages, in one run.

    python -m benchmarks.speed --other CHECKOUT --rivals PYTHON [--rounds 3] [--refits 20]

Everything answers one question from the same 240 runs (`../shared`, Chinchilla): the loss at ten times the largest N
and D. CHECKOUT is a clone of bayescale at commit 5446e8b with its own ``.venv`` (`make setup` there); PYTHON belongs to
an environment with `benchmarks/rivals/requirements.txt`. Each program runs in a process of its own, in turns, cold (all
caches empty) and then warm. Figures are CPU seconds, user and system, medians over the rounds. The table is written to
docs/speed.md.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.sets import open_sets

HERE = Path(__file__).resolve().parents[1]
PAGE = HERE / "docs" / "speed.md"
OURS, BEFORE, RIVAL = "this checkout", "5446e8b", "rivals"
# Title, script, whose Python runs it.
PROGRAMS = (
    ("bayescale, NUTS", "bayescale_nuts.py", OURS),
    ("bayescale, Laplace with importance sampling", "bayescale_laplace.py", OURS),
    ("bayescale at 5446e8b", "bayescale_nuts.py", BEFORE),
    ("PyMC by hand, nutpie low-rank", "pymc_nutpie.py", OURS),
    ("NumPyro, NUTS, dense metric", "numpyro_nuts.py", RIVAL),
    ("BlackJAX, NUTS, dense metric", "blackjax_nuts.py", RIVAL),
    ("Huber fit, 100 bootstrap refits", "huber_bootstrap.py", OURS),
    ("simple-scaling-laws", "simple_scaling_laws_fit.py", RIVAL),
    ("chinchilla (no band)", "chinchilla_fit.py", RIVAL),
)


def run_program(python: str, checkout: Path, script: str, runs: Path, refits: int, caches: Path) -> dict[str, float]:
    """Run a program to its end and return its figures; one that fails ends the benchmark with what it printed."""
    env = os.environ | {
        "PYTHONPATH": str(checkout),
        "OMP_NUM_THREADS": "1",
        "BAYESCALE_CACHE": str(caches / "bayescale"),
        "PYTENSOR_FLAGS": f"base_compiledir={caches / 'pytensor'}",
    }
    command = [python, str(HERE / "benchmarks" / "rivals" / script), str(runs), str(refits)]
    done = subprocess.run(command, cwd=caches, env=env, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{script} failed:\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(pythons: dict[str, tuple[str, Path]], rounds: int, refits: int) -> dict[str, dict[str, float]]:
    """Return the medians of each program's figures, and the CPU to a first answer with empty caches."""
    found: dict[str, dict[str, list[float]]] = {title: {} for title, _, _ in PROGRAMS}
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder, "runs.csv")
        open_sets()["chinchilla"][["N", "D", "loss"]].to_csv(runs, index=False)
        for number in range(rounds):
            for title, script, whose in PROGRAMS:
                if whose not in pythons:
                    continue
                print(f"round {number + 1} of {rounds}: {title}", file=sys.stderr)
                python, checkout = pythons[whose]
                caches = Path(folder, f"{number}-{script}-{whose.replace(' ', '-')}")
                caches.mkdir()
                cold = run_program(python, checkout, script, runs, 0, caches)
                warm = run_program(python, checkout, script, runs, refits, caches)
                for name, value in warm.items() | {("cold_s", cold["to_answer_s"])}:
                    found[title].setdefault(name, []).append(value)
    return {t: {name: statistics.median(values) for name, values in each.items()} for t, each in found.items() if each}


def write_table(found: dict[str, dict[str, float]], rounds: int) -> str:
    """Return the page."""
    before = found["bayescale at 5446e8b"]
    head = (
        "program", "first answer, empty caches", "again, new process", "ratio to 5446e8b", "once more, same process",
        "least ESS", "ESS a CPU-s", "refits a CPU-s", "peak MB", "answer: 5%, 50%, 95%",
    )  # fmt: skip
    rows = [head, ["---"] * len(head)]
    for title, one in found.items():
        cells = [one.get(name) for name in ("cold_s", "to_answer_s")]
        ratio = before["to_answer_s"] / one["to_answer_s"]
        rest = [one.get(name) for name in ("second_s", "ess", "ess_per_s", "refits_per_s", "peak_mb")]
        answer = ", ".join(f"{one[name]:.3f}" for name in ("lower", "median", "upper"))
        rows.append([title, *map(_show, cells), f"{ratio:.1f}", *map(_show, rest), answer])
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return f"""# How long an answer takes

Written by `make benchmark`; not edited by hand. CPU-seconds (user and system), medians, all programs in turns
in {rounds} round(s) of one run on one machine: {os.cpu_count()} cores, {platform.machine()}, Python
{platform.python_version()}.

{table}

All answer one question from the same 240 runs of Chinchilla: the loss of the law at ten times the largest N and D. The
samplers sample one model, with the priors of the card `chinchilla`, four chains of 1,000 draws. "Once more" is the same
fit in the same process: nothing is imported or compiled. A refit is to nine tenths of the runs, by 4 x 500 draws where
there are chains. ESS is the least bulk or tail effective sample size of all parameters; for bayescale the time includes
reading the table, checking it, diagnosing the chains and keeping the density of each run.

Not here: vpnls, which is on no package registry.
"""


def _show(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--other", type=Path, required=True, help="a clone of bayescale at 5446e8b with its .venv")
    parser.add_argument("--rivals", type=Path, help="the Python of the rivals; without it they are left out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--refits", type=int, default=20)
    given = parser.parse_args(words)
    other = given.other.resolve()
    pythons = {OURS: (sys.executable, HERE), BEFORE: (str(other / ".venv/bin/python"), other)}
    if given.rivals:
        pythons[RIVAL] = (str(given.rivals.absolute()), HERE)
    text = write_table(measure(pythons, given.rounds, given.refits), given.rounds)
    print(text)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
