"""The detector's whole way: a recipe, its training, its file, the faces it finds."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_photos import write_drawn_photos
from safetensors.numpy import load_file
from tiny_training import RECIPE as TINY

from efficientfan.data.dataset import Draw
from efficientfan.errors import EfficientFanError, InputError
from efficientfan.export import export_detector
from efficientfan.geometry import box_iou
from efficientfan.imaging import read_rgb
from efficientfan.models import load_checkpoint, load_detector_checkpoint, save_checkpoint
from efficientfan.predict.detectors import FaceFinder, open_detector
from efficientfan.recipes.detection import DetectionRecipe
from efficientfan.recipes.load import load_recipe
from efficientfan.train import fit
from efficientfan.train.callbacks import KeepLast
from efficientfan.train.detection import DetectionModule, build_detector, build_pictures
from efficientfan.weights import find_model

RECIPE = TINY.with_name("tiny_detector.yaml")


def tiny(data: Path, *overrides: str) -> DetectionRecipe:
    recipe = load_recipe(RECIPE, [f"data.root={data}", *overrides])
    assert isinstance(recipe, DetectionRecipe)
    return recipe


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_drawn_photos(tmp_path_factory.mktemp("photos"), 16)


@pytest.fixture(scope="module")
def learned(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported detector that has seen 12 drawn photos, whole, a hundred times."""
    torch.manual_seed(0)
    recipe = tiny(photos, "model.input_size=160", "model.long_sides=[160]")
    network, spec = build_detector(recipe)
    module = DetectionModule(network, spec, recipe.objective, recipe.train).train()
    pictures, _ = build_pictures(recipe, network)
    plain = type(pictures)(pictures.scenes, 160, network.stride)
    samples = [plain[index] for index in range(len(plain))]
    batch = {key: torch.stack([sample[key] for sample in samples]) for key in samples[0]}
    for name in ("log", "log_dict"):
        setattr(module, name, lambda *_, **__: None)  # there is no trainer
    optimizer = torch.optim.Adam(module.parameters(), lr=0.004)
    for _ in range(120):
        optimizer.zero_grad()
        module.training_step(batch, 0).backward()
        optimizer.step()
    for layer in network.modules():  # their running means lag behind such a short training
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None
    with torch.no_grad():
        network(module.deployed.normalize(batch["image"]))
    out = tmp_path_factory.mktemp("detector")
    save_checkpoint(out / "model.safetensors", network.eval(), spec)
    export_detector(out / "model.safetensors", out / "model.onnx")
    return out


def test_finds_the_faces_it_has_learned_and_nothing_else(photos: Path, learned: Path) -> None:
    finder = open_detector(str(learned / "model.onnx"))
    recipe = tiny(photos)
    pictures, _ = build_pictures(recipe, build_detector(recipe)[0])
    for scene in pictures.scenes:
        found = finder.detect(read_rgb(scene.image))
        assert len(found) == 1
        assert box_iou(scene.boxes, found.boxes)[0, 0] > 0.7


def test_boxes_are_where_the_face_is_whatever_the_size_of_the_photo(photos: Path, learned: Path) -> None:
    """Reduced by two and put off the center of a frame that is no multiple of 32."""
    recipe = tiny(photos)
    finder, reduced = (FaceFinder(learned / "model.onnx", long_sides=sides) for sides in ((160,), (170,)))
    overlaps = []
    for scene in build_pictures(recipe, build_detector(recipe)[0])[0].scenes:
        image = read_rgb(scene.image)
        (box,) = finder.detect(image).boxes
        large = np.full((330, 340, 3), image[0, 0], np.uint8)
        large[:320, :320] = image.repeat(2, axis=0).repeat(2, axis=1)
        found = reduced.detect(large).boxes
        overlaps.append(box_iou(found, (box + 0.5) * 2 - 0.5).max(initial=0))
    assert np.median(overlaps) > 0.85  # twelve photos teach no detector the single case


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (500, 3), (20, 20), (33, 31)])
@pytest.mark.parametrize("value", [0, 255])
def test_odd_frames_of_one_color_hold_no_face(learned: Path, shape: tuple[int, int], value: int) -> None:
    found = FaceFinder(learned / "model.onnx", min_score=0.6).detect(np.full((*shape, 3), value, np.uint8))
    assert found.boxes.shape == (0, 4)
    assert found.scores.shape == (0,)


