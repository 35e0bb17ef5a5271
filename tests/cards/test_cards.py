import re
import tomllib

import numpy as np
import pytest

import bayescale as bs
from bayescale.cards import Card, list_cards, load_card
from bayescale.errors import CardError
from bayescale.layers.groups import Term
from bayescale.layers.noise import NOISES
from bayescale.shipped_files import shipped_path

# Not a shipped card: those are tuned.
GOOD = """
law   = "chinchilla"
title = "Chinchilla"

[priors]
E           = { dist = "Beta", a = 4, b = 2, of = "min(loss)" }
from_params = { dist = "LogNormal", median = 0.3, sigma = 1.0 }
from_tokens = { dist = "LogNormal", median = 0.3, sigma = 1.0 }
alpha       = { dist = "LogNormal", median = 0.35, sigma = 0.4 }
beta        = { dist = "LogNormal", median = 0.35, sigma = 0.4 }

[pooling]
E           = "partial(family)"
alpha       = "partial(family)"
spread      = { dist = "HalfNormal", sigma = 0.3 }

[noise]
family = "StudentT"
sigma  = { dist = "LogNormal", median = 0.01, sigma = 0.8 }
nu     = { dist = "Gamma", alpha = 2, beta = 0.1 }
"""


@pytest.fixture
def write(tmp_path):
    def put(text):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return path

    return put


@pytest.fixture
def refusal(write):
    """The message with which the shipped card is refused once ``old`` in it reads ``new``."""

    def change(old, new):
        text = re.sub(old, lambda _: new, GOOD, count=1, flags=re.MULTILINE)
        assert text != GOOD
        with pytest.raises(CardError) as caught:
            load_card(write(text))
        message = str(caught.value)
        assert "mine.toml" in message, "it must name the file"
        assert len(message.splitlines()) <= 8
        return message

    return change


@pytest.mark.parametrize("name", list_cards())
def test_every_shipped_card_loads(name):
    card = load_card(name)
    assert card.name == name
    assert set(card.priors) == set(card.get_law().parameter_names)
    assert set(card.all_priors) == {*card.get_law().parameter_names, *NOISES[card.noise.family].parameters}
    assert {term.group for p in card.all_priors for term in card.terms(p)} <= {"family"}


@pytest.mark.parametrize("name", list_cards())
def test_a_card_survives_json(name):
    card = load_card(name)
    assert Card.model_validate_json(card.model_dump_json()) == card


def test_a_card_of_ones_own_is_read_from_its_path(write):
    card = load_card(write(GOOD.replace("median = 0.35", "median = 0.5", 1)))
    assert card.name == "mine"
    assert card.priors["alpha"].arguments["median"] == 0.5
    assert load_card(card) is card


def test_a_model_that_is_not_shipped():
    with pytest.raises(CardError, match=r"add to a model as '\+curv'\. Did you mean '\+curve'\? Accepted: .*\+design"):
        bs.load_card("chinchilla+curv")
    with pytest.raises(CardError, match=r"add to a model as '\+desing'"):
        bs.load_card("chinchilla+desing+curve")
    with pytest.raises(CardError, match=r"no model 'chinchila'.*Did you mean 'chinchilla'.*bayescale models.*\.toml"):
        load_card("chinchila")


def test_the_card_that_the_mistakes_are_made_in_is_sound(write):
    card = load_card(write(GOOD))
    partial, complete = (Term("partial", ("family",)),), ()
    assert [card.terms(name) for name in card.all_priors] == [partial, *[complete] * 2, partial, *[complete] * 3]


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(CardError, match=r"nowhere\.toml: cannot be read"):
        load_card(tmp_path / "nowhere.toml")


