"""Tiny copies of every data set layout, with drawn photos and known points, for the readers' tests."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from efficientfan.data.readers.wflw import ATTRIBUTES
from efficientfan.schema import get_schema

WIDTH, HEIGHT = 64, 48


@dataclass
class Tiny:
    """A data set on disk and what reading it must give."""

    name: str
    root: Path
    split: str
    points: list[np.ndarray]
    labels: list[Path]
    schema: str | None = None


def points_of(k: int, seed: int) -> np.ndarray:
    """(K, 2) points on an ellipse inside the photo, with three decimals."""
    angle = np.linspace(0, 6, k) + seed
    ellipse = np.stack([30 + 20 * np.cos(angle), 24 + 15 * np.sin(angle)], axis=1)
    return ellipse.round(3)


def photo(path: Path, seed: int = 0) -> Path:
    """Draw a photo of WIDTH x HEIGHT; each seed another one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(seed)).save(path)
    return path


def pixels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def pts_text(points: np.ndarray) -> str:
    rows = "\n".join(f"{x + 1:.3f} {y + 1:.3f}" for x, y in points)
    return f"version: 1\nn_points:  {len(points)}\n{{\n{rows}\n}}\n"


def make_300w(root: Path) -> Tiny:
    points = [points_of(68, seed) for seed in range(4)]
    places = ("afw/1_1", "helen/trainset/22_1", "lfpw/trainset/image_0001", "lfpw/trainset/image_0002")
    for seed, place in enumerate(places):
        photo(root / f"{place}.{'png' if 'lfpw' in place else 'jpg'}", seed)
        (root / f"{place}.pts").write_text(pts_text(points[seed]))
    return Tiny("300w", root, "train", points, [root / f"{place}.pts" for place in places])


def make_wflw(root: Path) -> Tiny:
    points = [points_of(98, seed) for seed in range(3)]
    images = ["0--Parade/a.jpg", "0--Parade/a.jpg", "1--Handshaking/b.jpg"]
    lines = []
    for seed, image in enumerate(images):
        photo(root / "WFLW_images" / image, len(image))
        flags = ["1" if seed == index else "0" for index in range(len(ATTRIBUTES))]
        numbers = [f"{value:.6f}" for value in points[seed].reshape(-1)]
        lines.append(" ".join([*numbers, "8", "7", "52", "41", *flags, image]))
    table = root / "WFLW_annotations/list_98pt_rect_attr_train_test/list_98pt_rect_attr_test.txt"
    table.parent.mkdir(parents=True)
    table.write_text("\n".join(lines) + "\n")
    return Tiny("wflw", root, "test", points, [table])


def make_cofw(root: Path, split: str = "train") -> Tiny:
    import h5py

    points = [points_of(29, seed) for seed in range(3)]
    suffix = "Tr" if split == "train" else "T"
    covered = np.zeros((3, 29))
    covered[1, :5] = 1
    root.mkdir(parents=True, exist_ok=True)
    path = root / f"COFW_{split}_color.mat"
    with h5py.File(path, "w") as file:
        references = np.empty((1, 3), dtype=object)
        for seed in range(3):
            image = pixels(seed) if seed else pixels(seed)[..., 0]  # the first one is gray
            references[0, seed] = file.create_dataset(f"#refs#/{seed}", data=image.T).ref
        file.create_dataset(f"Is{suffix}", data=references, dtype=h5py.ref_dtype)
        phis = [np.concatenate([p[:, 0] + 1, p[:, 1] + 1, c]) for p, c in zip(points, covered, strict=True)]
        file[f"phis{suffix}"] = np.stack(phis, axis=1)
        file[f"bboxes{suffix}"] = np.array([[11.0, 10.0, 30.0, 20.0]] * 3).T
    return Tiny("cofw", root, split, points, [path])


def make_cofw68(root: Path) -> Tiny:
    from scipy.io import savemat

    make_cofw(root, "test")
    points = [points_of(68, seed) for seed in range(3)]
    folder = root / "COFW68_Data/test_annotations"
    folder.mkdir(parents=True)
    for index, array in enumerate(points, start=1):
        occlusion = np.zeros((68, 1))
        occlusion[:17] = 1
        savemat(folder / f"{index}_points.mat", {"Points": array + 1, "Occ": occlusion})
    boxes = np.array([[11.0, 10.0, 30.0, 20.0]] * 3)
    savemat(root / "COFW68_Data/cofw68_test_bboxes.mat", {"bboxes": boxes})
    return Tiny("cofw68", root, "test", points, [folder / f"{index}_points.mat" for index in (1, 2, 3)])


def make_aflw(root: Path) -> Tiny:
    """Two faces train, three test; the reader's N_TRAIN is to be set to 2."""
    from scipy.io import savemat

    faces = [points_of(19, seed) for seed in range(5)]
    names = np.empty((5, 1), dtype=object)
    for seed in range(5):
        names[seed, 0] = f"{(0, 2, 3)[seed % 3]}/image{seed:05d}.jpg"
        photo(root / "flickr" / names[seed, 0], seed)
    mask = np.ones((5, 19))
    mask[3, 4] = 0
    order = np.array([[5, 1, 4, 2, 3]])
    savemat(
        root / "AFLWinfo_release.mat",
        {
            "nameList": names,
            "data": np.stack([face.T.reshape(-1) for face in faces]),
            "bbox": np.array([[8.0, 52.0, 7.0, 41.0]] * 5),
            "mask_new": mask,
            "ra": order,
        },
    )
    return Tiny("aflw", root, "full", [faces[3], faces[1], faces[2]], [root / "AFLWinfo_release.mat"])