def test_training_leaves_a_whole_folder_and_validates(photos: Path, tmp_path: Path) -> None:
    model = fit(tiny(photos), tmp_path / "run", devices=1)
    _, spec = load_detector_checkpoint(model)
    assert spec.provenance["recipe"]["data"]["train"][0]["dataset"] == "boxes"
    assert str(photos) not in spec.to_json()
    assert sorted(path.name for path in (tmp_path / "run/validation").iterdir()) == [
        "epoch_000.jpg",
        "epoch_001.jpg",
    ]
    with (tmp_path / "run/logs/csv/version_0/metrics.csv").open() as log:
        rows = list(csv.DictReader(log))
    assert {"val_f1", "val_recall", "val_precision", "loss/center", "loss/box"} <= rows[0].keys()
    judged = [float(row["val_f1"]) for row in rows if row["val_f1"]]
    assert len(judged) == 2
    assert spec.metrics["val_f1"] == pytest.approx(judged[-1])


@pytest.mark.parametrize(
    ("counts", "precision", "recall", "f1"),
    [
        ([1, 2, 2], 1 / 2, 1 / 2, 1 / 2),
        ([1, 2, 4], 1 / 2, 1 / 4, 1 / 3),
        ([3, 2, 4], 1, 3 / 4, 6 / 7),  # one detection on two faces counts once
        ([0, 5, 2], 0, 0, 0),
        ([0, 0, 0], 0, 0, 0),
    ],
)
def test_f1_is_of_faces_detections_and_what_they_share(
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    counts: list[int],
    precision: float,
    recall: float,
    f1: float,
) -> None:
    recipe = tiny(photos)
    module = DetectionModule(*build_detector(recipe), recipe.objective, recipe.train)
    logged: dict[str, float] = {}
    monkeypatch.setattr(module, "shared", lambda values: values.tolist())  # there is no trainer
    monkeypatch.setattr(module, "log_dict", lambda values, **_: logged.update(values))
    monkeypatch.setattr(module, "log", lambda key, value, **_: logged.update({key: value}))
    module.on_validation_epoch_start()
    module.counts += torch.tensor(counts)
    module.on_validation_epoch_end()
    assert logged == pytest.approx({"val_precision": precision, "val_recall": recall, "val_f1": f1})
    assert module.judged == pytest.approx(f1)


def test_interrupted_training_resumes_to_the_same_weights(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = load_file(fit(tiny(photos), tmp_path / "whole", devices=1))
    save = KeepLast.save

    def save_and_fail(self: KeepLast, trainer: object) -> None:
        save(self, trainer)
        raise EfficientFanError("cut")

    monkeypatch.setattr(KeepLast, "save", save_and_fail)
    with pytest.raises(EfficientFanError, match="cut"):
        fit(tiny(photos), tmp_path / "cut", devices=1)
    monkeypatch.setattr(KeepLast, "save", save)
    resumed = load_file(fit(tiny(photos), tmp_path / "cut", resume=True, devices=1))
    for name, weights in undisturbed.items():
        np.testing.assert_array_equal(resumed[name], weights, err_msg=name)


def test_mosaics_differ_from_epoch_to_epoch_and_hold_faces(photos: Path) -> None:
    recipe = tiny(photos)
    pictures, validation = build_pictures(recipe, build_detector(recipe)[0])
    assert (len(pictures), len(validation)) == (12, 4)
    assert not {s.name for s in pictures.scenes} & {s.name for s in validation.scenes}
    assert (pictures[Draw(0, 0)]["image"] != pictures[Draw(1, 0)]["image"]).any()
    assert sum(float(pictures[Draw(e, 0)]["centers"].max() == 1) for e in range(8)) >= 6


def test_each_loader_refuses_the_other_tasks_checkpoint(learned: Path) -> None:
    with pytest.raises(InputError, match="face detector"):
        load_checkpoint(learned / "model.safetensors")
    with pytest.raises(InputError, match="needed"):
        open_detector(str(find_model("default")))


def test_a_detector_goes_on_from_a_checkpoint(photos: Path, learned: Path) -> None:
    file = learned / "model.safetensors"
    network, spec = build_detector(tiny(photos, f"model.start={file}"))
    for name, tensor in load_detector_checkpoint(file)[0].state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor), name
    assert spec.provenance["recipe"]["model"]["start"] == "model.safetensors"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.start=gone.safetensors", "goes on from gone.safetensors, which is not there"),
        ("model.start=MODEL model.options.channels=16", "weights do not fit this network"),
    ],
)
def test_a_start_that_does_not_fit(photos: Path, learned: Path, override: str, message: str) -> None:
    recipe = tiny(photos, *override.replace("MODEL", str(learned / "model.safetensors")).split())
    with pytest.raises(InputError, match=message):
        build_detector(recipe)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.train=[{dataset: coco}]", "cannot be trained on 'coco'"),
        ("data.train=[{dataset: scenes, split: nope}]", "no split 'nope'"),
        ("model.network=nope", "unknown detector network 'nope'"),
        ("model.options={chanels: 3}", "chanels"),
        ("augmentation.dark=2", "dark is a probability"),
        ("task=poses", "task is one of landmarks, detection"),
    ],
)
def test_what_a_recipe_cannot_say_is_named(photos: Path, override: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tiny(photos, override)