def test_a_file_that_is_not_toml(write):
    with pytest.raises(CardError, match=r"mine\.toml: not valid TOML: .*line 1"):
        load_card(write("law = chinchilla"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (r"^law +=", "laws =", ["unknown key 'laws'", "Did you mean 'law'?", "noise", "pooling"]),
        (r'"chinchilla"', '"chinchila"', ["no law 'chinchila'", "Did you mean 'chinchilla'?", "kaplan"]),
        (r"^beta  .*$", "", ["priors: no prior for beta"]),
        (r"^alpha  ", "alfa  ", ["priors.alfa", "no such parameter", "Did you mean 'alpha'?", "from_params"]),
        (r'dist = "Beta"', 'dist = "Betta"', ["priors.E", "no distribution 'Betta'", "Did you mean 'Beta'?", "Gamma"]),
        (r"a = 4", "aa = 4", ["priors.E", "Beta takes no 'aa'", "Did you mean 'a'?", "a, b"]),
        (r"a = 4, ", "", ["priors.E", "Beta needs a finite number for 'a', got None"]),
        (r"a = 4", 'a = "4"', ["priors.E", "Beta needs a finite number for 'a', got '4'"]),
        (r"a = 4", "a = true", ["priors.E", "Beta needs a finite number for 'a', got True"]),
        (r"median = 0.35", "median = nan", ["priors.alpha", "LogNormal needs a finite number for 'median', got nan"]),
        (r"sigma = 0.4", "sigma = -0.4", ["priors.alpha", "LogNormal needs sigma > 0, got -0.4"]),
        (r'of = "min\(loss\)"', 'of = "max(loss)"', ["priors.E.of", "min(loss)", "median(loss)"]),
        (r'"StudentT"', '"Student"', ["noise", "no noise 'Student'", "Did you mean 'StudentT'?", "Normal"]),
        (r'"StudentT"', '"Normal"', ["noise", "Normal noise needs priors for exactly: sigma"]),
        (r"^nu  ", "mu  ", ["noise.mu", "unknown key", "Did you mean 'nu'?"]),
        (
            r'"partial\(family\)"',
            '"partly(family)"',
            ["pooling.E", "complete; none(GROUP), partial(GROUP)", "partly"],
        ),
        (r'"partial\(family\)"', '"partial(a) + partial(a/b)"', ["pooling.E", "names a group twice"]),
        (r'"partial\(family\)"', '"none(a) + none(b)"', ["pooling.E", "more than one none", "none(a/b)"]),
        (r"^spread", "correlated = 'yes'\nspread", ["pooling.correlated", "true, false", "'yes'"]),
        (r"^spread", "effect = 'large'\nspread", ["pooling.effect: must be a prior", "Normal"]),
        (
            r"^spread",
            "effect = {dist = 'Normal', mu = 1, sigma = 1}\nspread",
            ["pooling.effect", "normal about 0"],
        ),
        (
            r'^alpha +(?== "partial)',
            "alhpa ",
            ["pooling.alhpa", "no such parameter", "Did you mean 'alpha'?", "spread"],
        ),
        (r"^spread .*$", 'spread = "wide"', ["pooling.spread: must be a prior", "HalfNormal"]),
        (r"^law +=.*$", 'law = "chinchilla"\nx = "tokens"', ["x: the law 'chinchilla' takes params, tokens"]),
        (
            r"^law +=.*$",
            'extends = "chinchilla+design"',
            ["'chinchilla' and not 'chinchilla+design'", "+design is added"],
        ),
        (r"^law +=.*$", 'extends = "chinchila"', ["no model 'chinchila'", "Did you mean 'chinchilla'?"]),
    ],
)
def test_a_card_with_one_mistake_is_refused_where_the_mistake_is(refusal, old, new, said):
    message = refusal(old, new)
    for text in said:
        assert text in message, message


def test_a_prior_that_allows_negative_values_is_refused(refusal):
    message = refusal(r'"LogNormal", median = 0.35, sigma = 0.4', '"Uniform", lower = -1, upper = 1')
    assert "priors.alpha" in message
    assert "values from -1 to 1; the parameter lies between 0 and inf" in message


def test_an_upper_limit_under_the_lower_one_is_refused(refusal):
    message = refusal(r'"LogNormal", median = 0.35, sigma = 0.4', '"Uniform", lower = 2, upper = 1')
    assert "priors.alpha" in message


def test_an_infinite_argument_is_refused(refusal):
    assert "priors.alpha" in refusal("sigma = 0.4", "sigma = inf")