def make_lapa(root: Path) -> Tiny:
    points = [points_of(106, seed).round() for seed in range(2)]
    labels = []
    for seed, array in enumerate(points):
        photo(root / f"val/images/{seed}_0.jpg", seed)
        labels.append(root / f"val/landmarks/{seed}_0.txt")
        labels[-1].parent.mkdir(parents=True, exist_ok=True)
        labels[-1].write_text("106\n" + "".join(f"{x:f} {y:f}\n" for x, y in array))
    return Tiny("lapa", root, "val", points, labels)


def make_300wlp(root: Path) -> Tiny:
    from scipy.io import savemat

    points, labels = [], []
    for seed, folder in enumerate(("AFW", "HELEN", "IBUG", "LFPW")):
        points.append(points_of(68, seed))
        photo(root / folder / f"{folder}_1_{seed}.jpg", seed)
        savemat(root / folder / f"{folder}_1_{seed}.mat", {"pt2d": np.zeros((2, 68))})
        labels.append(root / "landmarks" / folder / f"{folder}_1_{seed}_pts.mat")
        labels[-1].parent.mkdir(parents=True)
        savemat(labels[-1], {"pts_2d": points[-1] + 1, "pts_3d": points[-1] + 3})
    return Tiny("300wlp", root, "train", points, labels)


def make_aflw2000(root: Path) -> Tiny:
    from scipy.io import savemat

    points = [points_of(68, seed) for seed in range(2)]
    for seed, array in enumerate(points):
        photo(root / f"image{seed:05d}.jpg", seed)
        solid = np.vstack([array.T + 1, np.ones(68)])
        savemat(root / f"image{seed:05d}.mat", {"pt3d_68": solid, "pt2d": np.zeros((2, 21))})
    return Tiny("aflw2000", root, "test", points, sorted(root.glob("*.mat")))


def make_menpo(root: Path) -> Tiny:
    points = [points_of(68, seed) for seed in range(2)]
    for seed, array in enumerate(points):
        photo(root / f"semifrontal/{seed}.jpg", seed)
        (root / f"semifrontal/{seed}.pts").write_text(pts_text(array))
    return Tiny("menpo", root, "semifrontal", points, sorted(root.rglob("*.pts")))


def make_pts(root: Path) -> Tiny:
    tiny = make_menpo(root)
    return Tiny("pts", root, "all", tiny.points, tiny.labels, "ibug68")


def make_coco(root: Path) -> Tiny:
    points = [points_of(5, seed) for seed in range(3)]
    points[1][3] = np.nan
    images, faces = [], []
    for index, name in enumerate(("a.jpg", "b/c.png")):
        photo(root / "images" / name, index)
        images.append({"id": index + 10, "file_name": name, "width": WIDTH, "height": HEIGHT})
    for index, array in enumerate(points):
        flags = np.where(np.isnan(array[:, :1]), 0, 2)
        keypoints = np.hstack([np.nan_to_num(array), flags]).reshape(-1).tolist()
        faces.append({"id": index, "image_id": 10 + index // 2, "category_id": 1, "keypoints": keypoints})
    faces[0] |= {"bbox": [8, 7, 44, 34], "pose": "frontal", "attributes": {"blur": True}}
    faces[2]["keypoints"][2] = 1
    category = {"id": 1, "name": "face", "keypoints": list("abcde")}
    table = {"images": images, "annotations": faces, "categories": [category]}
    (root / "train.json").write_text(json.dumps(table, indent=0))
    return Tiny("coco", root, "train", points, [root / "train.json"], "five")


def make_csv(root: Path) -> Tiny:
    points = [points_of(5, seed) for seed in range(2)]
    points[1][2] = np.nan
    header = ["image", *(f"{name}_{axis}" for name in get_schema("five").landmarks for axis in "xy")]
    lines = [",".join([*header, "box_x0", "box_y0", "box_x1", "box_y1", "attr.pose"])]
    for index, array in enumerate(points):
        photo(root / f"{index}.png", index)
        numbers = ["" if np.isnan(value) else f"{value:.3f}" for value in array.reshape(-1)]
        tail = ["8", "7", "52", "41", '"""left"""'] if index == 0 else [""] * 5
        lines.append(",".join([f"{index}.png", *numbers, *tail]))
    (root / "train.csv").write_text("\n".join(lines) + "\n")
    return Tiny("csv", root, "train", points, [root / "train.csv"], "five")


MAKERS = {
    "300w": make_300w,
    "wflw": make_wflw,
    "cofw": make_cofw,
    "cofw68": make_cofw68,
    "aflw": make_aflw,
    "lapa": make_lapa,
    "300wlp": make_300wlp,
    "aflw2000": make_aflw2000,
    "menpo": make_menpo,
    "pts": make_pts,
    "coco": make_coco,
    "csv": make_csv,
}
