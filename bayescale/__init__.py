"""bayescale: from the logs of training runs to decisions with honest uncertainty.

>>> import bayescale as bs
>>> runs = bs.load_shipped("tinylm")                 # or bs.read_runs("runs.csv")
>>> fit = bs.fit(runs, model="chinchilla", seed=1)   # a plain ArviZ DataTree
>>> far = bs.extrapolate(fit, compute="100x")        # a Dataset with draws; .pipe(bs.summary)
>>> split = bs.optimal_split(fit, compute=["10x", "100x"])
>>> floor = bs.irreducible_loss(fit)

The names of this package are listed in ``__init__.pyi`` and loaded when they are first used (SPEC 1 of the Scientific
Python projects). Nothing at all is imported before, so that the command can answer Ctrl-C from its first moment.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Names of version 0.1 that have moved into a namespace, by namespace. They go with version 0.3.
_MOVED = {
    "answers": "annealed best_epochs better bigger_or_longer compute_to_within convergence_gap cost_of_deadline "
    "critical_batch crossing data_dimension differences fastest_and_cheapest finish kaplan_crossing known_models "
    "known_models_table loss_of_compute loss_of_tokens non_embedding_frontier off_optimal outlier_runs reducible_loss "
    "time_and_compute to_non_embedding to_total undertuned_runs value_of_epochs",
    "approaches": "approaches_table isoflop_fit ladder",
    "cards": "Card make_card",
    "design": "identifiability prior_predictive unidentified",
    "forms": "score shrinkage",
    "inference": "Verdict new_family prior_from prior_to_posterior runs_of",
    "laws": "LAWS Law Parameter get_law",
    "modeling": "build_model laws_for",
    "papers": "irreducible_by_domain published_law published_table",
    "runs": "Filters describe_curves describe_runs filter_curves final_runs findings isoflop_profiles left_out "
    "load_shipped_curves run_segments shipped_logs",
    "trust": "calibrate check_predictive dependence influence prior_sensitivity",
}


def __getattr__(name: str) -> "Any":
    if name == "__version__":
        from importlib.metadata import version

        return version(__name__)
    load, names = _read_stub()
    if name == "__all__":
        return names
    for room, moved in _MOVED.items():
        if name in moved.split():
            import warnings

            text = f"bayescale.{name} is now bayescale.{room}.{name}; the old name goes with version 0.3"
            warnings.warn(text, DeprecationWarning, stacklevel=2)
            return getattr(load(room), name)
    return load(name)


def __dir__() -> list[str]:
    return list(_read_stub()[1])


def _read_stub() -> "tuple[Any, list[str]]":
    """Return what loads a name, and all names; the stub is read once."""
    if "_stub" not in globals():
        import lazy_loader

        globals()["_stub"] = lazy_loader.attach_stub(__name__, __file__)
    load, _, names = globals()["_stub"]
    return load, names