def test_cards_are_frozen():
    card = load_card("chinchilla")
    with pytest.raises(ValueError, match="frozen"):
        card.law = "kaplan"


def test_shipped_cards_say_what_they_say_in_their_own_words():
    for name in bs.list_cards():
        text = (shipped_path("models") / f"{name}.toml").read_text()
        content, card = tomllib.loads(text), load_card(name)
        assert content.get("law", card.law) == card.law
        assert "law" in content or content["extends"] in bs.list_cards()
        assert content["title"] == card.title


@pytest.mark.parametrize("name", [name for name in list_cards() if name.endswith("-informed")])
def test_an_informed_card_says_where_each_of_its_priors_comes_from(name):
    content = tomllib.loads((shipped_path("models") / f"{name}.toml").read_text())
    assert content["extends"] == name.removesuffix("-informed")
    assert content["priors"]
    assert all(len(prior["source"]) > 10 for prior in content["priors"].values())


def test_what_a_card_leaves_out_comes_from_the_defaults(write):
    bare = load_card(write(re.sub(r"(?s)\[pooling\].*", "", GOOD)))
    assert (bare.noise, bare.pooling) == (load_card("chinchilla").noise, load_card("chinchilla").pooling)
    assert [[term.kind for term in bare.terms(name)] for name in bare.all_priors] == [*[["partial"]] * 5, [], []]


def test_a_pooling_of_ones_own_takes_the_shipped_priors_that_it_lacks(write):
    lacking = load_card(write(re.sub(r"(?m)^spread .*$", "beta = 'effect(schedule)'", GOOD)))
    assert lacking.spread == load_card("chinchilla").spread
    assert lacking.effect.arguments == {"mu": 0.0, "sigma": 0.3}
    sloped = load_card(write(re.sub(r"(?m)^spread .*$", "beta = 'slope(log lr)'", GOOD)))
    assert sloped.effect == lacking.effect
    assert "effect" not in load_card(write(GOOD)).pooling


def test_a_card_may_change_another(write):
    path = write('extends = "chinchilla"\n[priors]\nalpha = { dist = "Fixed", value = 0.34 }\n')
    card, base = load_card(path), load_card("chinchilla")
    assert card.fixed == {"alpha": 0.34}
    assert card.terms("alpha") == ()
    assert {k: v for k, v in card.priors.items() if k != "alpha"} == {
        k: v for k, v in base.priors.items() if k != "alpha"
    }


def test_cards_that_extend_one_another_in_a_circle_are_refused(write):
    path = write('extends = "mine.toml"\n')
    with pytest.raises(CardError, match="in a circle"):
        load_card(path)


def test_a_law_in_one_variable_is_told_which():
    assert load_card("power:tokens").get_law().inputs == ("tokens",)
    assert load_card("power:tokens").name == "power:tokens"
    assert load_card("power:tokens").on("compute").name == "power:compute"
    with pytest.raises(CardError, match=r"no column 'token'.*Did you mean 'tokens'"):
        load_card("power:token")
    with pytest.raises(CardError, match="only a law in one variable has x"):
        load_card("chinchilla:tokens")
    with pytest.raises(CardError, match="say which column"):
        bs.cards.make_card({"law": "power", "priors": load_card("power").model_dump()["priors"]})


def test_a_card_that_drifts_does_so_on_another_column_and_is_named_so():
    card = load_card("power:tokens+drift").on("compute")
    assert card == load_card("power:compute+drift")
    assert card.name == "power:compute+drift"


def test_the_floor_is_a_share_of_the_lowest_loss():
    # The prior of E is bounded by the lowest loss seen: no draw can put the floor above a run.
    prior = load_card("chinchilla").priors["E"]
    assert prior.of == "min(loss)"
    assert prior.support == (0.0, 1.0)
    assert np.isfinite(prior.scipy.logpdf(0.99))


def test_a_model_like_no_other_is_told_which_there_are():
    with pytest.raises(CardError, match=r"no model 'qqqq'\. Shipped models: accuracy.*chinchilla"):
        load_card("qqqq")
