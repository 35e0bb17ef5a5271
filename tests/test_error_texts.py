"""Every text of an error that version 0.1.0 raised is still raised, word for word or in better words.

``error_texts.txt`` holds the texts of version 0.1.0 (commit 5446e8b), one a line, with {} for what is filled in. A text
that is worded anew is listed in ``error_texts_changed.txt``: the old line, then the new one, then a blank line.
Run ``python tests/test_error_texts.py FOLDER`` to print the texts of a package.
"""

import ast
import sys
from pathlib import Path

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "bayescale"


def text_of(node):
    """Return a string literal with {} for what an f-string fills in; None for any other node."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return " ".join(node.value.split())
    if isinstance(node, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
        return " ".join("".join(parts).split())
    return None


def texts_in(nodes):
    found, inner = set(), set()
    for node in nodes:
        for child in ast.walk(node):
            if id(child) not in inner and (text := text_of(child)) is not None:
                inner |= {id(part) for part in ast.walk(child)}
                found.add(text)
    return found


def trees(package):
    return [ast.parse(path.read_text()) for path in sorted(Path(package).rglob("*.py"))]


def raised_texts(package):
    """Return the sentences, of three words or more, in all ``raise`` statements of a package."""
    raised = [
        node.exc for tree in trees(package) for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc
    ]
    return {text for text in texts_in(raised) if len(text.split()) > 2}


def changed_texts():
    blocks = (HERE / "error_texts_changed.txt").read_text().strip().split("\n\n")
    return dict(block.split("\n") for block in blocks if block)


def test_no_error_message_has_gone():
    before = (HERE / "error_texts.txt").read_text().splitlines()
    now, changed = texts_in(trees(PACKAGE)), changed_texts()
    assert len(before) > 200
    assert [text for text in before if changed.get(text, text) not in now] == []


def test_only_texts_that_are_gone_are_listed_as_changed():
    before = set((HERE / "error_texts.txt").read_text().splitlines())
    assert set(changed_texts()) <= before - texts_in(trees(PACKAGE))


if __name__ == "__main__":
    print("\n".join(sorted(raised_texts(sys.argv[1]))))
