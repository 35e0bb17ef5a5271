import importlib.util
from pathlib import Path

import pandas as pd
import pytest

SHARED = Path(__file__).parents[2] / "shared"
GADRE = {"c4": "c4_original", "rpj": "rpj", "rw": "rw_original"}


@pytest.fixture(scope="session")
def shared_data():
    """The real public run logs, which may not be copied into the repository."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("the public run logs are not here: ../shared/data is absent")
    return folder


@pytest.fixture(scope="session")
def open_sets(shared_data):
    """The ten sets of the 100x backtest: name to a frame of N, D, C and loss."""
    script = SHARED / "tools" / "open_sets.py"
    if not script.is_file():
        pytest.skip("the reader of the open sets is not here: ../shared/tools/open_sets.py is absent")
    spec = importlib.util.spec_from_file_location("open_sets", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: frame[["N", "D", "C", "loss"]].astype(float) for name, frame in module.sets(shared_data)}


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
