"""Every finding has a code, and each code is listed once with its meaning."""

import ast
import runpy
from pathlib import Path

import bayescale.runs
from bayescale.runs.reading.findings import CODES, Finding, pack_findings

ROOT = Path(__file__).parents[3]
ROOM = Path(bayescale.runs.__file__).parent


def codes_in_use():
    for path in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Finding":
                yield from (argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant))


def test_the_codes_in_use_are_those_of_the_list():
    assert set(codes_in_use()) == set(CODES)


def test_the_page_of_codes_is_made_from_the_list():
    page = runpy.run_path(str(ROOT / "docs" / "make_findings.py"))["page"]
    assert (ROOT / "docs" / "findings.md").read_text(encoding="utf-8") == page()


def test_findings_survive_the_attributes_of_a_dataset():
    from bayescale.runs import findings, load_shipped

    runs = load_shipped("tinylm")
    kept = [
        Finding("rows-blank", "info", "left out as blank: row 3", (3,)),
        Finding("derived", "info", "x", column="D"),
    ]
    assert findings(runs.assign_attrs(findings=pack_findings(kept))) == kept


def test_nothing_looks_at_the_text_of_a_finding():
    for path in ROOM.parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            of_message = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute)
            assert not (of_message and node.value.attr == "message" and node.attr in ("startswith", "split")), path
