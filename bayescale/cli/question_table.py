"""The questions of ``bayescale ask``: one line for each, with the function that answers and the one that draws."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Question:
    """One question."""

    answers: str
    call: str  # the function that answers, as module:function within bayescale
    needs: tuple[str, ...] = ()  # options without which it cannot be asked
    takes: tuple[str, ...] = ()  # options that it may take besides
    plot: str = ""  # the function of bayescale.plots that draws the answer
    single: tuple[str, ...] = ()  # options that take one value
    of_papers: bool = False  # whether it asks published constants, and no posterior
    across: Mapping[str, str] = field(default_factory=dict)  # columns, as in `show`; else a line for each quantity
    beside: Mapping[str, str] = field(default_factory=dict)

    @property
    def function(self) -> Callable[..., "xr.Dataset"]:
        """The function that answers, imported when it is asked."""
        module, _, name = self.call.partition(":")
        return getattr(import_module(f"bayescale.{module}"), name)


BATCHES = ("batches", "max_accelerators", "tokens_per_accelerator")
ONE_RUN = ("loss", "params", "seconds_per_step", "max_accelerators", "tokens_per_accelerator")
QUESTIONS = {
    "bigger-or-longer": Question(
        "a bigger model or a longer run: which buys more",
        "answers:bigger_or_longer", ("params", "tokens"), ("at",), "plot_bigger_or_longer"),
    "off-optimal": Question(
        "what it costs to be off the best size",
        "answers:off_optimal", ("compute",), ("factors", "at"), "plot_off_optimal"),
    "convergence": Question(
        "how far above its converged loss the best run stops",
        "answers:convergence_gap", ("compute",), ("at",), "plot_convergence_gap"),
    "loss-of-tokens": Question(
        "the best loss that so many tokens can give", "answers:loss_of_tokens", ("tokens",), ("at",)),
    "loss-of-compute": Question(
        "the best loss that so much compute can give", "answers:loss_of_compute", ("compute",), ("at",)),
    "reducible": Question(
        "the loss above the floor, as KL divergence",
        "answers:reducible_loss", (), ("compute", "params", "tokens", "at")),
    "within": Question(
        "the compute that comes within eps of the floor", "answers:compute_to_within", ("eps",), ("at",)),
    "dimension": Question("the data manifold's dimension, 4/alpha", "answers:data_dimension", (), ("at",)),
    "critical-batch": Question(
        "the critical batch at a loss", "answers:critical_batch", ("loss",), (), "plot_critical_batch"),
    "time-and-compute": Question(
        "time against compute to bring N to a loss, by batch",
        "answers:time_and_compute", ("loss", "params"), (*BATCHES, "seconds_per_step"), "plot_pareto", ONE_RUN),
    "fastest-and-cheapest": Question(
        "the ends of time against compute, by batch",
        "cli.questions:find_front_ends", ("loss", "params"), (*BATCHES, "seconds_per_step"), "", ONE_RUN),
    "deadline": Question(
        "the smallest batch that is in time, and what it costs",
        "cli.questions:price_deadline", ("loss", "params", "seconds_per_step", "deadline"), BATCHES, "", ONE_RUN),
    "epochs": Question(
        "the best number of epochs for so many unique tokens",
        "answers:best_epochs", ("compute", "unique_tokens"), ("share",), "", ("share",)),
    "value-of-epochs": Question(
        "what each epoch over so many unique tokens is worth",
        "answers:value_of_epochs", ("unique_tokens", "params"), ("epochs", "share"), "plot_epochs", ("share",)),
    "known-models": Question(
        "GPT-3, Gopher, Chinchilla and others by this fit",
        "cli.questions:ask_known_models", (), ("at", "beside"), "plot_known_models"),
    "better": Question(
        "which of two known models has the lower loss",
        "cli.questions:ask_better", ("models",), ("at", "beside")),
    "crossing": Question(
        "where L(C), L(D) and D(C) of three fits cross",
        "cli.questions:ask_crossing", ("beside",), (), "plot_crossing"),
    "kaplan-crossing": Question(
        "where Kaplan et al.'s own power laws cross", "answers:kaplan_crossing", plot="plot_crossing",
        of_papers=True),
    "non-embedding": Question(
        "the frontier in N without embeddings",
        "answers:non_embedding_frontier", ("params",)),
    "approaches": Question(
        "Hoffmann et al.'s three approaches side by side",
        "cli.questions:ask_approaches", (), ("compute",), "plot_exponents",
        across={"a": "exponent a of N_opt"}),
    "agreement": Question(
        "whether IsoFLOP parabolas and the fitted law agree", "cli.questions:ask_agreement", plot="plot_agreement"),
    "profiles": Question(
        "the IsoFLOP profiles of the runs and their minima", "cli.questions:ask_profiles", plot="plot_profiles",
        across={"params_opt": "best N"}, beside={"best_loss": "its loss"}),
    "left-out-runs": Question(
        "each run against the band predicted without it",
        "trust:check_predictive", plot="plot_left_out_runs",
        across={"loss": "measured"}, beside={"median": "predicted", "pit": "PIT", "pareto_k": "Pareto k"}),
    "influence": Question(
        "how an extrapolation would move without any one run",
        "trust:influence", (), ("compute",), "plot_influence", ("compute",),
        across={"shift": "shift (%)"}, beside={"of_band": "of the band", "pareto_k": "Pareto k"}),
    "prior-sensitivity": Question(
        "how far the answers lean on each prior",
        "trust:prior_sensitivity", (), ("compute",), "plot_prior_sensitivity", ("compute",),
        across={"prior_sensitivity": "prior"}, beside={"likelihood_sensitivity": "runs", "leans_on": "leans on"}),
    "domains": Question(
        "the published irreducible loss of other domains",
        "papers:irreducible_by_domain", plot="plot_domains", of_papers=True,
        across={"irreducible_loss": "irreducible loss"}, beside={"exponent": "exponent"}),
    "loss-by-domain": Question(
        "the published loss of other domains at a size or a compute",
        "cli.questions:ask_loss_by_domain", (), ("params", "compute"), "", ("params", "compute"), of_papers=True,
        across={"loss": "loss"}, beside={"reducible_loss": "above its floor", "optimal_params": "best N"}),
}  # fmt: skip
