"""docs/worked-examples.md says what its rows cannot tell, and what it says of them is computed."""

import re
import tomllib

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from docs import make_worked_examples as examples

PAGE = examples.PAGE.read_text(encoding="utf-8")


def test_the_page_says_what_rows_share_and_cannot_tell():
    porian, gadre = (PAGE.partition(f"## {title}")[2].partition("\n## ")[0] for title in ("Does", "Corpora"))
    assert "of the counting and of the kind of loss together" in porian
    assert "looks 10 times too small" in porian
    assert "lie on 130 IsoFLOP budgets" in porian
    assert "counted: kaplan (training loss) against standard (held-out loss)" in porian
    assert "1280 of 1281 runs share 95 values of size and err alike" in porian
    assert "bands are too narrow" in porian
    assert "bands are too narrow" in gadre
    assert "correlate by 0.86" in gadre


def test_every_card_on_the_page_is_accepted():
    cards = [bs.cards.make_card(tomllib.loads(card)) for card in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)]
    assert [card.pooling["default"][:7] for card in cards] == ["partial", "partial"]


def test_what_two_sets_have_in_common_is_found_beside_a_cubic_surface():
    rng = np.random.default_rng(1)
    n, d = (grid.ravel() for grid in np.meshgrid(np.geomspace(1e7, 1e9, 10), np.geomspace(1e8, 1e11, 20)))
    wide = pd.DataFrame({"train_set": np.repeat(["c4", "rpj"], 200), "N": np.tile(n, 2), "D": np.tile(d, 2)})
    law = 0.1 * np.log(wide["N"]) ** 3 / 1000 - 0.2 * np.log(wide["D"])
    own, of_model = rng.normal(0, 0.01, (2, 400)), rng.normal(0, 0.02, 400)
    wide = wide.assign(loss_a=np.exp(law + own[0] + of_model), loss_b=np.exp(2 - law + own[1] + of_model))
    # Of the variance of either, 4 parts of 5 are of the model: 400 pairs tell 0.8 within 0.02.
    assert examples._correlate_residuals(wide, ["a", "b"]) == pytest.approx(0.8, abs=0.06)


def test_losses_of_the_same_trainings_are_apart_by_as_much_as_they_differ():
    d = np.geomspace(1e8, 1e10, 9)
    rows = {"dataset": "rw", "warmup": "long", "size": "rw / kaplan / long / 3"}
    recipes = [("kaplan", "attention", 1.0), ("kaplan", "standard", 1.0), ("chinchilla", "standard", 0.98)]
    frame = pd.concat(
        pd.DataFrame({**rows, "decay": decay, "counted": counted, "D": d * factor, "loss": 3 * factor / d**0.05})
        for decay, counted, factor in recipes
    )
    assert examples._compare_losses(frame, "counted") == pytest.approx(0, abs=1e-9)
    # The loss is 2% lower and lies at a D that is 2% smaller.
    assert examples._compare_losses(frame, "decay") == pytest.approx(-100 * (1.05 * np.log(0.98)), rel=1e-6)
