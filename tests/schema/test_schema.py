"""Schemas: every packaged table is consistent and symmetric; a broken file is refused by name."""

import dataclasses
import json
import pickle

import numpy as np
import pytest

from efficientfan.errors import InputError
from efficientfan.schema import LandmarkSchema, get_schema, list_schemas, load_schema

SIZES = {"aflw19": 19, "cofw29": 29, "five": 5, "ibug68": 68, "lapa106": 106, "wflw98": 98}

# Outer eye corners, the person's right one first, as evaluation papers and toolkits name them.
OUTER_CORNERS = {
    "ibug68": (36, 45),
    "wflw98": (60, 72),
    "cofw29": (8, 9),
    "lapa106": (66, 79),
    "aflw19": (6, 11),
}

every_schema = pytest.mark.parametrize("schema", [get_schema(name) for name in SIZES], ids=list(SIZES))


def small_table() -> dict:
    return {
        "name": "tiny",
        "landmarks": ["right", "left", "middle"],
        "flip_pairs": [[0, 1]],
        "regions": {"ends": [0, 1]},
        "paths": [[0, 2, 1]],
        "normalizers": {"width": [[0], [1]]},
        "layout": [[0.2, 0.5], [0.8, 0.5], [0.5, 0.7]],
    }


def test_packaged_schemas_and_their_sizes():
    assert {name: get_schema(name).n_landmarks for name in list_schemas()} == SIZES


@every_schema
def test_flip_twice_is_identity(schema):
    points = np.random.default_rng(0).uniform(0, 100, (2, schema.n_landmarks, 2))
    assert np.abs(schema.flip(schema.flip(points, 100), 100) - points).max() < 1e-12


@every_schema
def test_names_follow_the_mirror(schema):
    """The mirror image of a right landmark is the left one of the same name."""
    for index, name in enumerate(schema.landmarks):
        counted_across_the_face = schema.name == "ibug68" and "eyebrow" in name
        if name.startswith("right_") and not counted_across_the_face:
            assert schema.landmarks[schema.flip_indices[index]] == name.replace("right_", "left_")


@every_schema
def test_schemas_are_equal_by_what_they_say(schema):
    again = pickle.loads(pickle.dumps(schema))
    assert again is not schema
    assert (again, hash(again)) == (schema, hash(schema))
    assert dataclasses.replace(schema, name="other") != schema
    assert schema != schema.name


@every_schema
def test_unpaired_landmarks_are_on_the_middle_line(schema):
    unpaired = schema.flip_indices == np.arange(schema.n_landmarks)
    assert np.array(schema.layout)[unpaired, 0].tolist() == [0.5] * unpaired.sum()
    assert not any(name.startswith(("left_", "right_")) for name in np.array(schema.landmarks)[unpaired])


@every_schema
def test_regions_map_onto_each_other(schema):
    for name, indices in schema.regions.items():
        mirrored = {int(schema.flip_indices[index]) for index in indices}
        other = name.replace("right_", "LEFT_").replace("left_", "right_").replace("LEFT_", "left_")
        assert mirrored == set(schema.regions[other])


@every_schema
def test_every_landmark_has_exactly_one_region(schema):
    assert sorted(i for indices in schema.regions.values() for i in indices) == list(
        range(schema.n_landmarks)
    )


@every_schema
def test_edges_are_in_range_and_symmetric(schema):
    edges = {frozenset(edge) for edge in schema.edges}
    assert edges == {frozenset(int(schema.flip_indices[i]) for i in edge) for edge in edges}
    assert all(0 <= index < schema.n_landmarks for edge in edges for index in edge)
    assert all(len(edge) == 2 for edge in edges)


@every_schema
def test_layout_is_symmetric_and_the_right_is_on_the_images_left(schema):
    layout = np.array(schema.layout)
    mirrored = layout[schema.flip_indices] * (-1, 1) + (1, 0)
    assert np.abs(mirrored - layout).max() < 1e-12
    for index, name in enumerate(schema.landmarks):
        if name.startswith("right_"):
            assert layout[index, 0] < 0.5
    assert len(np.unique(layout, axis=0)) == schema.n_landmarks


@every_schema
def test_normalizers_join_the_right_side_with_its_mirror_image(schema):
    for right, left in schema.normalizers.values():
        assert {int(schema.flip_indices[index]) for index in right} == set(left)


@pytest.mark.parametrize(("name", "corners"), OUTER_CORNERS.items())
def test_interocular_joins_the_outer_eye_corners(name, corners):
    schema = get_schema(name)
    assert schema.normalizers["interocular"] == ((corners[0],), (corners[1],))
    assert [schema.landmarks[i] for i in corners] == ["right_eye_outer_corner", "left_eye_outer_corner"]


@every_schema
def test_to_dict_and_back(schema):
    again = LandmarkSchema.from_dict(json.loads(json.dumps(schema.to_dict())))
    assert again.to_dict() == schema.to_dict()


def test_the_spelling_of_older_files_is_read():
    table = small_table()
    old = {("normalisers" if key == "normalizers" else key): value for key, value in table.items()}
    assert LandmarkSchema.from_dict(old).to_dict() == table | {"title": "", "source": ""}
    with pytest.raises(InputError, match="unknown key 'normalisers'; did you mean"):
        LandmarkSchema.from_dict({**table, **old})


