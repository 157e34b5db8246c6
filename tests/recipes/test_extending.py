"""docs/extending.md: its examples train; what is missing or of a wrong kind is named; a model file imports nothing."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import torch
import yaml
from drawn_faces import drawn_face
from PIL import Image
from safetensors import safe_open

from efficientfan.cli.main import main
from efficientfan.data.catalog import get_dataset, load_dataset
from efficientfan.errors import InputError
from efficientfan.export import export_onnx
from efficientfan.extension import is_reference, located, without_folders
from efficientfan.losses import CoordinateLoss, HeatmapLoss
from efficientfan.models import build_network, load_checkpoint, save_checkpoint
from efficientfan.predict.backends.onnx import read_graph_spec
from efficientfan.recipes import Recipe, load_recipe
from efficientfan.train import fit
from efficientfan.train.landmarks import build_spec, build_student

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
FILES = dict(
    re.findall(r"^```(?:python|yaml)\n# (\S+)\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
)
QUICK = [
    "model.input_size=32",
    "train.epochs=1",
    "train.batch_size=4",
    "train.workers=0",
    "train.warmup_steps=1",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's files, and a data set for its reader."""
    folder = tmp_path_factory.mktemp("extending")
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import numpy as np

    root = tmp_path_factory.mktemp("data")
    (root / "mine").mkdir()
    rng, labels = np.random.default_rng(0), {}
    for index in range(10):
        image, points = drawn_face(rng)
        Image.fromarray(image).save(root / "mine" / f"{index}.png")
        labels[f"{index}.png"] = points.tolist()
    (root / "mine" / "train.json").write_text(json.dumps(labels))
    return root


def recipe_of(folder: Path, name: str, data: Path, *overrides: str) -> Recipe:
    """A recipe of the page, upon the page's data set, reduced to what a test can wait for."""
    source = f"data.train=[{{dataset: '{folder}/my_reader.py:read_labels', folder: mine}}]"
    recipe = load_recipe(folder / f"{name}.yaml", [f"data.root={data}", source, *QUICK, *overrides])
    assert isinstance(recipe, Recipe)
    return recipe


@pytest.fixture(scope="module")
def trained(folder: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with the page's network."""
    return fit(recipe_of(folder, "my_network", data), tmp_path_factory.mktemp("run"), devices=1)


def test_the_page_has_an_example_of_everything() -> None:
    names = ("my_reader", "my_network", "my_head", "my_loss", "my_term")
    assert {f"{name}.py" for name in names} <= FILES.keys()
    assert sum(name.endswith(".yaml") for name in FILES) == 5


@pytest.mark.parametrize("name", ["my_data", "my_head", "my_loss"])
def test_an_example_trains(folder: Path, data: Path, tmp_path: Path, name: str) -> None:
    model = fit(recipe_of(folder, name, data), tmp_path, devices=1)
    assert model.is_file()
    assert fit(recipe_of(folder, name, data), tmp_path, resume=True) == model  # the same recipe, read anew


def test_the_term_trains_beside_a_teacher(folder: Path, data: Path, tmp_path: Path) -> None:
    teacher = recipe_of(folder, "my_data", data, "model.network=mobilefan_050")
    network = build_student(teacher)
    save_checkpoint(tmp_path / "teacher.safetensors", network, build_spec(teacher, network))
    recipe = recipe_of(folder, "my_term", data, f"distill.teacher={tmp_path / 'teacher.safetensors'}")
    assert recipe.distill is not None
    assert recipe.distill.terms[0].name == "Energy"
    assert fit(recipe, tmp_path / "run", devices=1).is_file()
    assert "loss/distill/Energy" in (tmp_path / "run/logs/csv/version_0/metrics.csv").read_text()


def test_the_recipe_on_the_page_names_its_own_reader(folder: Path, data: Path) -> None:
    recipe = load_recipe(folder / "my_data.yaml", [f"data.root={data}"])
    assert isinstance(recipe, Recipe)
    assert recipe.data.train[0].dataset == f"{folder}/my_reader.py:read_labels"


def test_a_trained_model_holds_no_folder_and_is_exported_with_its_code(
    folder: Path, trained: Path, tmp_path: Path
) -> None:
    with safe_open(trained, framework="pt") as file:
        assert str(folder) not in json.dumps(file.metadata())
    with pytest.raises(
        InputError, match=r"author's own code \(my_network\.py:ShallowNet\).*export \S+ --code FOLDER"
    ):
        load_checkpoint(trained)
    network, spec = load_checkpoint(trained, code=folder)
    assert type(network).__name__ == "ShallowNet"
    assert network.decoder.channels == 32
    assert spec.network == {"name": "my_network.py:ShallowNet", "width": 32}
    assert spec.training_data == "my_reader.py:read_labels train"
    report = export_onnx(trained, tmp_path / "mine.onnx", code=folder)
    assert read_graph_spec(report.path) == spec


def test_the_command_exports_with_code(
    folder: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "mine.onnx"
    for arguments, code in (([], 2), (["--code", str(folder)], 0), (["--code", str(tmp_path)], 2)):
        monkeypatch.setattr(
            sys, "argv", ["efficientfan", "export", str(trained), "--out", str(out), *arguments]
        )
        with pytest.raises(SystemExit) as exit_:
            main()
        assert (exit_.value.code or 0) == code
    assert out.is_file()


def test_a_set_value_is_found_from_the_current_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for kind in ("./my_loss.py:focal", "my_loss.py:focal"):
        recipe = load_recipe("mobilefan_128", [f"objective.heatmap.kind={kind}"])
        assert isinstance(recipe, Recipe)
        assert recipe.objective.heatmap is not None
        assert recipe.objective.heatmap.kind == f"{folder}/my_loss.py:focal"


def test_a_recipe_that_was_shown_finds_its_code(folder: Path, tmp_path: Path) -> None:
    recipe = load_recipe(folder / "my_loss.yaml")
    (tmp_path / "shown.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json", by_alias=True)))
    assert load_recipe(tmp_path / "shown.yaml") == recipe


