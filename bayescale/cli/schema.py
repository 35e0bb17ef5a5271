"""The JSON document that a command prints with ``--json``: its models, and the schema that they make.

``python -m bayescale.cli.schema docs/json-schema/answers-1.json`` writes the schema. A change that a reader of version
1 cannot bear (a field that goes or means something else) makes version 2; a further field does not.
"""

import json
import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

SCHEMA: Literal["bayescale/answer"] = "bayescale/answer"
VERSION: Literal[1] = 1
Label = str | int | float | bool | None


class Record(BaseModel):
    """A part of the document. A number that is not finite is written as null."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, ser_json_inf_nan="null")


class Row(Record):
    """One number of an answer: a quantity at one combination of labels."""

    variable: str
    """The quantity, as the Python answer names it."""
    labels: dict[str, Label] = {}
    """Which of several: family, form, run, model, point and so on."""
    at: dict[str, float | None] = {}
    """The coordinates: compute in FLOP, params, tokens, decades_beyond the largest run and so on."""
    unit: str = ""
    median: float | None = None
    """The median of the draws, or the value of a quantity without draws."""
    lower: float | None = None
    upper: float | None = None
    mass: float | None = None
    """The mass of the equal-tailed band from lower to upper; null for a quantity without draws."""
    text: str | None = None
    """The value of a quantity that is a word."""
    grade: str | None = None
    """A to D, of an extrapolated number."""


class Check(Record):
    """One convergence check of a posterior."""

    name: str
    value: float | None
    limit: float
    worst: str
    passed: bool


class ParameterRow(Record):
    """A parameter: its prior, and after a fit its posterior."""

    name: str
    prior: str | None = None
    """The prior, as a model card states it."""
    median: float | None = None
    lower: float | None = None
    upper: float | None = None
    prior_lower: float | None = None
    prior_upper: float | None = None
    learned: float | None = None
    """Share of the prior's spread that is gone."""


class Score(Record):
    """How predictions of the largest runs came out at one cut-off."""

    model: str
    factor: float
    """How far the largest run lies beyond the fitted ones."""
    fitted_runs: int | None = None
    held_out_runs: int
    inside: int
    """Runs inside of their 90% band."""
    scores: dict[str, float | None] = {}
    """Interval score, CRPS, width, error, bias (% of the loss) and log score, where they were computed."""


class LooRow(Record):
    """A model in a comparison by leaving one run out."""

    model: str
    elpd_loo: float | None
    se: float | None
    elpd_diff: float | None
    dse: float | None
    weight: float | None
    bad_k: int
    refitted: int


class ModelRow(Record):
    """A model card."""

    name: str
    title: str
    kind: str
    equation: str
    informed: bool = False
    """Whether NAME-informed is shipped as well."""
    fitted_to: list[str] | None = None
    """The columns of the runs that it can be fitted to, where runs were given; empty where it cannot."""
    lack: str | None = None
    """What keeps the runs from it."""


class LogRow(Record):
    """A run log that comes with the package."""

    name: str
    title: str
    licence: str
    path: str


class FindingRow(Record):
    """One thing that a reader of the runs should know."""

    code: str
    """Which kind of thing it is: docs/findings.md lists them."""
    level: Literal["error", "warning", "info"]
    message: str
    rows: list[int] = []
    column: str | None = None


class SkippedRow(Record):
    """A part of an answer that could not be had."""

    form: str | None = None
    """The form that was left out; absent where all forms are concerned."""
    factor: float | None = None
    """The cut-off; absent where it is not of one cut-off."""
    reason: str


class CacheRow(Record):
    """A compiled model on disk."""

    name: str
    """The model card, or the estimator; empty where the file does not say."""
    state: str
    """``usable``; ``outdated``, of another version or processor; or ``damaged``."""
    bytes: int
    created: float
    """Seconds since 1970."""
    used: float
    """Seconds since 1970."""
    file: str


class Document(Record):
    """What one command found. A section that does not belong to the command is absent."""

    command: str = ""
    question: str | None = None
    model: str | None = None
    verdict: str | None = None
    """``converged``, or why the numbers may not be quoted."""
    rows: list[Row] = []
    """The answer, a number a row."""
    scores: list[Score] = []
    loo: list[LooRow] = []
    checks: list[Check] = []
    parameters: list[ParameterRow] = []
    models: list[ModelRow] = []
    logs: list[LogRow] = []
    cache: list[CacheRow] = []
    """Compiled models on disk, the last used first."""
    runs: dict[str, Label] | None = None
    """The run log that was read: its source, title and number of runs or checkpoints."""
    findings: list[FindingRow] = []
    """What was found in the run log."""
    skipped: list[SkippedRow] = []
    sentences: list[str] = []
    """What the tables are followed by on a screen."""
    files: list[str] = []
    """Files that were written."""

    def to_json(self) -> str:
        """Return the document as JSON, the schema's name and version first."""
        body = json.loads(self.model_dump_json(exclude_unset=True))
        return json.dumps({"schema": SCHEMA, "version": VERSION, **body}, indent=2, ensure_ascii=False)


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of the document."""
    schema = Document.model_json_schema()
    for part in (schema, *schema["$defs"].values()):
        del part["additionalProperties"]  # a reader of this version bears further fields
    head = {
        "schema": {"const": SCHEMA, "description": "The name of this schema."},
        "version": {"const": VERSION, "description": "The version of this schema."},
    }
    schema["properties"] = head | schema["properties"]
    schema["required"] = ["schema", "version", "command"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


if __name__ == "__main__":
    text = json.dumps(json_schema(), indent=2) + "\n"
    Path(sys.argv[1]).write_text(text, encoding="utf-8") if sys.argv[1:] else print(text, end="")
