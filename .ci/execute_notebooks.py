"""Execute every notebooks/*.py (py:percent) and write the executed .ipynb beside it.

A notebook runs in notebooks/, as it does when a reader opens it, with this interpreter whatever kernels the user has
installed. It is written only if every cell succeeded; what it holds depends on source and outputs alone, so running it
twice gives no diff. With --check nothing is written, and an .ipynb whose cells are not those of its source is an error.
"""

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

HERE = Path(__file__).resolve().parent.parent
FOLDER = HERE / "notebooks"
LIMIT = 1_000_000  # bytes: an executed notebook is for reading, not for keeping data
CELL_SECONDS = 600
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def execute(source: Path, scratch: str) -> nbformat.NotebookNode:
    """Read a py:percent file and return the executed notebook; the kernel's sockets go into `scratch`."""
    notebook = jupytext.read(source)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "jupytext": {"formats": "ipynb,py:percent"},
    }
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number}"  # the default is random
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(FOLDER)}},
        record_timing=False,
    )
    manager = client.create_kernel_manager()
    manager.transport, manager.ip = "ipc", f"{scratch}/{source.stem}"  # no open port, and no warning about one
    client.execute()
    notebook.metadata.language_info = {"name": "python"}  # the kernel adds its exact version
    return notebook


def complaint(notebook: nbformat.NotebookNode, text: str) -> str | None:
    """Say what makes an executed notebook unfit to be kept, if anything does."""
    if len(text.encode()) > LIMIT:
        return f"is {len(text.encode()) / 1e6:.1f} MB executed; keep it under {LIMIT / 1e6:.0f} MB"
    for number, cell in enumerate(notebook.cells, start=1):
        outputs = str(cell.get("outputs", ""))
        if address := re.search(r"<[\w. ]+ at 0x[0-9a-f]+>", outputs):
            return f"prints {address[0]} in cell {number}, another one each time; assign the value (`_ = ...`)"
        for folder in (str(HERE), str(Path.home()), tempfile.gettempdir()):
            if len(folder) > 1 and f"{folder}/" in outputs:
                return f"prints a path of this machine in cell {number}: {folder}"
    return None


def stale(source: Path, notebook: nbformat.NotebookNode) -> str | None:
    """Say how the .ipynb beside a source differs from it, if it does."""
    kept = source.with_suffix(".ipynb")
    if not kept.exists():
        return f"has no {kept.name} beside it; run `make notebooks`"
    before = nbformat.read(kept, as_version=4)
    if [(c.cell_type, c.source) for c in before.cells] != [(c.cell_type, c.source) for c in notebook.cells]:
        return f"is not what {kept.name} was made from; run `make notebooks`"
    return None


def main() -> int:
    """Execute the notebooks named, or all; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", nargs="*", type=Path, help="notebooks/NAME.py (default: all)")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a committed .ipynb is out of date")
    args = parser.parse_args()
    sources = [path.resolve() for path in args.notebook] or sorted(FOLDER.glob("*.py"))
    if not sources:
        print("no notebooks/*.py")
        return 1

    failed = 0
    with tempfile.TemporaryDirectory(dir="/tmp") as scratch:  # short: a socket's path has room for about 100 characters
        # Neither the user's kernels nor their Jupyter and IPython configuration decides what runs.
        os.environ.update(JUPYTER_PREFER_ENV_PATH="1", JUPYTER_NO_CONFIG="1")
        os.environ.update(IPYTHONDIR=f"{scratch}/ipython", JUPYTER_RUNTIME_DIR=f"{scratch}/runtime")
        for name in ("JUPYTER_PATH", "MPLBACKEND"):
            os.environ.pop(name, None)
        for source in sources:
            start = time.monotonic()
            problem = None
            try:
                notebook = execute(source, scratch)
            except (CellExecutionError, TimeoutError, RuntimeError) as error:
                problem = f"failed:\n{COLOUR.sub('', str(error))}"
            else:
                text = nbformat.writes(notebook) + "\n"
                problem = complaint(notebook, text) or (stale(source, notebook) if args.check else None)
            if problem:
                failed += 1
                print(f"{source.name} {problem}", flush=True)
                continue
            if not args.check:
                part = source.with_suffix(".ipynb.tmp")
                part.write_text(text, encoding="utf-8")
                part.replace(source.with_suffix(".ipynb"))
            print(f"{source.name}: {len(notebook.cells)} cells, {time.monotonic() - start:.0f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
