import pytest
from report.pinned_study import pinned_study


@pytest.fixture(scope="session")
def study():
    """One family, bands that hold."""
    return pinned_study(truth={"all": 1.8172})


@pytest.fixture(scope="session")
def family_study():
    """Two families, bands that do not hold."""
    return pinned_study(families=True, inside=12, truth={"source": 1.2})
