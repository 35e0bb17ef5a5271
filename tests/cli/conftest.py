import pytest
from cli.saved import Saved


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """Files of posteriors by name."""
    return Saved(tmp_path_factory.mktemp("fits"))
