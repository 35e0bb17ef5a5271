"""Write docs/findings.md from the list of codes: python docs/make_findings.py."""

from pathlib import Path

from bayescale.runs.reading.findings import CODES

HEAD = """# Findings

Written by `python docs/make_findings.py`; do not edit.

What is odd about a log, or was done to it on the way, is kept with the runs: `bs.runs.findings(runs)` lists it, and
`bayescale check` prints it. A finding has a code, a level (error, warning or info), a message, and the rows and the
column of the file that it is about. The message may be worded anew from one release to the next. The code stays.

| code | what it says |
|---|---|
"""


def page() -> str:
    """Return the text of the page."""
    return HEAD + "".join(f"| `{code}` | {meaning} |\n" for code, meaning in CODES.items())


if __name__ == "__main__":
    Path(__file__).with_name("findings.md").write_text(page(), encoding="utf-8")
