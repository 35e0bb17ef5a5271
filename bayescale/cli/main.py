"""The command ``bayescale``: words in, public API called, answer printed last."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import xarray as xr

import bayescale as bs
from bayescale.cli.ask import add_ask, ask
from bayescale.cli.console import (
    WARNING,
    band,
    by_family,
    err,
    out,
    print_answer,
    print_table,
    sampling_bar,
    steps,
)
from bayescale.cli.curves import add_finish, check_curves, curve_options, finish, read_ends, read_for
from bayescale.cli.families import (
    add_differences,
    add_families,
    add_prior,
    differences,
    families,
    family_options,
    fit_of,
    prior,
)
from bayescale.cli.forms import add_backtest, add_forecast, backtest, compare, forecast
from bayescale.cli.models import list_models, show_model
from bayescale.cli.outliers import add_outliers, outliers
from bayescale.cli.runs import given_at, positive, read, reading_options, runs_options, warn_of_design
from bayescale.design import identified
from bayescale.errors import DesignError, QuestionError
from bayescale.inference import check_can_save
from bayescale.inference.diagnostics import parameter_of
from bayescale.inference.sampling import CHAINS, DRAWS, SEED, TUNE
from bayescale.laws import scale_of
from bayescale.numbers import human_number
from bayescale.posterior import Posterior
from bayescale.report import check_writable, terminal_summary, write_report
from bayescale.studies import study as run_study
from bayescale.trust import dependence_warnings, grade_alone
from bayescale.trust.grade import was_put_in

INTERRUPTED, REFUSED = 130, 2
MODEL, AGAINST = "chinchilla", "kaplan"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 2 for a refusal with a message, 130 for Ctrl-C."""
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except bs.BayescaleError as error:
        err.print(f"error: {error}", markup=False)
        return REFUSED
    except KeyboardInterrupt:
        err.print("stopped: nothing was written.")
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    return 0


# ---------------------------------------------------------------------------------------------------------- commands


def _report(a: argparse.Namespace) -> None:
    check_writable(a.out)
    runs = read_ends(a)
    with steps() as say:
        study = run_study(runs, model=a.model, against=a.against, at=a.at, forms=a.forms, seed=a.seed, progress=say)
        say("drawing the figures and writing the page")
        page = write_report(study, a.out)
    out.print(terminal_summary(study), markup=False)
    out.print(f"Report: {a.out / page.name}", markup=False)


def _fit(a: argparse.Namespace) -> None:
    if a.output.suffix != ".nc":
        raise QuestionError(f"-o {a.output}: a posterior's file ends in .nc.")
    check_can_save(a.output)
    runs = read_for(a, [a.model])
    warn_of_design(runs, [bs.load_card(a.model)])
    with sampling_bar(a.model) as progress:
        fit = bs.fit(runs, a.model, seed=a.seed, draws=a.draws, tune=a.tune, chains=a.chains, progress=progress)
    bs.save_fit(fit, a.output)
    verdict = bs.verdict(fit)
    print_table(
        f"{fit.attrs['model']} on {fit.attrs['runs']} runs: diagnostics",
        ["check", "worst", "limit", "where", "passed"],
        [(c.name, f"{c.value:.4g}", f"{c.limit:g}", c.worst, "yes" if c.passed else "NO") for c in verdict.checks],
    )
    learned = bs.prior_to_posterior(fit)
    order = list(bs.load_card(a.model).all_priors)
    names = [name for name in learned["parameter"].values if parameter_of(name)[0] in order]
    names.sort(key=lambda name: order.index(parameter_of(name)[0]))
    print_table(
        f"parameters at the reference run ({_reference(fit)})",
        ["parameter", "median", "95% band", "prior 95%", "learned"],
        [_parameter_row(learned.sel(parameter=name)) for name in names],
    )
    for sentence in dependence_warnings(bs.dependence(fit, allow_unconverged=True)):
        err.print(f"{WARNING}{sentence}", markup=False)
    out.print(f"{verdict.sentence}\nPosterior: {a.output}", markup=False)


