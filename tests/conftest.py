import importlib.util
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


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
