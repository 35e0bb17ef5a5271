"""Simulated from a card's own beliefs at realistic noise, its parameters come back: for every card that is shipped."""

import numpy as np
import pytest
from scipy import stats
from simulated import families_from, simulated_from, truth_for

import bayescale as bs
from bayescale.errors import UnconvergedError

REPLICATES, MASS = 4, 0.98
# Over all parameters and replicates of a card, the number outside 98% intervals is binomial; this many or more would
# happen once in a thousand tests.
UNLIKELY = 1e-3


# A break that the runs do not show cannot be placed (Caballero et al. say so of their own law), and the verdict then
# refuses the posterior. These are shown: the fall steepens, stops and resumes, within the runs and beyond the noise.
SHOWN = {"E": 1.3, "from_x": 1.0, "c0": 0.1, "break_1": 0.3, "c1": 0.5, "f1": 0.2, "sigma": 0.005, "nu": 20.0}
SHOWN |= {"gained": 2.0, "alpha": 0.4, "shape": 1.0}  # and here the plateau is left within them
SHOWN |= {"decades_2": 1.0, "c2": -0.5, "f2": 0.2, "decades_3": 1.0, "c3": 0.5, "f3": 0.2}


def truth_of(card, seed):
    truth = truth_for(card, seed, middle=0.9)
    return {name: SHOWN[name] for name in truth} if card.name.startswith(("broken", "plateau")) else truth


def recovered(card, fit, truth):
    """Parameter by parameter: is the truth inside the central 98% of the posterior?"""
    tail, found = (1 - MASS) / 2, {}
    for name in card.get_law().parameter_names:
        if name not in card.fixed:
            low, high = np.quantile(fit["posterior"][name], [tail, 1 - tail])
            found[name] = bool(low <= truth[name] <= high)
    return found


# Several breaks can trade places, and chains that start in different places stay there: the verdict refuses these fits.
SEVERAL_BREAKS = ("broken-2", "broken-3")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in bs.list_cards() if name not in SEVERAL_BREAKS])
def test_parameters_come_back_from_runs_of_the_law_itself(name):
    card, inside, sound = bs.load_card(name), [], []
    for seed in range(REPLICATES):
        truth = truth_of(card, seed)
        fit = bs.fit(simulated_from(card, 60, seed, truth), card, seed=1, prior_draws=0)
        found = recovered(card, fit, truth)
        inside += found.values()
        sound.append(bs.verdict(fit).sentence)
        print(name, seed, [k for k, v in found.items() if not v], sound[-1])
    outside = len(inside) - sum(inside)
    assert stats.binom.sf(outside - 1, len(inside), 1 - MASS) > UNLIKELY, f"{outside} of {len(inside)} are outside"
    assert all(sentence.startswith("Converged") for sentence in sound), sound


@pytest.mark.slow
@pytest.mark.parametrize("name", SEVERAL_BREAKS)
def test_laws_with_several_breaks_are_recovered_or_refused(name):
    card = bs.load_card(name)
    truth = truth_of(card, 0)
    fit = bs.fit(simulated_from(card, 100, 0, truth), card, seed=1, prior_draws=0)
    assert all(recovered(card, fit, truth).values())
    if not bs.verdict(fit).passed:
        with pytest.raises(UnconvergedError, match=r"chains do not agree|diverged"):
            bs.irreducible_loss(fit)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["coupled", "repeats", "moe"])
def test_partial_pooling_converges_for_laws_with_more_to_learn(name):
    card = bs.load_card(name)
    fit = bs.fit(families_from(card, count=40), card, seed=1, prior_draws=0)
    assert bs.verdict(fit).passed, bs.verdict(fit).sentence
