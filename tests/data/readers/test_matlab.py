"""Our reader of MATLAB v5 files against SciPy's, as independent writer and reader; and damaged files."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.io import loadmat, savemat

from efficientfan.data.readers.matlab import load_mat5
from efficientfan.errors import InputError

some = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
numeric = st.sampled_from(["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])


@given(
    array=numeric.flatmap(lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=2, max_dims=3))),
    compressed=st.booleans(),
)
@some
def test_numbers_agree_with_scipy(tmp_path_factory, array, compressed):
    path = tmp_path_factory.getbasetemp() / "numbers.mat"
    savemat(path, {"other": np.zeros(3), "a": array, "s": {"x": 1}}, do_compression=compressed)
    (ours,) = load_mat5(path, "a")
    theirs = loadmat(path)["a"]
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("compressed", [False, True])
def test_cells_of_text_and_several_names(tmp_path, compressed):
    cells = np.empty((2, 2), dtype=object)
    cells[...] = [["0/a.jpg", "2/äöü.jpg"], ["3/b.jpg", np.arange(3.0)]]
    savemat(
        tmp_path / "a.mat", {"names": cells, "flag": np.array([[True, False]])}, do_compression=compressed
    )
    flag, names = load_mat5(tmp_path / "a.mat", "flag", "names")
    assert flag.tolist() == [[1, 0]]
    assert [str(names[i, j][0]) for i, j in ((0, 0), (0, 1), (1, 0))] == ["0/a.jpg", "2/äöü.jpg", "3/b.jpg"]
    assert names[1, 1].reshape(-1).tolist() == [0, 1, 2]


def test_numbers_stored_in_a_smaller_type(tmp_path):
    """MATLAB itself stores whole doubles as bytes: a 1 x 3 double array whose data element is UINT8."""
    savemat(tmp_path / "a.mat", {"a": np.array([[1.0]])})
    content = (tmp_path / "a.mat").read_bytes()
    data = content.index(b"\x09\x00\x00\x00\x08\x00\x00\x00")  # type DOUBLE, 8 bytes
    size = content.index(b"\x0e\x00\x00\x00") + 4
    shorter = (int.from_bytes(content[size : size + 4], "little") - 8).to_bytes(4, "little")
    changed = content[:size] + shorter + content[size + 4 : data] + b"\x02\x00\x01\x00\x07\x00\x00\x00"
    (tmp_path / "a.mat").write_bytes(changed)
    (array,) = load_mat5(tmp_path / "a.mat", "a")
    assert array.dtype == np.float64
    assert array.tolist() == [[7.0]]


def test_big_endian(tmp_path):
    def element(kind, data):
        padded = data + b"\0" * (-len(data) % 8)
        return kind.to_bytes(4, "big") + len(data).to_bytes(4, "big") + padded

    parts = element(6, (6).to_bytes(4, "big") + bytes(4)) + element(5, np.array([2, 1], ">i4").tobytes())
    parts += element(1, b"a") + element(9, np.array([1.5, -2], ">f8").tobytes())
    (tmp_path / "a.mat").write_bytes(b"MATLAB 5.0".ljust(124) + b"\x01\x00MI" + element(14, parts))
    assert load_mat5(tmp_path / "a.mat", "a")[0].tolist() == [[1.5], [-2]]


def test_missing_names_and_files(tmp_path):
    savemat(tmp_path / "a.mat", {"a": np.zeros(3)})
    with pytest.raises(InputError, match=r"a.mat: has no array 'b'"):
        load_mat5(tmp_path / "a.mat", "a", "b")
    with pytest.raises(InputError, match=r"c.mat: cannot be read"):
        load_mat5(tmp_path / "c.mat", "a")
    (tmp_path / "t.mat").write_text("text named .mat")
    with pytest.raises(InputError, match=r"t.mat: is not a readable MATLAB v5 file"):
        load_mat5(tmp_path / "t.mat", "a")
    savemat(tmp_path / "z.mat", {"a": np.array([1 + 2j])})
    with pytest.raises(InputError, match=r"z.mat: .*complex"):
        load_mat5(tmp_path / "z.mat", "a")


@pytest.mark.parametrize("compressed", [False, True])
@given(edits=st.lists(st.tuples(st.integers(128, 4000), st.integers(0, 255)), min_size=1, max_size=6))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_damaged_files_are_read_or_refused(tmp_path_factory, compressed, edits):
    path = tmp_path_factory.getbasetemp() / f"damaged{compressed}.mat"
    cells = np.empty(3, dtype=object)
    cells[:] = ["a", "bc", "def"]
    savemat(path, {"cells": cells, "a": np.arange(12.0).reshape(3, 4)}, do_compression=compressed)
    content = bytearray(path.read_bytes())
    for position, value in edits:
        content[128 + position % (len(content) - 128)] = value
    path.write_bytes(content)
    try:
        arrays = load_mat5(path, "cells", "a")
    except InputError:
        return
    assert all(isinstance(array, np.ndarray) for array in arrays)
