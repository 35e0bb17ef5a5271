# %% [markdown]
# # Should you believe it?
#
# A scaling law fitted to small runs says what a run a hundred times larger will reach, with a band around it. Whether
# the band can be believed is a question about four things, each of which can be looked at:
#
# 1. **the form**: is the law right where there are no runs?
# 2. **the machinery**: does the sampler give the posterior that the model asks for?
# 3. **the model on these runs**: does it describe them, and does the answer hang on one run or on a prior?
# 4. **the record**: when the outcome was known, how often did such bands hold?
#
# The package comes with runs of its own, on English and on a made-up language. We hide the largest of them.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

import bayescale as bs
from bayescale import plots
from bayescale.forms import forms_for, held_out, rehearse, unpack_skipped

runs = bs.load_shipped("tinylm")
print(bs.runs.describe_runs(runs))

# %% [markdown]
# ## 1. The form
#
# Every answer at 100x is an extrapolation by some form. Here is Hoffmann's, fitted to the runs a hundred times smaller
# than the largest, against what the larger ones then did.

# %%
FACTORS = (10.0, 100.0)
plain = bs.backtest(runs, "chinchilla", factor=FACTORS)
bs.forms.score(plain)

# %% [markdown]
# It is confident and wrong, and nothing in its diagnostics says so: a posterior of one fixed form takes the form as
# exact. The cure has two parts. A **drift** lets log loss leave the law slowly along compute, more slowly at large
# scale, and **several forms** are asked. Both have priors that were chosen on public runs (`models/defaults.toml`),
# not from these.

# %%
cards, weights = forms_for(runs)
rehearsed = rehearse(runs, cards.values(), (10.0, 100.0, 300.0))
stacked = held_out(rehearsed, weights, FACTORS)
print(*(unpack_skipped(rehearsed) or ["every form could be fitted at every cut-off"]), sep="\n")
table = pd.concat({"chinchilla alone": bs.forms.score(plain), "forecast": bs.forms.score(stacked)}, names=["model"])
table

# %%
with plots.style():
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for ax, (name, held) in zip(axes, {"chinchilla alone": plain, "forecast": stacked}.items(), strict=True):
        plots.plot_backtest(held, ax=ax)
        ax.set_title(name)

# %% [markdown]
# The weights are earned on the runs below the cut-off: a form counts for more that predicted larger runs than it was
# fitted to. Below the cut-off at 10x these are up to 10x and 30x larger, below that at 100x up to 3x; `bs.forecast`
# has more cut-offs. The weights move little, on purpose: runs beyond a cut-off share one error of the form, so that
# together they count as one run, and as less than one where the question lies farther than any rehearsal.

# %%
by_factor = stacked["weight"].groupby(stacked["factor"]).mean()
by_factor.to_pandas().T.round(2)

# %% [markdown]
# ## 2. The machinery
#
# If a card's beliefs are true, its 90% band must hold the truth nine times in ten. `make calibration` draws the truth
# from the priors, simulates a run log, fits it and ranks the truth among the draws, 200 times for each card. This is
# its first look at every card: how many quantities were ranked, how many left the band that 99% of sound ones stay in,
# and how often their 90% bands held the truth. [docs/calibration.md](../docs/calibration.md) has the second look, 400
# more at the cards with a quantity outside.

# %%
calibration = pd.read_csv(Path("../data/calibration/sbc.csv"))
first = calibration[calibration["seed"] == 1]
outside, expected = first["outside"].sum(), 0.01 * len(first)
print(f"{len(first)} quantities of {first['card'].nunique()} cards: {outside} outside, about {expected:.0f} by chance")
print(f"90% bands held the truth {first['covered_90'].mean():.1%} of the time")
by_card = first.groupby("card").agg(
    quantities=("parameter", "size"),
    outside=("outside", "sum"),
    coverage=("covered_90", "mean"),
    least=("covered_90", "min"),
    most=("covered_90", "max"),
)
by_card.round(3)

# %% [markdown]
# ## 3. The model on these runs
#
# We look at the Chinchilla posterior of all the runs: do the runs look like draws from it, each predicted from the
# others?

# %%
fit = bs.fit(runs, "chinchilla", seed=1)
checked = bs.trust.check_predictive(fit)
with plots.style():
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    plots.plot_loo_pit(checked, ax=axes[0])
    plots.plot_coverage(checked, ax=axes[1])

# %% [markdown]
# **Does the answer lean on a prior?** Each prior is counted half and twice (power-scaling), and the answer followed.

# %%
leaning = bs.trust.prior_sensitivity(fit)
for sentence in leaning["sentence"].values:
    print(sentence)

# %% [markdown]
# **Does it hang on one run?** Each run is left out in turn, by importance weights.

# %%
moved = bs.trust.influence(fit)
print(moved.attrs["sentence"])
with plots.style():
    figure, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
    plots.plot_influence(moved, family="english", ax=ax)

# %% [markdown]
# ## 4. The record
#
# The same comparison on sets of public runs: fitted on the runs at C <= Cmax / 100, the rest predicted. The table
# is committed with the command that made it, `make benchmark-trust`; Winkler is the interval score of the 90% band, in
# % of the loss, lower is better.

# %%
results = pd.read_csv(Path("../benchmarks/results.csv"))
columns = ["coverage", "coverage_top", "winkler", "width", "error"]
shown = ["stacked forecast", "plain chinchilla", "plain coupled-public", "plain kaplan"]
at_100x = results[(results["factor"] == 100) & results["method"].isin(shown)]
scored = at_100x.groupby("set")["method"].nunique() == len(shown)  # a mean over other sets is of other sets
print(f"{scored.sum()} sets on which all of these are scored")
at_100x[at_100x["set"].map(scored)].groupby("method")[columns].mean().round(2).sort_values("winkler")

# %% [markdown]
# ## The grade
#
# None of this is hidden behind a single number, but a number without it is not shown either: every extrapolation
# carries a letter, and the five things that it is made of.

# %%
far = bs.extrapolate(fit, "100x", family="english")
graded = bs.grade(far, held=plain, sensitivity=leaning, family="english")
print(graded.sentence)
for part in graded.parts:
    print(f"  {part.name:12} {part.level:5} {part.sentence}")
