"""Simulated from a card's own beliefs at realistic noise, its parameters come back: for every card that is shipped."""

import numpy as np
import pytest
from scipy import stats
from simulated import families_from, simulated_from, truth_for

import bayescale as bs

REPLICATES, MASS = 4, 0.98
# Over all parameters and replicates of a card, the number outside 98% intervals is binomial; this many or more would
# happen once in a thousand tests.
UNLIKELY = 1e-3


def recovered(card, fit, truth):
    """Parameter by parameter: is the truth inside the central 98% of the posterior?"""
    tail, found = (1 - MASS) / 2, {}
    for name in card.get_law().parameter_names:
        if name not in card.fixed:
            low, high = np.quantile(fit["posterior"][name], [tail, 1 - tail])
            found[name] = bool(low <= truth[name] <= high)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", bs.list_cards())
def test_parameters_come_back_from_runs_of_the_law_itself(name):
    card, inside, sound = bs.load_card(name), [], []
    for seed in range(REPLICATES):
        truth = truth_for(card, seed, middle=0.9)
        fit = bs.fit(simulated_from(card, 60, seed, truth), card, seed=1, prior_draws=0)
        found = recovered(card, fit, truth)
        inside += found.values()
        sound.append(bs.verdict(fit).sentence)
        print(name, seed, [k for k, v in found.items() if not v], sound[-1])
    outside = len(inside) - sum(inside)
    assert stats.binom.sf(outside - 1, len(inside), 1 - MASS) > UNLIKELY, f"{outside} of {len(inside)} are outside"
    assert all(sentence.startswith("Converged") for sentence in sound), sound


@pytest.mark.slow
@pytest.mark.parametrize("name", ["coupled", "repeats", "moe"])
def test_partial_pooling_converges_for_laws_with_more_to_learn(name):
    card = bs.load_card(name)
    fit = bs.fit(families_from(card, count=40), card, seed=1, prior_draws=0)
    assert bs.verdict(fit).passed, bs.verdict(fit).sentence
