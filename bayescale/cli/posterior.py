"""The questions that a saved posterior answers at once: extrapolate, split, irreducible, differences, outliers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

import bayescale as bs
from bayescale.cli.options import (
    KNOWN,
    OF_POSTERIOR,
    OUTPUT,
    SEED,
    WHERE,
    At,
    Count,
    Fit,
    OfPosterior,
    Output,
    Picture,
    Seed,
    Unconverged,
    Where,
    Words,
    read_at,
    read_pairs,
)
from bayescale.cli.schema import Document
from bayescale.cli.show import check_picture_file, coordinate_columns, draw_picture, sentences_of, show
from bayescale.errors import QuestionError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import xarray as xr

    from bayescale.trust import Grade

NEW, SHOWN = "new", 20


def open_posterior(file: Path, asked: OfPosterior) -> "tuple[xr.DataTree, str | None, str]":
    """Return the posterior in a file, the family to ask it about, and the name of that family for the table.

    For a family that was not seen, the posterior is that of the new family.
    """
    fit = bs.load_fit(file)
    if asked.family != NEW:
        if asked.known:
            raise QuestionError(f"--known says what is known of a family that was not seen: add --family {NEW}.")
        return fit, asked.family, asked.family or ""
    from bayescale.inference import new_family
    from bayescale.posterior import Posterior

    new = new_family(fit, allow_unconverged=asked.allow_unconverged, **known_labels(asked.known, fit))
    return new, None, Posterior(new).families[0]


def known_labels(words: "Sequence[str] | None", fit: "xr.DataTree") -> dict[str, Any]:
    """Return what ``--known group=label`` says of a family that was not seen, by group."""
    known: dict[str, Any] = {}
    for name, label in read_pairs(words, KNOWN):
        if known.setdefault(name, label) != label:
            raise QuestionError(f"--known: {name} is said to be {known[name]} and {label}; a family is of one {name}.")
    if known:
        from bayescale.inference.new_family import check_known

        check_known(fit, known)
    return known


def grade_of(fit: "xr.DataTree") -> "Callable[[xr.Dataset, int], Grade | None]":
    """Return what grades a point of an answer of that posterior; None for a number that was put in."""
    from bayescale.trust.grade import grade_alone, was_put_in

    return lambda one, point: None if was_put_in(one) else grade_alone(fit, one, point=point)


def extrapolate(fit: Fit, /, *, where: Where = WHERE, seed: Seed = SEED, asked: OfPosterior = OF_POSTERIOR) -> Document:
    """Print the loss at larger compute, with its band."""
    from bayescale.posterior import Posterior

    tree, family, name = open_posterior(fit, asked)
    answer = bs.extrapolate(
        tree,
        where.compute,
        params=where.params,
        tokens=where.tokens,
        at=read_at(where.at),
        family=family,
        seed=seed,
        allow_unconverged=asked.allow_unconverged,
    )
    law, attrs = Posterior(tree).law, answer.attrs
    shares = {"share_parameters": "params' share", "share_drift": "drift's share", "share_errors": "errors' share"}
    return show(
        answer,
        f"{attrs['question']} ({attrs['loss_unit']}), model {attrs['model']}",
        across={law.response: law.response},
        beside={name: title for name, title in shares.items() if name in answer} | {"decades_beyond": "beyond"},
        before=coordinate_columns(
            n for n in dict.fromkeys(("compute", "params", "tokens", *law.inputs)) if n in answer
        ),
        family=name,
        grade=grade_of(tree),
        last=f"shares: of the band's squared width, the rest is run noise. beyond: decades of "
        f"{attrs['distance_in']} past the largest run.\n"
        f"The band is that of this form alone; `bayescale forecast RUNS.csv` asks several, tested on your runs.",
    )


def split(
    fit: Fit,
    /,
    *,
    compute: Annotated[
        Words, Parameter(help="Multiples of the largest run (100x, the default) or FLOP (1e26).")
    ] = None,
    at: At = None,
    picture: Picture = None,
    asked: OfPosterior = OF_POSTERIOR,
) -> Document:
    """Print the compute-optimal N, D and D/N, with bands."""
    check_picture_file(picture)
    tree, family, name = open_posterior(fit, asked)
    answer = bs.optimal_split(
        tree, compute or ["100x"], at=read_at(at), family=family, allow_unconverged=asked.allow_unconverged
    )
    document = show(
        answer,
        f"compute-optimal split, model {answer.attrs['model']} (median and 95% band)",
        across={"params": "N", "tokens": "D", "tokens_per_param": "D/N"},
        beside={"decades_beyond": "beyond"},
        before=coordinate_columns(["compute"]),
        family=name,
        grade=grade_of(tree),
        last=_exponent_text(answer, name),
    )
    draw_picture(document, picture, "plot_frontier", answer)
    return document


def _exponent_text(answer: "xr.Dataset", family: str) -> str:
    """Say how the compute-optimal N of each family grows with compute at the last budget."""
    a = answer["a"].isel(point=-1) if "point" in answer["a"].dims else answer["a"]
    exponents = []
    for name in a["family"].values if "family" in a.dims else [family]:
        one = a.sel(family=name) if "family" in a.dims else a
        low, middle, high = (float(x) for x in one.quantile([0.025, 0.5, 0.975], ("chain", "draw")))
        exponents.append(f"{name}: " * bool(name) + f"N_opt ~ C^{middle:.3f} [{low:.3f}, {high:.3f}]")
    return "; ".join(exponents) + f"; D_opt takes the rest (C = {answer.attrs['cost']})."


def irreducible(fit: Fit, /, *, picture: Picture = None, asked: OfPosterior = OF_POSTERIOR) -> Document:
    """Print how low the loss can go, with its band."""
    check_picture_file(picture)
    tree, family, name = open_posterior(fit, asked)
    answer = bs.irreducible_loss(tree, family=family, allow_unconverged=asked.allow_unconverged)
    document = show(
        answer,
        f"irreducible loss ({answer.attrs['loss_unit']}), model {answer.attrs['model']}",
        across={"irreducible_loss": "median"},
        beside={"lowest_seen": "lowest loss seen"},
        lines_of={"population": "population", "new_family": "a new family"},
        family=name,
        grade=grade_of(tree),
        last=answer.attrs["warning"] or "The runs identify it: most of the prior's spread is gone.",
    )
    draw_picture(document, picture, "plot_irreducible", answer)
    return document


def differences(
    fit: Fit,
    /,
    *,
    group: Annotated[str, Parameter(help="Families, or a group that the card names.")] = "family",
    baseline: Annotated[
        str | None, Parameter(help="The level that the others are compared with (default: the first).")
    ] = None,
    allow_unconverged: Unconverged = False,
    output: Output = OUTPUT,
) -> Document:
    """Print by how much the constants of families, schedules and other groups differ."""
    import xarray as xr

    from bayescale.answers import differences as ask_differences

    answer = ask_differences(bs.load_fit(fit), group, baseline=baseline, allow_unconverged=allow_unconverged)
    pairs = [(str(name), level) for name in answer["parameter"].values for level in answer[group].values]
    chance = answer["probability_higher"].stack(point=("parameter", group)).values
    surest = set(sorted(range(len(pairs)), key=lambda k: -abs(float(chance[k]) - 0.5))[:SHOWN])
    ratios = [answer[name].sel({group: level}).reset_coords(drop=True).drop_attrs() for name, level in pairs]
    names = {"parameter": [name for name, _ in pairs], group: [str(level) for _, level in pairs]}
    table = xr.Dataset(
        {"ratio": xr.concat(ratios, "point"), "probability_higher": ("point", chance)},
        coords={name: ("point", labels) for name, labels in names.items()},
        attrs=answer.attrs,
    )
    return show(
        table,
        f"{answer.attrs['question']}{f': the {SHOWN} surest of {len(pairs)}' * (len(pairs) > SHOWN)}\n"
        "(how many times as large; of what may be negative, the difference)",
        across={"ratio": "median"},
        beside={"probability_higher": "P(higher)"},
        printed=lambda row: row.labels["point"] in surest,
        last=sentences_of(answer),
    )


def outliers(
    fit: Fit,
    /,
    *,
    top: Annotated[Count, Parameter(help="How many runs to list.")] = SHOWN,
    picture: Picture = None,
    allow_unconverged: Unconverged = False,
    output: Output = OUTPUT,
) -> Document:
    """Print the runs that lie off the law: how likely each is undertuned, or how little it counts."""
    from bayescale.answers import outlier_runs

    check_picture_file(picture)
    answer = outlier_runs(bs.load_fit(fit), allow_unconverged=allow_unconverged)
    judged = "probability" if "probability" in answer else "weight"
    title = {"probability": "probability of being undertuned", "weight": "weight against a run on the law"}[judged]
    first = set(map(str, answer["run"].values[:top]))
    document = show(
        answer,
        f"runs off the law, model {answer.attrs['model']}: the first {len(first)} of {answer.sizes['run']}",
        across={"residual": "residual"},
        beside={judged: title},
        printed=lambda row: str(row.labels["run"]) in first,
        last=sentences_of(answer),
    )
    draw_picture(document, picture, "plot_outliers", answer)
    return document
