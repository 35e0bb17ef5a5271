import inspect

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

from bayescale import plots
from bayescale.papers.domains import irreducible_by_domain

ON_AXES = sorted(set(plots.__all__) - {"style", "plot_prior_predictive"})


@pytest.mark.parametrize("name", ON_AXES)
def test_every_plot_documents_and_takes_the_axes(name):
    plot = getattr(plots, name)
    assert inspect.signature(plot).parameters["ax"].default is None
    sections = [line for line in plot.__doc__.splitlines() if line and not line.startswith(" ")]
    assert sections[1:] != []
    at = [sections.index(title) for title in ("Parameters", "ax : matplotlib.axes.Axes, optional", "Returns")]
    assert at == sorted(at)
    assert sections.index("Examples") > at[-1]
    assert plot.__doc__.count("matplotlib.axes.Axes\n") == 1


def test_a_plot_draws_on_the_axes_given_or_on_a_new_figure_in_the_house_style():
    floors, ax = irreducible_by_domain(), Figure().subplots()
    assert plots.plot_domains(floors, ax=ax) is ax
    assert ax.spines["top"].get_visible()
    before = plt.get_fignums()
    new = plots.plot_domains(floors)
    assert not new.spines["top"].get_visible()
    assert len(plt.get_fignums()) == len(before) + 1
    plt.close(new.figure)


def test_every_plot_is_listed_once():
    assert len(plots.__all__) == len(set(plots.__all__)) == 45
    assert all(callable(getattr(plots, name)) for name in plots.__all__)
