import pandas as pd
import pytest

from benchmarks import sets

GADRE = {"c4": "c4_original", "rpj": "rpj", "rw": "rw_original"}


@pytest.fixture(scope="session")
def shared_data():
    """The real public run logs, which may not be copied into the repository."""
    try:
        return sets.shared("data")
    except sets.AbsentError as error:
        pytest.skip(f"needs public runs that may not be kept here: {error}")


@pytest.fixture(scope="session")
def open_sets():
    """The ten sets of the 100x backtest: name to a frame of N, D, C and loss."""
    try:
        return {name: frame.astype(float) for name, frame in sets.open_sets().items()}
    except sets.AbsentError as error:
        pytest.skip(f"needs public runs that may not be kept here: {error}")


def _fit(runs, model="chinchilla", **options):
    import bayescale as bs  # slow to import, and the tests of `runs` do without

    return bs.fit(runs, model, seed=1, **options)


@pytest.fixture(scope="session")
def hoffmann_runs(open_sets):
    """The 240 points of Hoffmann et al.'s Figure 4."""
    import bayescale as bs

    return bs.read_runs(open_sets["chinchilla"].rename(columns={"N": "params", "D": "tokens", "C": "compute"}))


@pytest.fixture(scope="session")
def hoffmann_fit(hoffmann_runs):
    return _fit(hoffmann_runs)


@pytest.fixture(scope="session")
def hoffmann_kaplan_fit(hoffmann_runs):
    return _fit(hoffmann_runs, "kaplan")


@pytest.fixture(scope="session")
def known_runs():
    """36 runs of Besiroglu et al.'s law with a scatter of 0.5%."""
    from pinned import simulated_runs

    return simulated_runs(noise=0.005, seed=7)


@pytest.fixture(scope="session")
def known_fit(known_runs):
    return _fit(known_runs)


@pytest.fixture(scope="session")
def gadre_runs(open_sets):
    """104 runs of Gadre et al. on three corpora, which are the families."""
    import bayescale as bs

    parts = [open_sets[f"gadre {corpus}"].assign(family=name) for name, corpus in GADRE.items()]
    frame = pd.concat(parts).rename(columns={"N": "params", "D": "tokens", "C": "compute"})
    return bs.read_runs(frame, suspicious="keep")


@pytest.fixture(scope="session")
def gadre_fit(gadre_runs):
    return _fit(gadre_runs)
