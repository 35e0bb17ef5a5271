"""`make benchmark-trust`: score every method on the open sets and the curves, and write docs/benchmark.md.

What benchmarks/results.csv and benchmarks/curves.csv hold already is not computed again; `--again METHOD` drops it.
"""

import argparse
import time
from collections.abc import Sequence

from benchmarks import our_curves
from benchmarks.curves import LAWS, curves, point_scores
from benchmarks.methods import METHODS, predict
from benchmarks.page import write_page
from benchmarks.results import CURVES, CURVES_KEY, RESULTS, SETS_KEY
from benchmarks.resume import add_row, drop_methods, known_rows
from benchmarks.scores import score
from benchmarks.sets import AbsentError, open_sets, reader

FACTORS = (10, 30, 100)


def score_sets(sets: Sequence[str] = (), methods: Sequence[str] = ()) -> None:
    """Score the methods on the open sets at each factor; all of them where none is named."""
    done, scorer = known_rows(RESULTS, SETS_KEY), reader()
    for name, runs in open_sets().items():
        for factor in FACTORS:
            for method in METHODS:
                if (
                    (method, name, factor) in done
                    or name not in (sets or [name])
                    or method not in (methods or [method])
                ):
                    continue
                started = time.perf_counter()
                rows = predict(method, name, runs, factor)
                if rows is None:
                    print(f"{name}, {factor}x, {method}: could not be fitted")
                    continue
                found = score(scorer, rows)
                seconds = round(time.perf_counter() - started, 1)
                add_row(RESULTS, {"method": method, "set": name, "factor": factor, **found, "seconds": seconds})
                print(f"{name}, {factor}x, {method}: coverage {found['coverage']:.2f}, Winkler {found['winkler']:.1f}")


def score_curves() -> None:
    """Score the methods on the curves: those of minutes first, then ours, the curves that are not of images first."""
    done = known_rows(CURVES, CURVES_KEY)
    every = sorted(curves(), key=lambda curve: curve.domain == "IC")
    for methods, scores in ((tuple(LAWS), point_scores), (our_curves.METHODS, our_curves.scores)):
        for curve in every:
            for method in methods:
                key = (method, curve.domain, curve.name)
                if key in done:
                    continue
                found = scores(method, curve)
                if found is None:
                    print(f"{', '.join(key)}: could not be fitted")
                    continue
                add_row(CURVES, dict(zip(CURVES_KEY, key, strict=True)) | found)
                print(", ".join(key))


def main() -> None:
    """Score what is not scored yet and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--again", nargs="*", default=[], metavar="METHOD", help="methods to score again")
    parser.add_argument("--sets", nargs="*", default=[], help="only these sets; by default all")
    parser.add_argument("--methods", nargs="*", default=[], help="only these methods; by default all")
    parser.add_argument("--page", action="store_true", help="only write the page from the tables that are there")
    arguments = parser.parse_args()
    for path in (RESULTS, CURVES):
        drop_methods(path, arguments.again)
    if not arguments.page:
        try:
            score_sets(arguments.sets, arguments.methods)
            if not (arguments.sets or arguments.methods):
                score_curves()
        except AbsentError as error:
            print(f"{error}\nThe page is written from the tables that are here.")
    print(f"written: {write_page()}")


if __name__ == "__main__":
    main()
