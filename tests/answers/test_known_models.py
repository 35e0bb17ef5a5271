import json

import numpy as np
import pandas as pd
import pytest
from pinned import BESIROGLU, FAILED, KAPLAN, ROUNDED, UNROUNDED, pinned_fit, simulated_frame

import bayescale as bs
from bayescale.answers.known_models import better, known_models, known_models_table
from bayescale.errors import QuestionError, UnconvergedError

MINE = {"name": "mine", "params": "8B", "tokens": "15T"}


@pytest.mark.parametrize(
    ("model", "ratio", "lecture"),
    [
        # 6ND over that of GPT-3 (175B on 300B tokens), and what the lecture says.
        ("GPT-NeoX", 0.180, 0.18),
        ("GPT-3", 1.000, 1),
        ("Gopher", 1.600, 1.6),
        ("Chinchilla", 1.867, None),  # the lecture says 1.6
        ("MT-NLG", 2.726, 2.7),
        ("PaLM", 8.023, 8),
    ],
)
def test_compute_is_told_in_that_of_gpt3(model, ratio, lecture):
    got = known_models(pinned_fit())["compute_in_gpt3"].sel(model=model).item()
    assert got == pytest.approx(ratio, abs=6e-4)
    if lecture:
        assert got == pytest.approx(lecture, rel=0.011)


def test_chinchilla_is_not_1_6_times_gpt3():
    models = known_models(pinned_fit())
    chinchilla = models.sel(model="Chinchilla")
    assert chinchilla["compute"].item() == pytest.approx(5.88e23)
    assert abs(chinchilla["compute_in_gpt3"].item() - 1.6) > 0.25
    assert "1.87" in chinchilla["note"].item()
    assert chinchilla["tokens_per_param"].item() == 20
    # GPT-3: 3.15e23 FLOP by 6ND.
    assert models["compute"].sel(model="GPT-3").item() == pytest.approx(3.15e23)


@pytest.mark.parametrize(
    ("paper", "chinchilla", "gopher"),
    [(ROUNDED, 1.93665, 1.99326), (UNROUNDED, 1.92085, 1.96724), (BESIROGLU, 1.97388, 1.99961)],
)
def test_the_expected_loss_is_the_laws(paper, chinchilla, gopher):
    # Computed from the coefficients of Hoffmann et al. 2022 and Besiroglu et al. 2024.
    loss = known_models(pinned_fit(paper=paper))["expected_loss"]
    np.testing.assert_allclose(loss.sel(model="Chinchilla"), chinchilla, atol=6e-6)
    np.testing.assert_allclose(loss.sel(model="Gopher"), gopher, atol=6e-6)
    assert loss.dims == ("chain", "draw", "form", "model")
    assert loss.attrs["units"] == "nats/token"


def test_several_forms_stand_side_by_side_whatever_their_draws():
    models = known_models({"hoffmann": pinned_fit(spread=0.02), "kaplan": pinned_fit("kaplan", KAPLAN, draws=100)})
    assert models["form"].values.tolist() == ["hoffmann", "kaplan"]
    assert models.attrs["model"] == "hoffmann, kaplan"
    wanted = bs.laws.get_law("kaplan").paper(np, KAPLAN, params=540e9, tokens=780e9)
    row = known_models_table(models, prob=0.8).loc["PaLM"]
    assert row["kaplan: loss"] == pytest.approx(wanted)
    draws = models["expected_loss"].sel(form="hoffmann", model="PaLM").values
    assert row["hoffmann: upper 80%"] == pytest.approx(np.quantile(draws, 0.9))
    # 540B on 780B tokens is 2.5e24 FLOP; the runs end at 1.92e22.
    assert row["kaplan: decades beyond"] == pytest.approx(
        np.log10(6 * 540e9 * 780e9 / models.attrs["largest_run_flop"])
    )


def test_rows_of_ones_own_come_after_the_known_ones():
    for rows in ([MINE], pd.DataFrame([MINE], index=["a"])):
        models = known_models(pinned_fit(), rows)
        assert models["model"].values.tolist()[-2:] == ["PaLM", "mine"]
        assert models["compute_in_gpt3"].values[-1] == pytest.approx(8e9 * 15e12 / (175e9 * 300e9))
    assert known_models(pinned_fit(), []).sizes["model"] == 6


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (MINE | {"params": "big"}, r"row 0 \(mine\), column 'params': got 'big'; accepted: a number above 0"),
        (MINE | {"tokens": -1}, "column 'tokens': got -1"),
        (MINE | {"tokens": None}, "column 'tokens': got None"),
        (MINE | {"params": np.inf}, "column 'params': got inf"),
        (MINE | {"name": " "}, "row 0, column 'name': got ' '"),
        (MINE | {"name": "PaLM"}, "PaLM stands in the table more than once"),
        (MINE | {"token": 3}, "no column 'token' in this table. Did you mean 'tokens'"),
        ({"name": "mine", "params": 1e9}, "tokens is missing; each row needs name, params, tokens"),
    ],
)
def test_a_bad_row_is_refused(row, said):
    with pytest.raises(QuestionError, match=said):
        known_models(pinned_fit(), [row])


