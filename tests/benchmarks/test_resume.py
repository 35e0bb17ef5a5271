import pytest
import xarray as xr

from benchmarks.resume import keep

VALUES = {
    "rows.json": [{"log": "runs", "inside": True}],
    "draws.nc": xr.Dataset({"x": ("draw", [1.0, 2.0])}, attrs={"card": "old"}),
    "fit.nc": xr.DataTree.from_dict({"posterior": xr.Dataset({"x": ("draw", [1.0])})}),
}


@pytest.mark.parametrize("name", VALUES)
def test_what_is_done_is_read_and_not_made_again(tmp_path, name):
    made = []

    def make():
        made.append(name)
        return VALUES[name]

    first, second = (keep(tmp_path / "new" / name, make) for _ in range(2))
    assert made == [name]
    assert [path.name for path in (tmp_path / "new").iterdir()] == [name]
    for value in (first, second):
        assert type(value) is type(VALUES[name])
        assert value == VALUES[name] if name == "rows.json" else value.identical(VALUES[name])


def test_a_value_that_is_out_of_date_is_made_again(tmp_path):
    keep(tmp_path / "draws.nc", lambda: VALUES["draws.nc"])
    new = VALUES["draws.nc"].assign_attrs(card="new")
    assert keep(tmp_path / "draws.nc", lambda: new, lambda value: value.attrs["card"] == "new").identical(new)


def test_nothing_is_left_where_the_making_failed(tmp_path):
    with pytest.raises(ZeroDivisionError):
        keep(tmp_path / "rows.json", lambda: 1 / 0)
    assert list(tmp_path.iterdir()) == []
