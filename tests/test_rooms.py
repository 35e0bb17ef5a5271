"""The shape of the house: which room may import which, how long a file may be, what may lie in the root."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "bayescale"
# From left to right: a room imports what stands before it.
ROOMS = (
    *(
        "errors",
        "numbers",
        "shipped_files",
        "parallel",
        "costs",
        "laws",
        "runs",
        "priors",
        "layers",
        "cards",
        "modeling",
    ),
    *("design", "inference", "posterior", "papers", "answers", "approaches", "forms", "trust", "studies"),
    *("plots", "report", "cli"),
)
ROOT = {"__init__.py", "__init__.pyi", "__main__.py", "errors.py", "numbers.py", "posterior.py", "shipped_files.py"}
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(tree):
    """Return the modules of the package that are imported when a module is: not those within functions."""
    inner = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.Lambda) for n in ast.walk(f)}
    typing = [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    inner |= {id(n) for branch in typing for n in ast.walk(branch)}
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and id(n) not in inner]
    return [n.module.split(".")[1] for n in nodes if n.module and n.module.startswith("bayescale.")]


def test_every_room_has_its_place():
    assert {room_of(path) for path in FILES} - {"__init__", "__main__"} == set(ROOMS)


def test_a_room_imports_only_what_stands_before_it():
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {room}"
        for path in FILES
        if path.name != "__main__.py" and path.parent != PACKAGE
        for room in imports_of(ast.parse(path.read_text()))
        if ROOMS.index(room) > ROOMS.index(room_of(path))
    ]
    assert wrong == []


def test_no_file_is_longer_than_a_reader_bears():
    assert {path.name: n for path in FILES if (n := len(path.read_text().splitlines())) > 400} == {}


def test_the_root_holds_nothing_but_the_face():
    assert {path.name for path in PACKAGE.iterdir() if path.is_file()} - {"py.typed"} == ROOT