def test_families_have_their_own_losses():
    fit = pinned_fit(families={"old": ROUNDED, "new": BESIROGLU})
    models = known_models(fit)
    loss = models["expected_loss"].sel(model="Chinchilla").isel(chain=0, draw=0, form=0)
    assert loss.sel(family="old").item() == pytest.approx(1.93665, abs=6e-6)
    assert known_models_table(models).loc[("Chinchilla", "new"), "chinchilla: loss"] == pytest.approx(1.97388, abs=6e-6)
    assert known_models_table(models).index.get_level_values("model")[0] == "GPT-NeoX"
    assert "family" not in known_models(fit, family="old").dims


def test_what_cannot_stand_in_one_table_is_refused():
    other = pinned_fit()
    other.attrs["loss_unit"] = "nats/byte"
    with pytest.raises(QuestionError, match=r"different units.*a in nats/token, b in nats/byte"):
        known_models({"a": pinned_fit(), "b": other})
    with pytest.raises(QuestionError, match="no posterior was given"):
        known_models({})
    with pytest.raises(UnconvergedError):
        known_models({"a": pinned_fit(), "b": pinned_fit(verdict=FAILED)})
    allowed = known_models({"a": pinned_fit(), "b": pinned_fit(verdict=FAILED)}, allow_unconverged=True)
    assert allowed.attrs["verdict"] != "converged"


OWN = """
law = {{ expression = "{equation}", response = "{response}" }}
[priors]
E = {{ dist = "LogNormal", median = 1.5, sigma = 0.3 }}
alpha = {{ dist = "LogNormal", median = 0.3, sigma = 0.4 }}
"""


def own_fit(tmp_path, equation, response, **columns):
    card = tmp_path / "own.toml"
    card.write_text(OWN.format(equation=equation, response=response))
    frame = simulated_frame().assign(**columns)
    return pinned_fit(str(card), {"E": 0.5, "alpha": 0.3}, runs=bs.read_runs(frame))


def test_a_law_of_a_share_is_refused(tmp_path):
    fit = own_fit(tmp_path, "E * n**-alpha", "error", error=np.linspace(0.6, 0.2, 36))
    with pytest.raises(QuestionError, match=r"not a law of the loss: own \(of error\)"):
        known_models(fit)


def test_what_else_a_law_takes_is_given_once_for_all_models(tmp_path):
    fit = own_fit(tmp_path, "E + (U / D)**alpha * n**-alpha", "loss", unique_tokens=1e9)
    with pytest.raises(QuestionError, match=r"unique_tokens \(unique tokens"):
        known_models(fit)
    loss = known_models(fit, at={"unique_tokens": "25B"})["expected_loss"].isel(chain=0, draw=0, form=0)
    n0 = json.loads(fit.attrs["reference"])["params"]
    wanted = 0.5 + (25e9 / 780e9) ** 0.3 * (540e9 / n0) ** -0.3
    assert loss.sel(model="PaLM").item() == pytest.approx(wanted)


def test_two_conventions_of_n_are_told():
    assert known_models(pinned_fit()).attrs["warning"] == ""
    fit = pinned_fit()
    fit.attrs["params_convention"] = "non-embedding"
    assert "N of the runs of mine does not" in known_models({"mine": fit}).attrs["warning"]


def test_chinchilla_beats_gopher_by_one_form_and_loses_by_the_other():
    fits = {"chinchilla": pinned_fit(spread=0.01), "kaplan": pinned_fit("kaplan", KAPLAN, spread=0.01, draws=100)}
    answer = better(fits, "Chinchilla", "Gopher")
    # Besiroglu et al. 2024 and Kaplan et al. 2020, Table 2, at the two: 1.974 against 2.000, 1.693 against 1.630.
    assert answer["probability"].values.tolist() == [1.0, 0.0]
    middle = answer["difference"].median(("chain", "draw"))
    np.testing.assert_allclose(middle, [1.97388 - 1.99961, 1.6929 - 1.6305], atol=2e-3)
    # All draws agree, which S of them can only show to about 0.7 / S: the sd of Beta(S + 0.5, 0.5).
    np.testing.assert_allclose(answer["mc_error"], [0.71 / 500, 0.71 / 200], rtol=0.02)


def test_the_probability_is_over_paired_draws():
    fit = pinned_fit(spread=0.15, draws=2000)
    larger = [{"name": "larger", "params": 180e9, "tokens": 600e9}]
    answer = better(fit, "Chinchilla", "larger", larger).squeeze()
    theta = fit["posterior"].to_dataset()

    def loss(n, d):
        return theta["E"] + theta["A"] * n ** -theta["alpha"] + theta["B"] * d ** -theta["beta"]

    wanted = float((loss(70e9, 1.4e12) < loss(180e9, 600e9)).mean())
    assert 0.02 < wanted < 0.98
    assert float(answer["probability"]) == pytest.approx(wanted, abs=1e-9)
    # Independent draws: the error of a share of 4000.
    assert float(answer["mc_error"]) == pytest.approx(np.sqrt(wanted * (1 - wanted) / 4000), rel=0.1)
    back = better(fit, "larger", "Chinchilla", larger).squeeze()
    assert float(back["probability"] + answer["probability"]) == pytest.approx(1)


def test_better_takes_rows_of_ones_own_and_refuses_a_model_that_is_not_there():
    assert better(pinned_fit(), "mine", "GPT-NeoX", [MINE])["probability"].item() in (0.0, 1.0)
    with pytest.raises(QuestionError, match=r"no model 'Chinchila'\. Did you mean 'Chinchilla'"):
        better(pinned_fit(), "Chinchila", "Gopher")
