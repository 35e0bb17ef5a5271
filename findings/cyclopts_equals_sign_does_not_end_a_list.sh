#!/usr/bin/env bash
# cyclopts 5.5.2, Python 3.11 to 3.13.
#
# An option of type list[str] with consume_multiple=True takes all words up to the next option. An equals sign does not
# change that: after `--compute=1` the words that follow belong to --compute too, so that `--compute=1 f.csv` leaves the
# positional argument without its value. In the GNU convention, and in argparse with nargs="+", `--compute=1` is complete.
# For an option that takes one value, `--one=1 f.csv` gives f.csv to the positional argument.
#
# Output seen:
#   cyclopts: file=None compute=['1', 'f.csv']
#   argparse: file='f.csv' compute=['1']
#   cyclopts, one value: file='f.csv' one='1'
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check cyclopts==5.5.2
"$work/venv/bin/python" - >"$work/seen" <<'PY'
import argparse
from typing import Annotated

from cyclopts import App, Parameter

app = App()


@app.default
def main(
    file: str | None = None,
    /,
    *,
    compute: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    one: str | None = None,
):
    return file, compute, one


def ask(words):
    function, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    return function(*bound.args, **bound.kwargs)


file, compute, _ = ask(["--compute=1", "f.csv"])
print(f"cyclopts: {file=} {compute=}")
parser = argparse.ArgumentParser()
parser.add_argument("file", nargs="?")
parser.add_argument("--compute", nargs="+")
given = parser.parse_args(["--compute=1", "f.csv"])
print(f"argparse: file={given.file!r} compute={given.compute!r}")
file, _, one = ask(["--one=1", "f.csv"])
print(f"cyclopts, one value: {file=} {one=}")
PY
cat "$work/seen"
diff "$work/seen" - <<'EOF'
cyclopts: file=None compute=['1', 'f.csv']
argparse: file='f.csv' compute=['1']
cyclopts, one value: file='f.csv' one='1'
EOF
