"""Run logs in, one validated Dataset out."""

from bayescale.numbers import human_number, parse_number
from bayescale.runs.checks.budgets import isoflop_profiles
from bayescale.runs.curves.describe import describe_curves
from bayescale.runs.curves.filters import Filters, filter_curves, left_out
from bayescale.runs.curves.final import final_runs
from bayescale.runs.curves.segments import Segments, run_segments
from bayescale.runs.read import content_hash, read_runs
from bayescale.runs.read_checkpoints import read_curves
from bayescale.runs.reading.describe import describe_runs
from bayescale.runs.reading.findings import Finding, findings
from bayescale.runs.shipped import load_shipped, load_shipped_curves, shipped_logs

__all__ = [
    "Filters",
    "Finding",
    "Segments",
    "content_hash",
    "describe_curves",
    "describe_runs",
    "filter_curves",
    "final_runs",
    "findings",
    "human_number",
    "isoflop_profiles",
    "left_out",
    "load_shipped",
    "load_shipped_curves",
    "parse_number",
    "read_curves",
    "read_runs",
    "run_segments",
    "shipped_logs",
]
