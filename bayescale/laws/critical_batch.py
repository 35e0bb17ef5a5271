"""Critical batch: how steps trade against examples, and time against compute.

McCandlish et al. 2018 (arXiv 1812.06162) as Kaplan et al. 2020 (arXiv 2001.08361) use it: eq. 1.4 and 5.1-5.5. Far
below the critical batch twice the batch takes half the steps; far above it takes as many, and the examples are wasted.
"""

from bayescale.laws.base import Quantity


def b_crit(loss: Quantity, B_star: Quantity, alpha_B: Quantity) -> Quantity:
    """Return the critical batch at a loss, ``B_star / loss**(1 / alpha_B)`` (Kaplan eq. 1.4), in tokens.

    Examples
    --------
    >>> from bayescale.laws.critical_batch import b_crit
    >>> round(b_crit(3.0, B_star=2e8, alpha_B=0.21))
    1069114
    """
    return B_star * loss ** (-1 / alpha_B)


def s_min(step: Quantity, batch: Quantity, critical: Quantity) -> Quantity:
    """Return the fewest steps that reach what `step` steps reach at this batch (Kaplan eq. 5.4)."""
    return step / (1 + critical / batch)


def steps_at(fewest: Quantity, batch: Quantity, critical: Quantity) -> Quantity:
    """Return the steps at this batch, where `fewest` do at an unlimited one: what time goes with."""
    return fewest * (1 + critical / batch)


def examples_at(fewest: Quantity, batch: Quantity, critical: Quantity) -> Quantity:
    """Return the tokens at this batch, where `fewest` do at a batch of next to nothing: what compute goes with."""
    return fewest * (1 + batch / critical)


def examples_for(step: Quantity, fewest_steps: Quantity, fewest_examples: Quantity) -> Quantity:
    """Return the tokens that go with `step` steps on the front ``(S/S_min - 1)(E/E_min - 1) = 1`` (Kaplan eq. 5.1).

    Examples
    --------
    >>> from bayescale.laws.critical_batch import examples_for
    >>> examples_for(2e4, fewest_steps=1e4, fewest_examples=1e10)
    20000000000.0
    """
    return fewest_examples * (1 + 1 / (step / fewest_steps - 1))
