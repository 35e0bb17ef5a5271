"""Which column of a file is which quantity."""

import re
from collections.abc import Iterable, Mapping

from bayescale.errors import RunsError, did_you_mean

ALIASES: dict[str, tuple[str, ...]] = {
    "run": ("name", "id", "run_id", "run_name"),
    "family": ("corpus", "group", "dataset", "architecture"),
    "params": (
        *("N", "n_params", "num_params", "parameters", "n_parameters", "num_parameters", "model_size"),
        *("params_total", "total_params", "params_non_embedding", "non_embedding_params"),
    ),
    "tokens": ("D", "n_tokens", "num_tokens", "train_tokens", "training_tokens"),
    "compute": (
        *("C", "flop", "flops", "train_flop", "train_flops", "training_flop", "training_flops"),
        *("compute_flop", "compute_flops", "budget"),
    ),
    "loss": (
        *("L", "val_loss", "valid_loss", "validation_loss", "eval_loss", "test_loss", "final_loss"),
        *("loss_nats", "loss_bits", "bpb", "bits_per_byte"),
    ),
    "loss_se": ("loss_sd", "loss_stderr", "loss_std_err", "stderr", "se"),
    "seed": ("random_seed",),
    "step": ("global_step", "training_step"),
}
"""The names by which each quantity is found; case, spaces, underscores and hyphens do not count."""

SYMBOLS = {"params": "N", "tokens": "D", "compute": "C"}


def squash(name: str) -> str:
    """Return the name without case, spaces, underscores and hyphens."""
    return re.sub(r"[\s_\-]+", "", str(name)).lower()


def match_columns(
    names: Iterable[str], columns: Mapping[str, str | None] | None = None, source: str = "the runs"
) -> dict[str, str]:
    """Say which column holds which quantity.

    Parameters
    ----------
    names : iterable of str
        The columns of the file.
    columns : mapping of str to str, optional
        Quantity to column, where the names do not say it by themselves; None leaves that quantity out.
    source : str
        The file's name, for messages.

    Returns
    -------
    dict of str to str
        Canonical name to column.

    Raises
    ------
    RunsError
        A name in ``columns`` does not exist, or several columns could be the same quantity.

    Examples
    --------
    >>> from bayescale.runs.aliases import match_columns
    >>> match_columns(["Model Size", "D", "val_loss"])
    {'params': 'Model Size', 'tokens': 'D', 'loss': 'val_loss'}
    """
    present = [str(name) for name in names]
    given = dict(columns or {})
    _check_given(given, present, source)
    taken = {column for column in given.values() if column is not None}
    found: dict[str, str] = {}
    clashes: list[str] = []
    for quantity, aliases in ALIASES.items():
        if quantity in given:
            column = given[quantity]
            if column is not None:
                found[quantity] = column
            continue
        free = [name for name in present if name not in taken]
        own = [name for name in free if squash(name) == squash(quantity)]
        known = {squash(alias) for alias in aliases}
        choices = own or [name for name in free if squash(name) in known]
        if len(choices) == 1:
            found[quantity] = choices[0]
        elif choices:
            several = ", ".join(repr(name) for name in choices)
            clashes.append(f"{several} could each be {quantity}: pass columns={{{quantity!r}: {choices[0]!r}}}")
    if clashes:
        raise RunsError(
            f"{source} does not say which column to read.\n  "
            + "\n  ".join(clashes)
            + "\n(or name the right one; on the command line: --columns quantity=column)"
        )
    return found


def _check_given(given: Mapping[str, str | None], present: list[str], source: str) -> None:
    """Refuse an explicit pairing that names a quantity or a column that does not exist."""
    for quantity, column in given.items():
        if quantity not in ALIASES:
            raise RunsError(
                f"columns={{{quantity!r}: ...}}: there is no quantity {quantity!r}; accepted: {', '.join(ALIASES)}."
                + did_you_mean(quantity, ALIASES)
            )
        if column is not None and column not in present:
            raise RunsError(
                f"{source} has no column {column!r}, which columns= names for {quantity}."
                f"{did_you_mean(column, present)}\n  Its columns: {', '.join(present)}"
            )


def require_quantities(found: Mapping[str, str], present: list[str], source: str) -> None:
    """Refuse a file without a loss, or with fewer than two of N, D and C."""
    lacking = [f"{name} ({symbol})" for name, symbol in SYMBOLS.items() if name not in found]
    said: list[str] = []
    if "loss" not in found:
        said.append("It has no column for the loss.")
        said += [
            f"The loss is the natural log of {name!r}: add that as a column 'loss'." for name in present if _ppl(name)
        ]
    if len(lacking) > 1:
        said.append(
            f"It has no column for {' or '.join(lacking)}; two of params (N), tokens (D), compute (C) are needed."
        )
    if not said:
        return
    if len(present) == 1 and re.search(r"[;\t|]", present[0]):
        said.append("It has one column only: is it separated by something other than commas (tabs: name it .tsv)?")
    missing = "loss" if "loss" not in found else next(name for name in SYMBOLS if name not in found)
    spare = [name for name in present if name not in found.values()]
    example = repr(spare[0]) if spare else "'my column'"
    raise RunsError(
        f"{source} cannot be read as runs:\n  "
        + "\n  ".join(said)
        + f"\n  Its columns: {', '.join(present)}"
        + f"\n  Found by their names: {', '.join(ALIASES[missing][:6])}, ...; for any other, pass "
        + f"columns={{{missing!r}: {example}}} (on the command line: --columns {missing}=...)"
    )


def _ppl(name: str) -> bool:
    return "perplexity" in squash(name) or "ppl" in squash(name)
