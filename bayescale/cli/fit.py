"""The commands ``bayescale fit`` and ``bayescale prior``: runs to a posterior, a posterior to a card."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

import bayescale as bs
from bayescale.cli.console import sampling_bar, warn
from bayescale.cli.options import CHAINS, DRAWS, MODEL, OUTPUT, SEED, TUNE, Count, Fit, Known, Model, Output, Runs, Seed
from bayescale.cli.posterior import NEW, known_labels
from bayescale.cli.reading import CURVE_READING, CurveReading, read_for_cards, warn_of_design
from bayescale.cli.schema import Check, Document, ParameterRow
from bayescale.cli.show import print_table, say, say_file
from bayescale.errors import OutputError, QuestionError
from bayescale.numbers import human_number

if TYPE_CHECKING:
    import xarray as xr


def fit(
    runs: Runs,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"], metavar="FIT.nc", help="File for the posterior.")],
    model: Model = MODEL,
    reading: CurveReading = CURVE_READING,
    draws: Count = DRAWS,
    tune: Count = TUNE,
    chains: Count = CHAINS,
    seed: Seed = SEED,
) -> Document:
    """Sample a posterior and save it."""
    from bayescale.inference import check_can_save, verdict
    from bayescale.trust import dependence, dependence_warnings

    if output.suffix != ".nc":
        raise QuestionError(f"-o {output}: a posterior's file ends in .nc.")
    check_can_save(output)
    log = read_for_cards(runs, reading, [model])
    warn_of_design(log, [bs.load_card(model)])
    with sampling_bar(model) as progress:
        tree = bs.fit(log, model, seed=seed, draws=draws, tune=tune, chains=chains, progress=progress)
    bs.save_fit(tree, output)
    judged = verdict(tree)
    document = Document(model=str(tree.attrs["model"]), verdict=str(judged.sentence))
    document.checks = [
        Check(name=c.name, value=float(c.value), limit=float(c.limit), worst=str(c.worst), passed=bool(c.passed))
        for c in judged.checks
    ]
    print_table(
        f"{tree.attrs['model']} on {tree.attrs['runs']} runs: diagnostics",
        ["check", "worst", "limit", "where", "passed"],
        [(c.name, f"{c.value:.4g}", f"{c.limit:g}", c.worst, "yes" if c.passed else "NO") for c in document.checks],
    )
    _show_parameters(document, tree, model)
    for sentence in dependence_warnings(dependence(tree, allow_unconverged=True)):
        warn(sentence)
    say(document, judged.sentence)
    say_file(document, "Posterior", output)
    return document


def _show_parameters(document: Document, tree: "xr.DataTree", model: str) -> None:
    """Print what was learned of each parameter of the card, in the order of the card."""
    from bayescale.inference import prior_to_posterior
    from bayescale.laws import scale_of
    from bayescale.posterior import Posterior

    learned, order = prior_to_posterior(tree), list(bs.load_card(model).all_priors)
    names = [name for name in learned["parameter"].values if name.split("[")[0] in order]
    names.sort(key=lambda name: order.index(name.split("[")[0]))
    columns = ("median", "lower", "upper", "prior_lower", "prior_upper", "learned")
    rows = {str(name): {column: float(learned[column].sel(parameter=name)) for column in columns} for name in names}
    document.parameters = [ParameterRow.model_validate({"name": name, **row}) for name, row in rows.items()]
    reference = ", ".join(
        f"{scale_of(name).symbol} = {human_number(value)}" for name, value in Posterior(tree).reference.items()
    )
    print_table(
        f"parameters at the reference run ({reference})",
        ["parameter", "median", "95% band", "prior 95%", "learned"],
        [
            (
                name,
                f"{row['median']:.4g}",
                f"{row['lower']:.4g} to {row['upper']:.4g}",
                f"{row['prior_lower']:.3g} to {row['prior_upper']:.3g}",
                f"{max(row['learned'], 0):.0%}",
            )
            for name, row in rows.items()
        ],
    )


def prior(
    fit: Fit,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"], metavar="CARD.toml", help="File for the card.")],
    family: Annotated[
        str | None, Parameter(help="The family that the next runs are of (default: `new`, one that was not seen).")
    ] = None,
    known: Annotated[Known, Parameter(help="What is known of that family: corpus=c4.")] = None,
    widen: Annotated[float, Parameter(help="How many times wider each prior is.")] = 1.0,
    printing: Output = OUTPUT,
) -> Document:
    """Write a card whose priors are a posterior: one study for the next."""
    from bayescale.inference import check_can_save, prior_from
    from bayescale.report.card_text import card_text

    if output.suffix != ".toml":
        raise QuestionError(f"-o {output}: a card's file ends in .toml.")
    check_can_save(output)
    tree = bs.load_fit(fit)
    whose = None if family == NEW else family
    card = prior_from(tree, family=whose, name=output.stem, widen=widen, **known_labels(known, tree))
    try:
        output.write_text(card_text(card.model_dump(mode="json")) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {output}: {error.strerror or error}.") from None
    priors = [(name, str(one)) for name, one in card.all_priors.items()]
    print_table("priors, at the study's reference run", ["parameter", "prior"], priors)
    document = Document(
        model=str(tree.attrs["model"]), parameters=[ParameterRow(name=name, prior=text) for name, text in priors]
    )
    say_file(document, "written", output)
    say(document, f"Use it: bayescale fit RUNS --model {output} -o NEXT.nc")
    return document
