# %% [markdown]
# # How uncertain is a 100x-compute extrapolation?
#
# Someone is about to pay for one large training run and has the logs of smaller ones. What loss will it reach, and how
# sure is that? This notebook asks the question where the answer is known: on runs that this project trained itself,
# fitting only those at a hundredth of the largest compute, and then looking.

# %%
import matplotlib.pyplot as plt
import numpy as np

import bayescale as bs
from bayescale import plots

runs = bs.load_shipped("tinylm")
print(bs.runs.describe_runs(runs))

# %% [markdown]
# Two corpora. `english` is a dictionary; `source` is a language of random words whose entropy rate is known exactly.
# Each row is a finished run: one epoch, learning rate decayed to zero.
#
# ## A posterior
#
# The model card says what is believed before seeing the runs, at the *reference run* (the geometric mean of N and D):

# %%
card = bs.load_card("chinchilla")
for name, prior in card.all_priors.items():
    low, middle, high = prior.scipy.ppf([0.025, 0.5, 0.975])
    print(f"{name:12s} {prior!s:45s} 95% {low:.3g} to {high:.3g}")

# %%
fit = bs.fit(runs, model="chinchilla", seed=1)
print(bs.verdict(fit).sentence)

# %% [markdown]
# The result is a plain ArviZ `DataTree`, so every `az.*` function works on it. The paper's own coefficients are there
# too, as transforms of what was sampled.

# %%
posterior = fit["posterior"].to_dataset()
posterior[["E", "alpha", "beta", "A", "B"]].median(("chain", "draw")).to_dataframe().round(3)

# %% [markdown]
# ## The loss at 100 times the largest run

# %%
far = bs.extrapolate(fit, compute="100x")
far.pipe(bs.summary, prob=(0.8, 0.95)).round(4)

# %%
grid = list(np.geomspace(float(runs["compute"].min()), 100 * float(runs["compute"].max()), 9))
path = bs.extrapolate(fit, compute=grid)
with plots.style():
    fig, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for ax, family in zip(axes, ["english", "source"], strict=True):
        _ = plots.plot_loss_against_compute(path, runs, floor=bs.irreducible_loss(fit), family=family, ax=ax)
        _ = ax.set_title(family)

# %% [markdown]
# The bands look confident. Should they be believed?
#
# ## Look: fit the small runs, predict the large ones
#
# `backtest` fits only the runs at or under Cmax/100 (and Cmax/10) and predicts all larger ones. The larger runs exist,
# so the bands can be counted.

# %%
held = bs.backtest(runs, "chinchilla", factor=(10, 100))
bs.forms.score(held, by=["factor", "family"]).round(2)

# %%
with plots.style():
    fig, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for ax, family in zip(axes, ["english", "source"], strict=True):
        _ = plots.plot_backtest(held, factor=100, family=family, ax=ax)
        _ = ax.set_title(f"{family}: 100x out")

# %%
table = bs.forms.score(held)
for factor, row in table.iterrows():
    print(f"{factor:.0f}x out, 90% bands held {row['inside']:.0f} of {row['runs']:.0f} runs; bias {row['bias']:+.1f}%")

# %% [markdown]
# Whatever the count is, it is the number to read the bands with. A band from one fixed form knows how uncertain its
# *parameters* are; it does not know that the *form* may be wrong, and 100x is far enough for that to matter.
#
# ## What the band is made of

# %%
for family in ("english", "source"):
    one = far.sel(family=family).isel(point=0)
    print(f"{family}: {float(one['share_parameters']):.0%} of the band's squared width is from the parameters, "
          f"{float(one['share_noise']):.0%} from run-to-run noise; "
          f"the question lies {float(one['decades_beyond']):.0f} decades beyond the data")  # fmt: skip

# %% [markdown]
# ## And the floor?
#
# The entropy rate of `source` is 1.334350 nats per byte: no model can do better. Here is what the runs say of it.

# %%
floor = bs.irreducible_loss(fit)
print(floor.pipe(bs.summary, prob=(0.95,)).round(4).to_string())
print(floor.attrs["warning"] or "identified")
with plots.style():
    fig, ax = plt.subplots(figsize=(6.5, 3.8), layout="constrained")
    _ = plots.plot_irreducible(floor, truth=1.334350, family="source", ax=ax)