def _extrapolate(a: argparse.Namespace) -> None:
    fit = fit_of(a)
    answer = bs.extrapolate(
        fit,
        a.compute,
        params=a.params,
        tokens=a.tokens,
        at=given_at(a),
        family=a.family,
        seed=a.seed,
        allow_unconverged=a.allow_unconverged,
    )
    law = Posterior(fit).law
    response = law.response
    given = [name for name in dict.fromkeys(("compute", "params", "tokens", *law.inputs)) if name in answer]
    shares = {"share_parameters": "params' share", "share_drift": "drift's share", "share_errors": "errors' share"}
    shares = {name: title for name, title in shares.items() if name in answer}
    rows, grades = [], []
    for family, one in by_family(answer, a.asked_of):
        for i in range(one.sizes["point"]):
            at = one.isel(point=i)
            low, middle, high = band(at[response])
            grades.append(grade_alone(fit, one, point=i))
            rows.append(
                (
                    family,
                    *(f"{float(at[n]):.3g}" if n == "compute" else human_number(float(at[n])) for n in given),
                    f"{middle:.4g}",
                    f"{low:.4g} to {high:.4g}",
                    *(f"{float(at[share]):.0%}" for share in shares),
                    f"{float(at['decades_beyond']):+.1f}",
                    grades[-1].letter,
                )
            )
    unit = answer.attrs["loss_unit"]
    titles = {"compute": "C (FLOP)", "params": "N", "tokens": "D"}
    print_answer(
        f"{answer.attrs['question']} ({unit}), model {answer.attrs['model']}",
        ["family", *(titles.get(n, n) for n in given), response, "95% band", *shares.values(), "beyond", "grade"],
        rows,
        answer,
        f"shares: of the band's squared width, the rest is run noise. beyond: decades of "
        f"{answer.attrs['distance_in']} past the largest run.\n"
        f"The band is that of this form alone; `bayescale forecast RUNS.csv` asks several, tested on your runs.\n"
        f"Grade {max(grades, key=lambda g: g.letter).sentence}.",
    )


def _split(a: argparse.Namespace) -> None:
    fit = fit_of(a)
    answer = bs.optimal_split(fit, a.compute, at=given_at(a), family=a.family, allow_unconverged=a.allow_unconverged)
    rows, exponents, grades = [], [], []
    for family, one in by_family(answer, a.asked_of):
        for i in range(one.sizes["point"]):
            at = one.isel(point=i)
            grades.append(grade_alone(fit, one, point=i))
            bands = [
                "{1} [{0}, {2}]".format(*(human_number(x, 2) for x in band(at[name])))
                for name in ("params", "tokens", "tokens_per_param")
            ]
            beyond = f"{float(at['decades_beyond']):+.1f}"
            rows.append((family, f"{float(at['compute']):.3g}", *bands, beyond, grades[-1].letter))
        low, middle, high = band(one["a"])
        exponents.append(f"{family + ': ' if family else ''}N_opt ~ C^{middle:.3f} [{low:.3f}, {high:.3f}]")
    print_answer(
        f"compute-optimal split, model {answer.attrs['model']} (median and 95% band)",
        ["family", "C (FLOP)", "N", "D", "D/N", "beyond", "grade"],
        rows,
        answer,
        "; ".join(exponents) + f"; D_opt takes the rest (C = {answer.attrs['cost']}).\n"
        f"Grade {max(grades, key=lambda g: g.letter).sentence}.",
    )


