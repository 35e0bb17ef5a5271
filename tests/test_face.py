"""The face of the package: about twenty names and namespaces, loaded when they are used; old names still work."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import bayescale as bs

HEAVY = ("numpy", "pandas", "xarray", "scipy", "pymc", "pytensor", "numba", "nutpie", "arviz", "matplotlib", "pydantic")
OLD_NAMES = {name: room for room, names in bs._MOVED.items() for name in names.split()}


def loaded_by(statement):
    """Return the modules that a fresh interpreter has loaded after a statement."""
    script = f"{statement}\nimport sys\nprint(*sorted(sys.modules))"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()


def test_importing_the_package_loads_no_library():
    assert set(HEAVY).isdisjoint(loaded_by("import bayescale"))


def test_asking_for_the_version_loads_no_library():
    assert set(HEAVY).isdisjoint(loaded_by("import bayescale\nbayescale.__version__"))


@pytest.mark.parametrize("name", bs.__all__)
def test_every_name_of_the_face_can_be_had(name):
    assert getattr(bs, name) is not None
    assert name in dir(bs)


def test_the_face_is_twenty_functions_and_the_namespaces():
    functions = [name for name in bs.__all__ if not hasattr(getattr(bs, name), "__path__")]
    assert len(functions) == 20


@pytest.mark.parametrize("name", ["study", "forecast", "compare", "grade", "verdict"])
def test_a_function_is_not_hidden_by_a_module_of_its_name(name):
    for module in ("studies.study", "forms.compare", "studies.forecast", "trust.grade"):
        importlib.import_module(f"bayescale.{module}")
    assert callable(getattr(bs, name))


def test_stub_and_all_list_the_same_names():
    tree = ast.parse(Path(bs.__file__).with_suffix(".pyi").read_text())
    imported = {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    (listed,) = (ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign))
    assert imported == set(listed) == set(bs.__all__)


@pytest.mark.parametrize("name", OLD_NAMES)
def test_an_old_name_still_works_and_says_where_it_is_now(name):
    with pytest.warns(DeprecationWarning, match=rf"bayescale\.{OLD_NAMES[name]}\.{name};"):
        old = getattr(bs, name)
    assert old is getattr(getattr(bs, OLD_NAMES[name]), name)


def test_approaches_was_a_function_and_is_a_namespace(monkeypatch):
    monkeypatch.setattr(bs.approaches, "approaches", lambda runs: f"asked of {runs}")
    with pytest.warns(DeprecationWarning, match=r"now bayescale\.approaches\.approaches"):
        assert bs.approaches("runs") == "asked of runs"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="forcast"):
        getattr(bs, "forcast")  # noqa: B009
