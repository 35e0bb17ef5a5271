"""How long a question to a saved posterior takes, side by side with another checkout of bayescale.

    python -m benchmarks.questions OTHER [--fit FIT.nc] [--rounds 6] [--calls 30]

Each checkout answers with its own Python (``.venv/bin/python``) in a process of its own, in turns, from a posterior
that is loaded once. Printed are the medians of CPU time a call over all rounds, and their ratios.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parents[1]
QUESTIONS = ("extrapolate", "optimal_split", "irreducible_loss")
FIT = "import bayescale as bs, sys; bs.save_fit(bs.fit(bs.load_shipped('tinylm'), seed=1), sys.argv[1])"
CHILD = """
import json, sys, time
import bayescale as bs
fit, calls = bs.load_fit(sys.argv[1]), int(sys.argv[2])
out = {}
for name in sys.argv[3:]:
    ask, took = getattr(bs, name), []
    for _ in range(3):
        ask(fit, *(("100x",) if name != "irreducible_loss" else ()))
    for _ in range(calls):
        start = time.process_time()
        ask(fit, *(("100x",) if name != "irreducible_loss" else ()))
        took.append(1000 * (time.process_time() - start))
    out[name] = took
print(json.dumps(out))
"""


def python_of(checkout: Path) -> str:
    """Return the Python of a checkout; the one that runs this where the checkout has none."""
    own = checkout / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def run(checkout: Path, code: str, *words: str) -> str:
    """Return what a program prints that runs on a checkout's own code."""
    env = {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    command = [python_of(checkout), "-c", code, *words]
    return subprocess.run(command, cwd=checkout, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout


def median(values: list[float]) -> float:
    """Return the middle value."""
    ordered = sorted(values)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def main() -> None:
    """Time both checkouts and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="folder of another checkout")
    parser.add_argument("--fit", type=Path, help="a saved posterior (default: tinylm is fitted by the other checkout)")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--calls", type=int, default=30)
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fit = a.fit.resolve() if a.fit else Path(folder) / "fit.nc"
        if a.fit is None:
            run(a.other.resolve(), FIT, str(fit))
        times: dict[Path, dict[str, list[float]]] = {a.other.resolve(): {}, HERE: {}}
        for _ in range(a.rounds):
            for checkout, found in times.items():
                for name, took in json.loads(run(checkout, CHILD, str(fit), str(a.calls), *QUESTIONS)).items():
                    found.setdefault(name, []).extend(took)
    other, here = times.values()
    print(f"{'question':18}{'other, ms':>12}{'here, ms':>12}{'ratio':>8}   ({len(here[QUESTIONS[0]])} calls)")
    for name in QUESTIONS:
        before, now = median(other[name]), median(here[name])
        print(f"{name:18}{before:12.1f}{now:12.1f}{before / now:8.1f}")


if __name__ == "__main__":
    main()
