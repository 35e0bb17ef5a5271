import pytest
from matplotlib.figure import Figure
from pinned import BESIROGLU, KAPLAN, ROUNDED, pinned_fit

from bayescale import plots
from bayescale.answers.known_models import known_models
from bayescale.errors import QuestionError
from bayescale.papers.domains import irreducible_by_domain
from bayescale.plots import plot_domains, plot_known_models


@pytest.fixture
def ax():
    with plots.style():
        yield Figure(layout="constrained").subplots()


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_known_models_are_named_and_stand_at_their_medians(ax):
    models = known_models({"chinchilla": pinned_fit(spread=0.01), "kaplan": pinned_fit("kaplan", KAPLAN)})
    assert plot_known_models(models, ax=ax) is ax
    ax.figure.canvas.draw()
    assert labels(ax) == ["chinchilla", "kaplan"]
    assert {"Chinchilla", "PaLM", "GPT-3"} <= {text.get_text() for text in ax.texts}
    line = next(line for line in ax.lines if line.get_label() == "chinchilla")
    assert line.get_ydata() == pytest.approx(models["expected_loss"].sel(form="chinchilla").median(("chain", "draw")))
    assert line.get_xdata()[1] == pytest.approx(3.15e23, rel=0.05)
    # A thin and a thick band for each form.
    assert len(ax.collections) == 4
    assert ax.get_ylabel() == "loss (nats/token)"


def test_known_models_of_families_ask_which(ax):
    models = known_models(pinned_fit(families={"old": ROUNDED, "new": BESIROGLU}))
    with pytest.raises(QuestionError, match="one of: new, old"):
        plot_known_models(models, ax=ax)
    plot_known_models(models, family="old", ax=ax)
    assert labels(ax) == ["chinchilla"]


def test_domains_have_both_readings_of_their_floor(ax):
    floors = irreducible_by_domain()
    assert plot_domains(floors, ax=ax) is ax
    ax.figure.canvas.draw()
    assert [text.get_text() for text in ax.get_yticklabels()] == floors["domain"].values.tolist()
    assert labels(ax) == ["from model size", "from compute"]
    said = [text.get_text() for text in ax.texts]
    # Henighan et al. 2020, Table 1, in the order of its rows.
    assert said[:2] == ["no floor resolved; best N ~ C^0.73", "best N ~ C^0.64"]
    from_size, from_compute = ax.lines[:2]
    rows = dict(zip(from_size.get_ydata(), from_size.get_xdata(), strict=True))
    assert rows[0] == 0.28
    assert dict(zip(from_compute.get_ydata(), from_compute.get_xdata(), strict=True))[0] == 0.14
