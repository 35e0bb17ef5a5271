import ast
import pickle
from pathlib import Path

import numpy as np
import pytest

import bayescale as bs
from bayescale.errors import DesignError
from bayescale.layers import LAYERS, sampled_names
from bayescale.modeling import build, build_model, prepare

ROOMS = ("priors", "layers", "cards", "modeling", "design", "inference")
HEAVY = {"pymc", "pytensor", "numba", "nutpie", "arviz", "matplotlib", "pandera"}
HEAVY_PARTS = {"scipy.stats", "scipy.optimize", "scipy.signal", "scipy.special"}


@pytest.fixture(scope="module")
def problem():
    return prepare(bs.load_card("chinchilla+drift+design"), bs.load_shipped("tinylm"))


def test_a_problem_is_prepared_again_as_it_is(problem):
    again = prepare(problem.card, problem.runs)
    assert again.key == problem.key
    assert again.runs.identical(problem.runs)
    assert list(again.arrays) == list(problem.arrays)
    for name, values in problem.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], values)


def test_problems_of_other_runs_and_as_many_groups_share_a_compiled_model(problem):
    runs = bs.load_shipped("tinylm")
    other = prepare(problem.card, runs.assign(loss=runs["loss"] * 1.1))
    assert other.key == problem.key
    one_family = runs.isel(run=runs["family"].values == "english")
    assert prepare(problem.card, one_family).key != problem.key
    assert prepare(bs.load_card("chinchilla+design"), runs).key != problem.key


def test_a_model_of_a_problem_is_that_of_its_card_and_runs(problem):
    model = build(problem)
    assert list(model.named_vars) == list(build_model(bs.load_card("chinchilla+drift+design"), problem.runs).named_vars)
    assert set(sampled_names(problem.card)) - set(problem.card.fixed) <= set(model.named_vars)


def test_a_problem_cannot_be_changed(problem):
    with pytest.raises(AttributeError):
        problem.card = bs.load_card("kaplan")


def test_finished_runs_are_refused_by_a_card_of_curves_before_anything_else():
    with pytest.raises(DesignError, match="is of learning curves"):
        prepare(bs.load_card("chinchilla+curve"), bs.load_shipped("tinylm").drop_vars("tokens"))


@pytest.mark.parametrize("name", ["chinchilla+drift+budget", "power:tokens", "chinchilla+curve", "accuracy"])
def test_a_card_is_pickled_as_what_it_states(name):
    card = bs.load_card(name)
    again = pickle.loads(pickle.dumps(card))
    assert again == card
    assert again.get_law().name == card.get_law().name
    assert card.get_law() is card.get_law()


def test_every_parameter_of_every_card_has_a_meaning():
    for name in bs.list_cards():
        for end in ("", "+drift", "+curve", "+budget"):
            if end and bs.load_card(name).get_law().response != "loss":
                continue
            card = bs.load_card(name if bs.load_card(name).x is None else f"{name}:tokens")
            card = bs.load_card(card.name + end)
            assert set(card.all_priors) <= set(card.meanings), card.name


def test_every_layer_has_a_table_of_its_own():
    tables = [layer.table for layer in LAYERS]
    assert len(set(tables)) == len(tables)
    assert set(tables) <= set(bs.cards.Card.model_fields)


def imported_at_once(path):
    """The modules that a file imports when it is imported itself."""
    body = ast.parse(path.read_text()).body
    names = [alias.name for node in body if isinstance(node, ast.Import) for alias in node.names]
    for node in body:
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def test_nothing_heavy_is_imported_before_it_is_used():
    for room in ROOMS:
        for path in (Path(bs.__file__).parent / room).glob("*.py"):
            names = imported_at_once(path)
            assert not {name.partition(".")[0] for name in names} & HEAVY, path
            assert not set(names) & HEAVY_PARTS, path