def _irreducible(a: argparse.Namespace) -> None:
    fit = fit_of(a)
    answer = bs.irreducible_loss(fit, family=a.family, allow_unconverged=a.allow_unconverged)
    rows, grades = [], []
    for family, one in by_family(answer, a.asked_of):
        low, middle, high = band(one["irreducible_loss"])
        mine = [] if was_put_in(one) else [grade_alone(fit, one)]
        grades += mine
        letter = "".join(grade.letter for grade in mine)
        rows.append((family, f"{middle:.4g}", f"{low:.4g} to {high:.4g}", f"{float(one['lowest_seen']):.4g}", letter))
    for name, label in (("population", "population"), ("new_family", "a new family")):
        if name in answer:
            low, middle, high = band(answer[name])
            rows.append((label, f"{middle:.4g}", f"{low:.4g} to {high:.4g}", "", ""))
    worst = f"\nGrade {max(grades, key=lambda g: g.letter).sentence}." if grades else ""
    print_answer(
        f"irreducible loss ({answer.attrs['loss_unit']}), model {answer.attrs['model']}",
        ["family", "median", "95% band", "lowest loss seen", "grade"],
        rows,
        answer,
        (answer.attrs["warning"] or "The runs identify it: most of the prior's spread is gone.") + worst,
    )


def _check(a: argparse.Namespace) -> None:
    if check_curves(a):
        return
    card = bs.load_card(a.model or MODEL)
    runs = read(a)
    out.print(bs.describe_runs(runs), markup=False)
    try:
        found = bs.identifiability(runs, card)
        said = bs.unidentified(found) or [identified(found)]
    except DesignError as error:
        if a.model:
            raise
        said = [str(error)]
    other = "" if a.model else " (--model asks about another)"
    lines = [f"What the design can tell of {card.name}{other}:", *(f"  - {text}" for text in said)]
    out.print("\n".join(lines), markup=False)


def _models(a: argparse.Namespace) -> None:
    runs = read(a) if a.runs else None
    if a.action == "show":
        show_model(a.name, runs, a.picture)
    elif a.picture:
        raise QuestionError("--picture is of one model: bayescale models show NAME --picture FILE.png.")
    else:
        list_models(runs)


def _data(a: argparse.Namespace) -> None:
    for log in bs.shipped_logs():
        out.print(f"{log.name}: {log.title}\n  licence: {log.licence}\n  {log.path}", markup=False)


# ----------------------------------------------------------------------------------------------------------- helpers


def _reference(fit: xr.DataTree) -> str:
    return ", ".join(
        f"{scale_of(name).symbol} = {human_number(value)}" for name, value in Posterior(fit).reference.items()
    )


def _parameter_row(row: xr.Dataset) -> tuple[str, ...]:
    v = {name: float(row[name]) for name in row.data_vars}
    return (
        str(row["parameter"].values),
        f"{v['median']:.4g}",
        f"{v['lower']:.4g} to {v['upper']:.4g}",
        f"{v['prior_lower']:.3g} to {v['prior_upper']:.3g}",
        f"{max(v['learned'], 0):.0%}",
    )


