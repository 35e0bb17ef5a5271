"""Laws of the user's own: declared as a function, or written as an expression."""

import numpy as np
import pytensor.tensor as pt
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from pytensor.compile.mode import Mode

import bayescale as bs
from bayescale.errors import CardError, QuestionError
from bayescale.laws import OWN, expression_law, get_law, law_by_name
from bayescale.laws.own import law_from_file

POSITIVE = dict.fromkeys(("E", "a", "beta0", "alpha", "beta"), "positive")
CHINCHILLA = "E + a*n^-alpha + beta0*d^-beta"
FILE = """
import bayescale as bs

@bs.law(parameters={"E": "floor", "a": "reducible", "alpha": "exponent"}, equation="L = E + a (ND)^-alpha")
def tied(xp, x, theta):
    return theta["E"] + theta["a"] * (x["n"] * x["d"]) ** -theta["alpha"]

def plain(xp, x, theta):
    return 1.0
"""


@given(n=st.floats(1e-3, 1e3), d=st.floats(1e-3, 1e3), alpha=st.floats(0.05, 1), beta=st.floats(0.05, 1))
def test_an_expression_is_the_law_that_it_spells(n, d, alpha, beta):
    mine = expression_law("mine", CHINCHILLA, POSITIVE)
    theta = {"E": 1.7, "a": 0.4, "beta0": 0.3, "alpha": alpha, "beta": beta}
    shipped = {"E": 1.7, "from_params": 0.4, "from_tokens": 0.3, "alpha": alpha, "beta": beta}
    wanted = get_law("chinchilla").mean(np, {"n": n, "d": d}, shipped)
    assert mine.mean(np, {"n": n, "d": d}, theta) == pytest.approx(wanted, rel=1e-12)


def test_an_expression_runs_on_tensors_and_named_arrays_too():
    mine = expression_law(
        "mine", "E + a*exp(-alpha*log(n)) + sqrt(minimum(d, 2))/2", dict.fromkeys(("E", "a", "alpha"), "positive")
    )
    theta = {"E": 1.5, "a": 0.5, "alpha": 0.4}
    wanted = 1.5 + 0.5 * 3.0**-0.4 + np.sqrt(2) / 2
    assert mine.mean(np, {"n": 3.0, "d": 5.0}, theta) == pytest.approx(wanted, rel=1e-12)
    n, d = pt.dscalars("n", "d")
    tensor = mine.mean(pt, {"n": n, "d": d}, theta).eval({n: 3.0, d: 5.0}, mode=Mode("py", None))
    assert float(tensor) == pytest.approx(wanted, rel=1e-12)
    named = mine.mean(np, {"n": xr.DataArray([3.0], dims="run"), "d": 5.0}, theta)
    assert named.dims == ("run",)
    np.testing.assert_allclose(named, wanted, rtol=1e-12)


@pytest.mark.parametrize(("power", "value"), [("2^3^2", 2.0**9), ("-2^2", -4.0), ("2**3", 8.0), ("(1+2)*3-4/8", 8.5)])
def test_precedence_is_that_of_arithmetic(power, value):
    assert expression_law("mine", f"{power} + 0*n", {}).mean(np, {"n": 1.0}, {}) == value


def test_what_an_expression_takes_is_read_from_its_symbols():
    mine = expression_law("mine", "E + a*(d/n)^-alpha + 0*U", dict.fromkeys(("E", "a", "alpha"), "positive"))
    assert mine.inputs == ("params", "tokens", "unique_tokens")
    assert mine.has_split
    assert mine.has_floor, "E is the floor unless another is named"
    assert mine.floor({"E": 1.2}) == 1.2


