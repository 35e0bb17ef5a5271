# %% [markdown]
# # How low can it go?
#
# The irreducible loss is what no model, no data and no compute removes. It decides what a larger run can still win, and
# it lies below everything that was ever measured: an extrapolation to infinity. This notebook asks for it where the
# answer is known. The corpus `source` is a language of random words whose entropy rate can be worked out exactly,
# 1.334350 nats per byte; no model can do better, and a large enough one does no worse.

# %%
import json

import matplotlib.pyplot as plt
import xarray as xr

import bayescale as bs
from bayescale import plots
from bayescale.report.words.answers import say_answer

runs = bs.load_shipped("tinylm")
truth = json.loads(runs.attrs["truth"])["source"]
lowest = runs["loss"].groupby(runs["family"]).min()
print(lowest.to_series().round(3).to_string())
print(f"known floor of source: {truth}")

# %% [markdown]
# The best run of `source` is still far above its floor, so this is no easy case.
#
# ## What one form says

# %%
fit = bs.fit(runs, model="chinchilla", seed=1)
floor = bs.irreducible_loss(fit)
print(bs.verdict(fit).sentence)
print(floor.pipe(bs.summary, prob=(0.95,)).round(3).to_string())
print("learned: " + ", ".join(f"{name} {float(share):.0%}" for name, share in floor["learned"].to_series().items()))

# %%
with plots.style():
    fig, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for ax, family in zip(axes, ["english", "source"], strict=True):
        _ = plots.plot_irreducible(floor, truth=truth if family == "source" else None, family=family, ax=ax)
        _ = ax.set_title(family)

# %% [markdown]
# `learned` is the share of the prior's spread that the runs removed. A band that is mostly the prior's is an opinion;
# this one is mostly the runs', under the assumption that Chinchilla's form holds all the way down.
#
# ## What other forms say
#
# It is that assumption which is in doubt, so it is asked of several forms on the same runs.

# %%
FORMS = ("chinchilla", "coupled", "coupled-public", "overtraining")
said = {}
for name in FORMS:
    one = fit if name == "chinchilla" else bs.fit(runs, model=name, seed=1)
    if bs.verdict(one).passed:
        said[name] = bs.irreducible_loss(one)["irreducible_loss"]
    else:
        print(f"{name}: {bs.verdict(one).sentence}")

# %%
for name, draws in said.items():
    low, middle, high = (float(draws.sel(family="source").quantile(q)) for q in (0.025, 0.5, 0.975))
    verdict = "holds" if low <= truth <= high else "misses"
    print(f"{name:15s} source {middle:.3f} (95% {low:.3f} to {high:.3f}): {verdict} the known {truth}")

# %% [markdown]
# On the same runs the medians of these forms lie farther apart than most of their bands are wide, and not every band
# holds what is known. How well each form fits is not asked here, so none is preferred. An equal pool of their draws is
# the least that an honest answer should be:

# %%
pool = xr.concat([draws.stack(sample=("chain", "draw")).reset_index("sample", drop=True) for draws in said.values()],
                 "sample")  # fmt: skip
for family in ("english", "source"):
    low, middle, high = (float(pool.sel(family=family).quantile(q)) for q in (0.025, 0.5, 0.975))
    print(f"{family}: {middle:.3f}, 95% {low:.3f} to {high:.3f} nats per byte")
low, high = (float(pool.sel(family="source").quantile(q)) for q in (0.025, 0.975))
print(f"the known floor is {'inside' if low <= truth <= high else 'outside'} the pooled band")

# %% [markdown]
# ## What families lend one another
#
# Each corpus alone, both as one, and partial pooling between the two. With this many runs a family has little to learn
# from the other; with few it would.

# %%
shrunk = bs.forms.shrinkage(runs, "chinchilla")
print(shrunk.attrs["verdicts"])
with plots.style():
    fig, axes = plt.subplots(1, 2, figsize=(11, 2.8), layout="constrained")
    for ax, parameter in zip(axes, ["E", "alpha"], strict=True):
        _ = plots.plot_shrinkage(shrunk, parameter, ax=ax)

# %%
differ = bs.answers.differences(fit, baseline="english")
print(say_answer(differ))

# %% [markdown]
# ## A corpus that was not seen
#
# From the posterior of `chinchilla`: the floor of a third corpus of this kind. Two corpora say little of how much
# corpora differ, so most of this band is the prior of that spread; it is wide, as it should be. It is of that one form
# alone: the doubt about forms, which the pool above shows, is not in it.

# %%
new = bs.irreducible_loss(bs.inference.new_family(fit))["irreducible_loss"]
low, middle, high = (float(new.quantile(q)) for q in (0.025, 0.5, 0.975))
print(f"a new corpus: {middle:.2f}, 95% {low:.2f} to {high:.2f} nats per byte")

# %% [markdown]
# ## A posterior as the next study's prior
#
# Somebody with three runs of such a corpus need not begin from nothing. `prior_from` writes the population as a card,
# stated at this study's reference run:

# %%
card = bs.inference.prior_from(fit, name="next")
for name in ("E", "alpha", "beta"):
    print(f"{name:6s} {card.priors[name]}")