# ------------------------------------------------------------------------------------------------------------ parser


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bayescale", description="From the logs of training runs to decisions with honest uncertainty."
    )
    parser.add_argument("--version", action="version", version=f"bayescale {bs.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Callable[[argparse.Namespace], None], summary: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=summary, description=summary)
        sub.set_defaults(run=run)
        return sub

    p = command("report", _report, "the main job: three answers, a page with figures, the posteriors")
    runs_options(p)
    p.add_argument("--forms", nargs="+", metavar="MODEL", help="the cards that the first answer stacks")
    p.add_argument("--model", default=MODEL, help=f"the plain card of answers 2 and 3 (default {MODEL})")
    p.add_argument("--against", default=AGAINST, help=f"the plain card it is held against (default {AGAINST})")
    p.add_argument("--at", default="100x", help="where to: a multiple of the largest run, or FLOP (default 100x)")
    p.add_argument("--out", type=Path, default=Path("report"), help="folder for the report (default report/)")
    curve_options(p)
    _seed(p)

    p = command("fit", _fit, "sample a posterior and save it")
    runs_options(p)
    p.add_argument("--model", default=MODEL, help=f"model card: a shipped name or a path (default {MODEL})")
    curve_options(p)
    p.add_argument("-o", "--output", type=Path, required=True, metavar="FIT.nc", help="file for the posterior")
    for name, default in (("draws", DRAWS), ("tune", TUNE), ("chains", CHAINS)):
        p.add_argument(f"--{name}", type=positive, default=default, help=f"default {default}")
    _seed(p)

    p = command("extrapolate", _extrapolate, "the loss at larger compute, with its band")
    _fit_options(p)
    p.add_argument("--compute", nargs="+", help="multiples of the largest run (100x) or FLOP (1e26)")
    p.add_argument("--params", nargs="+", help="N: 70e9 or 70B")
    p.add_argument("--tokens", nargs="+", help="D: 1.4e12 or 1.4T")
    _at_option(p)
    _seed(p)

    p = command("split", _split, "compute-optimal N, D and D/N, with bands")
    _fit_options(p)
    p.add_argument("--compute", nargs="+", default=["100x"], help="multiples of the largest run, or FLOP")
    _at_option(p)

    p = command("irreducible", _irreducible, "how low the loss can go, with its band")
    _fit_options(p)

    p = command("ask", ask, "further questions to a posterior: bigger or longer, critical batch, ...")
    add_ask(p)
    _posterior_options(p)
    _at_option(p)

    p = command(
        "outliers", outliers, "the runs that lie off the law: how likely each is undertuned, or how little it counts"
    )
    add_outliers(p)
    add_finish(command("finish", finish, "where runs in progress will end, from their checkpoints so far"))

    p = command("forecast", forecast, "the loss at larger compute by several forms, weighted by how well they predict")
    add_forecast(p)
    runs_options(p)
    curve_options(p)
    _at_option(p)
    _seed(p)

    p = command("backtest", backtest, "predict the largest runs from the smaller ones and count how often bands held")
    add_backtest(p)
    runs_options(p)
    curve_options(p)
    _seed(p)

    p = command("compare", compare, "which form the runs support, by LOO and by predicting the largest runs")
    runs_options(p)
    curve_options(p)
    p.add_argument("models", nargs="+", metavar="MODEL", help="two or more model cards")
    _seed(p)

    p = command("families", families, "what families lend one another: each alone, partially pooled, all as one")
    add_families(p)
    runs_options(p)
    curve_options(p)
    _seed(p)

    p = command("differences", differences, "by how much the constants of families, schedules, ... differ")
    add_differences(p)

    p = command("prior", prior, "write a card whose priors are a posterior: one study for the next")
    add_prior(p)

    p = command("check", _check, "what the reader understood of a run log, what is wrong with it, what it can tell")
    runs_options(p)
    curve_options(p)
    p.add_argument("--model", help=f"the card that the runs are to identify (default {MODEL})")

    p = command("models", _models, "list the models by family; `models show NAME` prints and pictures one")
    p.add_argument("action", nargs="?", choices=["show"])
    p.add_argument("name", nargs="?", default="chinchilla", help="a shipped name, NAME:COLUMN, or a path")
    p.add_argument("--for", dest="runs", type=Path, metavar="RUNS", help="which suit these runs; with show: about them")
    p.add_argument("--picture", type=Path, metavar="FILE.png", help="with show: save the picture")
    reading_options(p)

    command("data", _data, "list the run logs that come with the package")
    return parser


def _fit_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("fit", type=Path, metavar="FIT.nc", help="a posterior that `bayescale fit` wrote")
    _posterior_options(p)


def _posterior_options(p: argparse.ArgumentParser) -> None:
    family_options(p)
    p.add_argument("--allow-unconverged", action="store_true", help="answer from a failed posterior, marked")


def _at_option(p: argparse.ArgumentParser) -> None:
    p.add_argument("--at", nargs="+", metavar="NAME=VALUE", help="what else the law takes, such as unique_tokens=25B")


def _seed(p: argparse.ArgumentParser) -> None:
    p.add_argument("--seed", type=int, default=SEED, help=f"default {SEED}")