# What can be wrong

BROKEN = {
    "syntax.py": "def loss(:\n",
    "raises.py": "raise RuntimeError('not today')\n",
    "lacks.py": "import nothing_of_this_name\n",
    "things.py": (
        "import torch\nnumber = 3\nclass Loss:\n    def __init__(self, needed): pass\n"
        "class NotCallable: pass\n"
        "def scalar(maps, targets): return (maps - targets).mean()\n"
        "def mean(distance): return distance.mean()\n"
        "def read(root, split, schema): return [1]\n"
        "class Plain(torch.nn.Module): pass\n"
    ),
}


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    for name, text in BROKEN.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("nowhere.py:loss", r"there is no file \S+nowhere\.py$"),
        ("syntax.py:loss", r"cannot be imported \(SyntaxError: "),
        ("raises.py:loss", r"cannot be imported \(RuntimeError: not today\)"),
        (
            "lacks.py:loss",
            r"cannot be imported \(ModuleNotFoundError: No module named 'nothing_of_this_name'\)",
        ),
        ("things.py:scaler", r"things\.py has no 'scaler'; did you mean 'scalar'\?$"),
        ("things.py:xyzzy", r"things\.py has no 'xyzzy'$"),
        ("things.py:number", "is int, and cannot be called"),
        ("things.py:Loss", "its class is made without arguments .*needed"),
        ("things.py:NotCallable", "is NotCallable, and cannot be called"),
    ],
)
def test_a_loss_that_cannot_be_had_is_one_line(broken: Path, reference: str, message: str) -> None:
    for key in ("heatmap", "coordinate"):
        with pytest.raises(InputError, match=f"{key} loss '.*{message}") as caught:
            load_recipe("mobilefan_128", [f"objective.{key}.kind={broken}/{reference}"])
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "reference", "message"),
    [
        (
            "model.network",
            "things.py:Plain",
            r"is not a subclass of efficientfan\.models\.network\.LandmarkNet",
        ),
        ("model.network", "things.py:number", "is not a subclass of"),
        ("model.options.head", "things.py:scalar", r"head '\S+' ?: is not a subclass of torch\.nn\.modules"),
        ("data.train.0.dataset", "things.py:number", "is neither a function .* nor a DatasetInfo"),
        ("data.train.0.dataset", "things.py:Plain", "is neither a function .* nor a DatasetInfo"),
    ],
)
def test_a_thing_of_the_wrong_kind_is_one_line(broken: Path, key: str, reference: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_recipe("mobilefan_128", [f"{key}={broken}/{reference}"])


def test_a_module_that_is_not_there_is_told() -> None:
    for kind, missing in (("nowhere:loss", "nowhere"), ("efficientfan.nowhere:loss", "efficientfan.nowhere")):
        with pytest.raises(InputError, match=f"there is no module '{missing}'; install it, set PYTHONPATH"):
            HeatmapLoss(kind, 4, 1.0)


def test_package_and_module_work_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(folder)
    loss = HeatmapLoss("my_loss:focal", 4, 1.0)
    maps = torch.rand(2, 3, 8, 8)
    assert torch.equal(loss.loss(maps, maps), torch.zeros(2, 3))


def test_a_heatmap_loss_of_another_shape_is_refused(
    broken: Path, folder: Path, data: Path, tmp_path: Path
) -> None:
    recipe = recipe_of(folder, "my_data", data, f"objective.heatmap.kind={broken}/things.py:scalar")
    with pytest.raises(
        InputError, match=r"things\.py:scalar': returns \(\), not one value per face and landmark, \(4, 68\)"
    ):
        fit(recipe, tmp_path / "run", devices=1)


def test_a_coordinate_loss_of_another_shape_is_refused(broken: Path) -> None:
    with pytest.raises(InputError, match=r"makes \(\) of \(2, 3, 2\) distances; it must be elementwise"):
        CoordinateLoss(f"{broken}/things.py:mean")


def test_a_reader_that_returns_something_else_is_told(broken: Path) -> None:
    with pytest.raises(InputError, match="its reader does not return a list of Annotation"):
        load_dataset(f"{broken}/things.py:read", broken, "train", schema="ibug68")


def test_options_that_a_network_does_not_take_are_told(folder: Path) -> None:
    with pytest.raises(InputError, match=r"network '\S+ShallowNet': .*unexpected keyword argument 'depth'"):
        build_network(f"{folder}/my_network.py:ShallowNet", 68, depth=3)


def test_a_file_is_run_once_and_may_say_more_of_its_data_set(tmp_path: Path) -> None:
    (tmp_path / "more.py").write_text(
        "from efficientfan.data.catalog import DatasetInfo\n"
        "MINE = DatasetInfo('mine', 'mine', lambda *_: [], 'ibug68', {'a': None}, terms='Mine.')\n"
    )
    reference = f"{tmp_path}/more.py:MINE"
    assert get_dataset(reference) is get_dataset(reference)
    with pytest.raises(InputError, match="has no split 'train'; it has a"):
        load_recipe("mobilefan_128", [f"data.train.0.dataset={reference}"])


# Names


def test_what_is_a_reference() -> None:
    assert all(map(is_reference, ("a:B", "a.b:C", "./a.py:b", "C:\\a.py:b", "/x y/a.py:B")))
    assert not any(map(is_reference, ("mobilefan", "timm/resnet18", ":B", "a:", "a:b c", "", None, 3)))


def test_files_are_located_and_lose_their_folders(tmp_path: Path) -> None:
    table = {"kind": "./a.py:B", "list": ["sub/b.py:C", "pkg.mod:D", 3], "about": "see a.py"}
    found = located(table, tmp_path)
    expected = {
        "kind": f"{tmp_path}/a.py:B",
        "list": [f"{tmp_path}/sub/b.py:C", "pkg.mod:D", 3],
        "about": "see a.py",
    }
    assert found == expected
    assert located(found, Path("/elsewhere")) == expected
    assert without_folders(found)["list"] == ["b.py:C", "pkg.mod:D", 3]


# Model files


@pytest.mark.parametrize("key", ["name", "head"])
@pytest.mark.parametrize("reference", ["harm.py:Net", "harm:Net"])
def test_a_model_file_imports_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    key: str,
    reference: str,
) -> None:
    (tmp_path / "harm.py").write_text(
        "from pathlib import Path\nPath(__file__).with_name('harmed').touch()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe("300w/mobilefan", ["model.input_size=64", "model.init=scratch"])
    assert isinstance(recipe, Recipe)
    network = build_student(recipe)
    spec = build_spec(recipe, network)
    object.__setattr__(spec, "network", {**spec.network, key: reference})
    save_checkpoint("stranger.safetensors", network, spec)
    Image.new("RGB", (64, 64)).save("photo.png")
    Path("300w").mkdir()
    given = ["data.root=.", "distill.teacher=stranger.safetensors", "model.init=scratch"]
    for command in (
        ["export", "stranger.safetensors"],
        ["predict", "photo.png", "--model", "stranger.safetensors", "--backend", "torch"],
        ["train", "300w/mobilefan_fa", "--set", *given],
    ):
        monkeypatch.setattr(sys, "argv", ["efficientfan", *command])
        with pytest.raises(SystemExit) as exit_:
            main()
        assert exit_.value.code == 2
        assert "a model file never imports code" in capsys.readouterr().err
    with pytest.raises(InputError, match="a model file never imports code"):
        load_checkpoint("stranger.safetensors")
    assert not (tmp_path / "harmed").exists()


def test_a_model_file_cannot_say_how_its_network_starts(tmp_path: Path) -> None:
    recipe = load_recipe("300w/mobilefan", ["model.input_size=64", "model.init=scratch"])
    assert isinstance(recipe, Recipe)
    network = build_student(recipe)
    spec = build_spec(recipe, network)
    object.__setattr__(spec, "network", {**spec.network, "init": "imagenet"})
    save_checkpoint(tmp_path / "stranger.safetensors", network, spec)
    with pytest.raises(InputError, match="a network in it has no 'init'"):
        load_checkpoint(tmp_path / "stranger.safetensors")
