"""Run logs in, one validated Dataset out."""

from bayescale.runs.budgets import isoflop_profiles
from bayescale.runs.curves import read_curves
from bayescale.runs.describe import describe_runs
from bayescale.runs.finding import Finding, findings
from bayescale.runs.numbers import human_number, parse_number
from bayescale.runs.read import content_hash, read_runs
from bayescale.runs.shipped import load_shipped, shipped_logs

__all__ = [
    "Finding",
    "content_hash",
    "describe_runs",
    "findings",
    "human_number",
    "isoflop_profiles",
    "load_shipped",
    "parse_number",
    "read_curves",
    "read_runs",
    "shipped_logs",
]
