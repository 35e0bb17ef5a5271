"""The second answer in words: which form do the runs support, and what does that do to the split?"""

from bayescale.numbers import human_number
from bayescale.report.numbers import Numbers
from bayescale.report.words.phrases import (
    Answer,
    Remark,
    farthest_test,
    judgement,
    lead_text,
    leaning,
    not_quoted_text,
    sureness_of,
    verdict_on_form,
)

# A factor in N below which the two splits count as the same.
SAME_SIZE = 1.25


def form_answer(n: Numbers) -> Answer:
    """Return which form the two tests support, and the split by each."""
    q = n["question"]
    model, against = q["model"], q["against"]
    shown = list(n["extrapolation"])
    failed = len(shown) == 2 and all(judgement(n, name) == "failed" for name in shown)
    return Answer(
        "form",
        f"{against.capitalize()} or {model.capitalize()}: which form do the runs support?",
        (verdict_on_form(n),),
        ("Neither form's bands held on the largest runs: the better of the two is not thereby good.",)
        if failed
        else tuple(not_quoted_text(n)),
        (
            *_list_tests(n),
            *(
                Remark(f"The split{'' if len(n['families']) == 1 else ', ' + f}", _split_text(n, f))
                for f in n["families"]
                if shown
            ),
            *(
                Remark(f"{point.about}, {name}", point.text)
                for name in shown
                for point in leaning(n["prior_sensitivity"].get(name, []), "params")
            ),
        ),
        sureness_of(n, *shown),
    )


def _list_tests(n: Numbers) -> tuple[Remark, ...]:
    if n["not_quoted"]:
        return (Remark("What could be held instead", "another pair of forms, by --model and --against."),)
    return (
        Remark("Leaving out one run (LOO)", _loo_text(n)),
        Remark("Leaving out the largest", _ahead_text(n)),
        Remark("Which test answers what", _which_text(n)),
    )


def _ahead_by_text(test: Numbers) -> str:
    clear = "" if test["clear"] else ", which is not clear"
    return f"{test['better']} is ahead by {lead_text(test)} in log density{clear}"


def _loo_text(n: Numbers) -> str:
    table = n["forms"]["loo"]["table"]
    weights = ", ".join(f"{row['model']} {row['weight']:.2f}" for row in table)
    text = f"over {n['runs']} runs {_ahead_by_text(n['forms']['loo'])}; stacking weights: {weights}."
    refitted = [f"{row['refitted']:.0f} for {row['model']}" for row in table if row["refitted"]]
    bad = [f"{row['bad_k']:.0f} for {row['model']}" for row in table if row["bad_k"] and not row["refitted"]]
    if refitted:
        text += f" Where the shortcut (PSIS) was not reliable, runs were refitted: {', '.join(refitted)}."
    if bad:
        text += f" The shortcut (PSIS) is not reliable for some runs and they were not refitted: {', '.join(bad)}."
    return text


def _ahead_text(n: Numbers) -> str:
    out = []
    for factor, test in sorted(n["forms"]["largest_left_out"].items(), key=lambda item: -float(item[0])):
        if test is None:
            out.append(f"from runs {factor}x smaller: not tested for both forms.")
            continue
        errors = " and ".join(
            f"{n['backtest'][name]['by_factor'][factor]['median_error_percent']:.1f}% by {name}"
            for name in (n["question"]["model"], n["question"]["against"])
        )
        out.append(
            f"from runs {factor}x smaller, over the {test['runs']} larger ones, {_ahead_by_text(test)} (median miss "
            f"{errors})."
        )
    return " Then ".join(out)


def _which_text(n: Numbers) -> str:
    text = (
        "LOO says which form describes runs like these. Leaving out the largest says which form predicts larger "
        "runs, which is what the first answer needs."
    )
    loo, test = n["forms"]["loo"], farthest_test(n)
    if test is None or test[1]["better"] == loo["better"]:
        return text
    if loo["clear"] or test[1]["clear"]:
        claim = f"to predict larger runs, {test[1]['better']} has the better claim"
        weighed = ", and such tests are what the first answer weighs its forms by" if n["forecast"]["possible"] else ""
        return f"{text} They point apart: {claim}{weighed}."
    return f"{text} They point apart, neither of them clearly."


def _split_text(n: Numbers, family: str) -> str:
    q = n["question"]
    best = {model: by[family]["optimal"] for model, by in n["extrapolation"].items()}
    each = []
    for model, split in best.items():
        a, params = split["exponent_params"], split["params"]
        low, high = a["bands"]["95"]
        size = " to ".join(human_number(x) for x in params["bands"]["95"])
        each.append(
            f"By {model}, N grows as C^{a['median']:.2f} (95%: {low:.2f} to {high:.2f}): N = "
            f"{human_number(params['median'])} (95%: {size}) at {q['times_largest_run']:.3g}x, with "
            f"{human_number(split['tokens_per_param']['median'])} tokens per parameter. "
            f"Grade {n['extrapolation'][model][family]['optimal_grade']['sentence']}."
        )
    if len(best) < 2:
        return each[0]
    first, second = (split["params"]["median"] for split in best.values())
    ratio = max(first / second, second / first)
    if ratio < SAME_SIZE:
        each.append("The two forms recommend nearly the same size.")
    else:
        larger = q["model"] if first > second else q["against"]
        each.append(f"{larger.capitalize()} asks for a model {ratio:.2g} times as large.")
    return " ".join(each)