def test_indices_of_a_landmark_a_region_and_neither():
    schema = get_schema("ibug68")
    assert schema.indices_of("nose_bridge_3") == [30]
    assert schema.indices_of("left_eye") == [42, 43, 44, 45, 46, 47]
    with pytest.raises(InputError, match=r"'ear'.*regions: jaw"):
        schema.indices_of("ear")


def test_own_schema_file(tmp_path):
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(small_table()))
    schema = get_schema(str(path))
    assert schema.landmarks == ("right", "left", "middle")
    assert schema.flip([[10, 5], [30, 6], [20, 7]], 41).tolist() == [[10, 6], [30, 5], [20, 7]]
    assert schema.edges == ((0, 2), (2, 1))


def test_an_edited_schema_file_is_read_again(tmp_path):
    path = tmp_path / "tiny.json"
    for title in ("first", "second"):
        path.write_text(json.dumps({**small_table(), "title": title}))
        assert get_schema(str(path)).title == title


def test_only_name_landmarks_and_flip_pairs_are_required():
    table = {key: small_table()[key] for key in ("name", "landmarks", "flip_pairs")}
    assert LandmarkSchema.from_dict(table).to_dict() == {
        **table, "title": "", "source": "", "regions": {}, "paths": [], "normalizers": {}
    }  # fmt: skip


DEFECTS = {
    "pair of one": ({"flip_pairs": [[0]]}, "flip pair"),
    "pair with itself": ({"flip_pairs": [[1, 1]]}, "two different indices"),
    "index in two pairs": ({"flip_pairs": [[0, 1], [1, 2]]}, "index 1 stands in more than one flip pair"),
    "pair out of range": ({"flip_pairs": [[0, 3]]}, "flip_pairs names index 3; valid are 0 to 2"),
    "negative index": ({"flip_pairs": [[0, -1]]}, "index -1"),
    "index that is no integer": ({"flip_pairs": [[0, 1.0]]}, "index 1.0"),
    "index that is a bool": ({"paths": [[0, True]]}, "index True"),
    "flip pairs that are no list": ({"flip_pairs": "01"}, "expected a list"),
    "name twice": ({"landmarks": ["a", "b", "a"]}, r"repeated: \['a'\]"),
    "name that is no text": ({"landmarks": ["a", "b", 3]}, "expected text, got 3"),
    "no landmarks": ({"landmarks": [], "flip_pairs": []}, "at least one landmark"),
    "name of a landmark and a region": ({"regions": {"left": [1]}}, r"not both: \['left'\]"),
    "region out of range": ({"regions": {"ends": [9]}}, "region 'ends' names index 9"),
    "regions that are a list": ({"regions": [[0, 1]]}, "tiny.json"),
    "path out of range": ({"paths": [[0, 7]]}, "index 7"),
    "normalizer of one group": ({"normalizers": {"width": [[0]]}}, "needs two groups"),
    "normalizer with an empty group": ({"normalizers": {"width": [[0], []]}}, "needs two groups"),
    "normalizer out of range": ({"normalizers": {"width": [[0], [5]]}}, "index 5"),
    "layout too short": ({"layout": [[0, 0]]}, "layout has 1 points, not 3"),
    "layout outside": ({"layout": [[0, 0], [1, 2], [0, 1]]}, "layout point 1"),
    "layout that is text": ({"layout": [["a", 0], [0, 0], [0, 0]]}, "tiny.json"),
    "unknown key": ({"flips": []}, r"unknown key 'flips'; did you mean 'flip_pairs'"),
}


@pytest.mark.parametrize(("change", "message"), DEFECTS.values(), ids=DEFECTS)
def test_broken_schema_file_is_refused_by_name(tmp_path, change, message):
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps({**small_table(), **change}))
    with pytest.raises(InputError, match=message) as caught:
        load_schema(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_missing_key(tmp_path):
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps({"name": "tiny"}))
    with pytest.raises(InputError, match=r"tiny.json: missing keys \['flip_pairs', 'landmarks'\]"):
        load_schema(path)


def test_an_unknown_key_is_named_alone_and_with_the_nearest(tmp_path):
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps({**small_table(), "path": []}))
    with pytest.raises(InputError, match=r"tiny.json: unknown key 'path'; did you mean 'paths'\?$"):
        load_schema(path)


def test_the_name_of_a_packaged_schema_is_taken(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**small_table(), "name": "five"}))
    with pytest.raises(
        InputError, match=r"mine\.json: a packaged schema is named 'five' and is another; choose"
    ):
        get_schema(str(path))
    path.write_text(json.dumps(get_schema("five").to_dict()))
    assert get_schema(str(path)) == get_schema("five")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "line 1: is not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "a JSON object"),
        (b"", "is not JSON"),
    ],
)
def test_file_that_is_no_schema(tmp_path, content, message):
    path = tmp_path / "other.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"other.json: .*{message}"):
        load_schema(path)


def test_missing_file_and_unknown_name(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.json: cannot be read"):
        get_schema(str(tmp_path / "nowhere.json"))
    with pytest.raises(
        InputError, match=r"unknown schema 'ibug86'; did you mean 'ibug68'\? known are .*wflw98"
    ):
        get_schema("ibug86")
