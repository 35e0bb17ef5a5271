"""From a model and runs to a posterior, and whether it may be quoted."""

from bayescale.inference.diagnostics import (
    COUNTED,
    QUOTED,
    Check,
    Limits,
    Verdict,
    prior_to_posterior,
    require_quotable,
    verdict,
)
from bayescale.inference.new_family import new_family
from bayescale.inference.prior_from import prior_from
from bayescale.inference.sampling import (
    by_run,
    ends_of,
    fit,
    log_likelihood,
    runs_of,
    sample_until_sound,
    with_densities,
)
from bayescale.inference.store import check_can_save, load_fit, save_fit

__all__ = [
    "COUNTED",
    "QUOTED",
    "Check",
    "Limits",
    "Verdict",
    "by_run",
    "check_can_save",
    "ends_of",
    "fit",
    "load_fit",
    "log_likelihood",
    "new_family",
    "prior_from",
    "prior_to_posterior",
    "require_quotable",
    "runs_of",
    "sample_until_sound",
    "save_fit",
    "verdict",
    "with_densities",
]
