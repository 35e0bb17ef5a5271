# ruff: noqa: TID252  (lazy_loader reads relative imports only)
from .checks.budgets import isoflop_profiles
from .curves.describe import describe_curves
from .curves.filters import Filters, filter_curves, left_out
from .curves.final import final_runs
from .curves.segments import Segments, run_segments
from .read import content_hash, read_runs
from .read_checkpoints import read_curves
from .reading.describe import describe_runs
from .reading.findings import Finding, findings
from .shipped import load_shipped, load_shipped_curves, shipped_logs

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
    "isoflop_profiles",
    "left_out",
    "load_shipped",
    "load_shipped_curves",
    "read_curves",
    "read_runs",
    "run_segments",
    "shipped_logs",
]
