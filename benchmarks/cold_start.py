"""How much CPU commands take from a cold start: this checkout beside another one, in one run.

    python -m benchmarks.cold_start OTHER_CHECKOUT

Each checkout is run with the Python of its own ``.venv``. Commands alternate between the checkouts. The table gives
medians of user and system CPU seconds. Its first row is what ``import pandas, xarray`` takes on the same Python.
"""

import argparse
import os
import resource
import statistics
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
COMMANDS = {
    "--version": ["--version"],
    "--help": ["--help"],
    "models": ["models"],
    "check": ["check", "RUNS"],
    "extrapolate": ["extrapolate", "FIT", "--compute", "100x"],
    "split": ["split", "FIT", "--compute", "1e20"],
    "irreducible": ["irreducible", "FIT"],
    "ask bigger-or-longer": ["ask", "bigger-or-longer", "FIT", "--params", "10M", "--tokens", "100M"],
}
FIT = "import sys, bayescale as bs; bs.save_fit(bs.fit(bs.load_shipped('tinylm'), 'chinchilla', seed=1), sys.argv[1])"


def cpu_seconds(arguments: list[str], folder: Path) -> float:
    """Run a program to its end and return the CPU seconds, user and system, that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(arguments, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="a checkout with its own .venv")
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    checkouts = {"here": HERE, "other": given.other.resolve()}
    with tempfile.TemporaryDirectory() as scratch:
        fits = {name: Path(scratch, f"{name}.nc") for name in checkouts}
        for name, folder in checkouts.items():
            cpu_seconds([str(folder / ".venv/bin/python"), "-c", FIT, str(fits[name])], folder)
        print(f"{os.cpu_count()} cores, medians of {given.repeats}, CPU seconds")
        print(f"{'command':24s}{'here':>8s}{'other':>8s}{'ratio':>8s}")
        for title, words in {"import pandas, xarray": None, **COMMANDS}.items():
            took: dict[str, list[float]] = {name: [] for name in checkouts}
            for _ in range(given.repeats):
                for name, folder in checkouts.items():
                    python = str(folder / ".venv/bin/python")
                    place = {"FIT": str(fits[name]), "RUNS": str(folder / "data/tinylm/runs.csv")}
                    command = (
                        [python, "-c", "import pandas, xarray"]
                        if words is None
                        else [str(folder / ".venv/bin/bayescale"), *(place.get(word, word) for word in words)]
                    )
                    took[name].append(cpu_seconds(command, folder))
            here, other = (statistics.median(took[name]) for name in checkouts)
            print(f"{title:24s}{here:8.2f}{other:8.2f}{other / here:8.1f}")


if __name__ == "__main__":
    main()