def test_a_name_with_a_prior_is_a_parameter_even_if_it_is_a_symbol():
    mine = expression_law("mine", "c + b*n^-0.5", {"c": "positive", "b": "positive"})
    assert mine.inputs == ("params",)
    assert mine.mean(np, {"n": 4.0}, {"c": 1.0, "b": 2.0}) == 2.0


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("E + a*n^-alhpa", "'alhpa' is neither.*Did you mean 'alpha'"),
        ("__import__('os').system('true')", "is not accepted"),
        ("E.real + n", "'E.real' is not accepted"),
        ("[n for n in (1,)]", "is not accepted"),
        ("open(n)", r"'open\(n\)' is not accepted"),
        ("exp(n, E)", "exp takes another number of arguments"),
        ("minimum(n)", "minimum takes another number of arguments"),
        ("E if n else a", "is not accepted"),
        ("E + n % 2", "is not accepted"),
        ("lambda: n", "is not accepted"),
        ("True*n", "is not accepted"),
        ("'n'", "is not accepted"),
        ("E +* n", "cannot be read: .* at character"),
        ("E + a + alpha", "uses no quantity of the runs"),
        ("E + n", "does not use a, alpha"),
    ],
)
def test_anything_but_arithmetic_is_refused(expression, said):
    with pytest.raises(CardError, match=said):
        expression_law("mine", expression, dict.fromkeys(("E", "a", "alpha"), "positive"))


def test_the_floor_must_be_a_parameter():
    with pytest.raises(CardError, match="the floor 'F' is not one of its parameters: E"):
        expression_law("mine", "E + 0*n", {"E": "positive"}, floor="F")


# Functions


@pytest.fixture
def own_file(tmp_path):
    path = tmp_path / "mylaws.py"
    path.write_text(FILE)
    yield path
    OWN.pop("tied", None)
    law_from_file.cache_clear()


def test_a_function_in_a_file_is_found_by_its_card(own_file, tmp_path):
    card = tmp_path / "mine.toml"
    card.write_text("""
law   = "mylaws.py:tied"
title = "one exponent"
[priors]
E     = { dist = "Beta", a = 4, b = 2, of = "min(loss)" }
a     = { dist = "LogNormal", median = 0.5, sigma = 1 }
alpha = { dist = "LogNormal", median = 0.2, sigma = 0.5 }
""")
    law = bs.load_card(card).get_law()
    assert law.name == "tied"
    assert law.kind == "your own"
    assert get_law("tied") is law, "the file was run: its laws are known by name too"
    assert law_by_name(f"{own_file}:tied") is law, "and only once"


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("mylaws.py:tide", "'tide' is not there.*Did you mean 'tied'"),
        ("mylaws.py:plain", "is there, but is not declared"),
        ("no.py:tied", "which is not there"),
    ],
)
def test_a_function_that_is_not_a_law_is_refused(own_file, place, said):
    with pytest.raises(CardError, match=said):
        law_by_name(f"{own_file.parent}/{place}")


def test_a_file_that_fails_says_how(tmp_path):
    (tmp_path / "broken.py").write_text("1 / 0\n")
    with pytest.raises(CardError, match=r"broken.py failed while it was read: ZeroDivisionError"):
        law_by_name(f"{tmp_path}/broken.py:law")


@pytest.mark.parametrize(
    ("options", "said"),
    [({"inputs": ("parms",)}, "no input 'parms'.*Did you mean 'params'"), ({"response": "bleu"}, "response 'bleu'")],
)
def test_a_declaration_is_checked(options, said):
    with pytest.raises(CardError, match=said):
        bs.law(parameters={"E": "floor"}, **options)(lambda xp, x, theta: theta["E"])


def test_a_shipped_name_is_taken():
    def kaplan(xp, x, theta):
        return theta["E"]

    with pytest.raises(CardError, match="a shipped law has that name"):
        bs.law(parameters={"E": "floor"})(kaplan)


def test_a_law_that_is_not_there_says_which_are():
    with pytest.raises(QuestionError, match=r"no law 'chinchila'.*Did you mean 'chinchilla'"):
        law_by_name("chinchila")
