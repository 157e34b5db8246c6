"""Recipes: inheritance, overrides, faults in one line, and every packaged one builds and takes a step."""

import math
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner

from efficientfan.cli.main import command_line
from efficientfan.codec import build_decoder
from efficientfan.data.catalog import get_dataset
from efficientfan.distill import teacher as teacher_module
from efficientfan.errors import InputError
from efficientfan.losses import Batch, Prediction
from efficientfan.recipes import Recipe, list_recipes, load_recipe, read_recipe_file
from efficientfan.recipes.load import recipe_from_dict
from efficientfan.schema import get_schema
from efficientfan.train.landmarks import build_spec, build_student
from efficientfan.train.objective import build_objective

SMALL = "data: {train: [{dataset: 300w}]}\n"
DATASETS = ("300w", "wflw", "cofw", "aflw")


def landmark_recipes():
    """The packaged recipes but those of detectors, which tests/train/test_detection_training.py looks after."""
    return [recipe for recipe in map(load_recipe, list_recipes()) if isinstance(recipe, Recipe)]


def write(folder, **files):
    for name, text in files.items():
        path = folder / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


# Inheritance


def test_a_recipe_lies_upon_its_bases_section_by_section(tmp_path):
    write(
        tmp_path,
        one=SMALL + "about: the first\ntrain: {epochs: 5, lr: 0.1}\nmodel: {input_size: 128}\n",
        two="train: {lr: 0.2, batch_size: 4}\naugmentation: {rotation: 10}\n",
        mine="base: [one.yaml, two.yaml]\ntrain: {batch_size: 2}\nmodel: {margin: 0.1}\n",
    )
    recipe = load_recipe(tmp_path / "mine.yaml")
    assert (recipe.train.epochs, recipe.train.lr, recipe.train.batch_size) == (5, 0.2, 2)
    assert (recipe.model.input_size, recipe.model.margin, recipe.augmentation.rotation) == (128, 0.1, 10)
    assert (recipe.name, recipe.about) == ("mine", "")  # a name and a story are not inherited


def test_bases_inherit_too_and_are_found_from_where_they_are_named(tmp_path):
    write(tmp_path, **{"deep/one": SMALL, "deep/two": "base: one.yaml\ntrain: {epochs: 3}\n"})
    write(tmp_path, mine="base: deep/two.yaml\nname: my own\n")
    recipe = load_recipe(tmp_path / "mine.yaml")
    assert (recipe.name, recipe.train.epochs) == ("my own", 3)


def test_a_packaged_recipe_can_be_a_base(tmp_path):
    write(tmp_path, mine="base: 300w/mobilefan\ntrain: {epochs: 1}\n")
    recipe = load_recipe(tmp_path / "mine.yaml")
    assert recipe == load_recipe("300w/mobilefan", ["train.epochs=1", "name=mine", "about=''"])


def test_lists_are_replaced_and_another_kind_starts_afresh(tmp_path):
    write(
        tmp_path,
        one=SMALL
        + "model: {decoder: {name: dark, sigma: 2}}\n"
        + "objective: {heatmap: {kind: awing, sigma: 2}}\n"
        + "train: {milestones: [0.1, 0.2]}\n",
        mine="base: one.yaml\nmodel: {decoder: {name: quarter}}\nobjective: {heatmap: {sigma: 3}}\n"
        "train: {milestones: [0.5]}\n",
    )
    recipe = load_recipe(tmp_path / "mine.yaml")
    assert recipe.model.decoder == {"name": "quarter"}
    assert (recipe.objective.heatmap.kind, recipe.objective.heatmap.sigma) == ("awing", 3)
    assert recipe.train.milestones == [0.5]


@pytest.mark.parametrize(
    "files",
    [
        {"a": "base: a.yaml\n"},
        {"a": "base: b.yaml\n", "b": "base: a.yaml\n"},
        {"a": "base: sub/b.yaml\n", "sub/b": "base: ../a.yaml\n"},
    ],
)
def test_a_recipe_that_inherits_itself_is_refused(tmp_path, files):
    write(tmp_path, **files)
    with pytest.raises(InputError, match=r"inherits itself: .* -> "):
        load_recipe(tmp_path / "a.yaml")


@pytest.mark.parametrize("name", ["x\\0", "x\\ud800"])
def test_a_base_that_no_file_can_be_called_is_refused(tmp_path, name):
    write(tmp_path, a=f'base: "{name}"\n')
    with pytest.raises(InputError, match="no recipe"):
        load_recipe(tmp_path / "a.yaml")


def test_bases_that_fan_out_are_refused(tmp_path):
    for number in range(30):
        write(tmp_path, **{f"r{number}": f"base: [r{number + 1}.yaml, r{number + 1}.yaml]\n"})
    write(tmp_path, r30="train: {epochs: 3}\n")
    with pytest.raises(InputError, match="inherits from more than 200 recipes"):
        load_recipe(tmp_path / "r0.yaml")


# Overrides


def test_overrides_replace_values_and_reach_into_lists():
    recipe = load_recipe(
        "300w/mobilefan_fa_fs",
        [
            "train.epochs=5",
            "distill.terms.1.weight=0.5",
            "data.root=/data",
            "model.decoder={name: dark, sigma: 1}",
        ],
    )
    assert recipe.train.epochs == 5
    assert [term.weight for term in recipe.distill.terms] == [0.01, 0.5]
    assert str(recipe.data.root) == "/data"
    assert recipe.model.decoder == {"name": "dark", "sigma": 1}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.epochs", "write KEY=VALUE"),
        ("train.epochs=0", "train.epochs: Input should be greater than or equal to 1"),
        ("train.epoch=5", "train: there is no 'epoch'; did you mean 'epochs'?"),
        ("train.epochs=many", "train.epochs: Input should be a valid integer"),
        ("train.epochs={a: ", "its value is not YAML"),
        ("distill.terms.7.weight=1", "'7' is not an index below 2"),
        ("name.first=x", "'name' holds no section"),
        ("base=300w/mobilefan", "recipe: there is no 'base'; known are task, name, about, data"),
        ("objective.heatmap=null", "an objective needs a heatmap or a coordinate part"),
        ("objective.coordinate={kind: wing}", "needs a decoder with a gradient; 'quarter' has none"),
        ("data.validation={dataset: 300w}", "give either data.holdout or data.validation"),
        ("distill.terms.0.kind=fsp", "unknown distillation term 'fsp'; did you mean 'fs'? known are fa, fs"),
        ("distill.terms.0.kind=fs", "terms of the same kind need a name each"),
        ("distill.terms=[]", "at least 1 item"),
        ("distill.teacher=[1]", "distill.teacher: give a file, or a list of files, not [1]"),
        ("augmentation.flip=2", "flip is a probability, not 2"),
        ("train.lr=.nan", "train.lr: Input should be a finite number"),
        ("train.milestones=[30, 50]", "train.milestones.0: Input should be less than 1"),
        ("data.schema=ibug86", "data.schema: unknown schema 'ibug86'; did you mean 'ibug68'?"),
        ("data.train.0.dataset=400w", "data.train.0: unknown data set '400w'; did you mean '300w'?"),
        ("data.train.0.split=test", "data.train.0: data set '300w' has no split 'test'; it has train"),
        (
            "model.network=mobilefun",
            "unknown network 'mobilefun'; did you mean 'mobilefan'? known are mobilefan",
        ),
        (
            "model.options={kernels: 4}",
            "unknown option of network 'mobilefan': 'kernels'; did you mean 'kernel'? known are",
        ),
        ("model.decoder.name=guess", "unknown decoder 'guess'; known are argmax"),
        ("model.decoder={sigma: 1}", "model.decoder: build_decoder() missing"),
        ("model.decoder.name=soft_argmax", "unknown decoder 'soft_argmax'; did you mean 'softargmax'?"),
        ("model.options={head: integrale}", "unknown head 'integrale'; did you mean 'integral'?"),
        ("augmentation.rotaton=3", "augmentation: there is no 'rotaton'; did you mean 'rotation'?"),
        ("trian.epochs=3", "recipe: there is no 'trian'; did you mean 'train'?"),
        ("distill.terms.0.wieght=1", "distill.terms.0: there is no 'wieght'; did you mean 'weight'?"),
    ],
)
def test_what_a_recipe_cannot_say_is_one_line(override, message):
    with pytest.raises(InputError) as caught:
        load_recipe("300w/mobilefan_fa_fs", [override])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1", "is not YAML"),
        ("- 1", "a recipe is a table of sections, not list"),
        ("base: 3", "base names a recipe, or a list of them"),
        ("base: nowhere", "neither a readable file nor one of"),
        ("train: {epochs: 3}", "data: Field required"),
        ("train: 3\n" + SMALL, "train: Input should be"),
    ],
)
def test_a_file_that_is_no_recipe_is_one_line(tmp_path, text, message):
    write(tmp_path, mine=text)
    with pytest.raises(InputError, match=message):
        load_recipe(tmp_path / "mine.yaml")


def test_an_unknown_recipe_is_one_line():
    with pytest.raises(
        InputError, match=r"no recipe '300w/mobilefun'.*recipes list`; did you mean '300w/mobilefan'\?$"
    ):
        load_recipe("300w/mobilefun")
    with pytest.raises(InputError, match=r"no recipe 'xyzzy'.*recipes list`$"):
        load_recipe("xyzzy")


def test_terms_of_one_kind_can_have_names_of_their_own():
    terms = [{"kind": "cwd"}, {"kind": "cwd", "name": "cwd_stage", "levels": ["stage3"]}]
    recipe = load_recipe(
        "300w/mobilefan", [f"distill={yaml.safe_dump({'terms': terms}, default_flow_style=True)}"]
    )
    assert [term.name for term in recipe.distill.terms] == ["cwd", "cwd_stage"]


# The packaged recipes


def test_every_data_set_of_the_papers_has_every_published_row():
    students = [f"{s}{t}" for s in ("mobilefan", "mobilefan_050") for t in ("", "_fa", "_fs", "_fa_fs")]
    students += [f"efficientfan{t}" for t in ("", "_fa", "_ps", "_fa_ps")]
    rows = [*students, "teacher_resnet50", "teacher_efficientnet_b7"]
    names = {f"{dataset}/{row}" for dataset in ("300w", "wflw", "cofw") for row in rows}
    names |= {f"300w/mobilefan_{term}" for term in ("at", "cwd", "pkd", "soft")}  # baselines of ours
    names |= {"aflw/mobilefan", "aflw/efficientfan"}  # examples of ours: neither abstract claims AFLW
    assert {name for name in list_recipes() if name.partition("/")[0] in DATASETS} == names


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("300w/efficientfan_fa_ps", "2.98 / 5.21 / 3.42"),
        ("wflw/efficientfan_fa_ps", "4.54"),
        ("wflw/mobilefan_fa_fs", "4.93"),
        ("wflw/mobilefan", "5.09"),
        ("wflw/mobilefan_050", "5.70"),
        ("wflw/mobilefan_050_fa_fs", "5.59"),
        ("wflw/teacher_resnet50", "4.82"),
        ("300w/mobilefan_fa_fs", "not found"),
        ("300w/mobilefan_cwd", "ours"),
        ("aflw/mobilefan", "ours"),
        ("tinyfan_128", "ours"),
    ],
)
def test_a_row_says_what_the_paper_reports(name, published):
    assert list_recipes()[name].published == published


def test_no_row_of_the_papers_was_trained_to_the_end():
    trained = {name for name, facts in list_recipes().items() if facts.trained}
    assert not {name for name in trained if name.partition("/")[0] in DATASETS}
    assert {"release/lite0_192", "tinyfan_128", "ablation/mobilefan_fa"} <= trained


def test_a_row_is_student_terms_and_data_set():
    row = read_recipe_file("wflw/mobilefan_050_fa_fs")
    assert row["base"] == ["parts/mobilefan_050", "parts/fa_fs", "parts/wflw"]
    recipe = load_recipe("wflw/mobilefan_050_fa_fs")
    assert recipe.name == "wflw/mobilefan_050_fa_fs"
    assert recipe.about == "MobileFAN (0.5) with FA and FS, on WFLW."
    assert (recipe.model.network, recipe.model.margin, recipe.data.boxes) == (
        "mobilefan_050",
        0.2,
        "supplied",
    )
    assert [term.kind for term in recipe.distill.terms] == ["fa", "fs"]


def test_a_recipe_looks_for_its_teacher_where_that_is_trained(tmp_path):
    assert load_recipe("wflw/mobilefan_fa").distill.teacher == Path(
        "runs/wflw/teacher_resnet50/model.safetensors"
    )
    assert str(load_recipe("facefinder").model.teacher).startswith(
        f"runs/{list_recipes()['facefinder'].teacher}/"
    )
    write(tmp_path, mine="base: wflw/mobilefan_fa\nteacher: mine/best\n", heir="base: mine.yaml\n")
    for name in ("mine", "heir"):
        recipe = load_recipe(tmp_path / f"{name}.yaml")
        assert recipe.distill.teacher == Path("runs/mine/best/model.safetensors")


def test_a_written_recipe_is_the_same_recipe(tmp_path):
    for name in ("wflw/efficientfan_fa_ps", "mobilefan_128"):
        recipe = load_recipe(name)
        write(tmp_path, copy=yaml.safe_dump(recipe.model_dump(mode="json", by_alias=True)))
        assert load_recipe(tmp_path / "copy.yaml") == recipe


@pytest.mark.parametrize("name", list_recipes())
def test_a_packaged_recipe_tells_its_story(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.about


@pytest.mark.parametrize("recipe", landmark_recipes(), ids=lambda recipe: recipe.name)
def test_a_packaged_recipe_fits_its_data(recipe):
    k = get_schema(recipe.data.schema_name).n_landmarks
    for source in recipe.data.train:
        info = get_dataset(source.dataset)
        assert source.split in info.splits
        assert get_schema(info.schema).n_landmarks == k
    build_decoder(stride=4, **recipe.model.decoder)
    folder = recipe.name.partition("/")[0]
    if folder in DATASETS:
        assert [source.dataset for source in recipe.data.train] == [folder]
        assert recipe.data.boxes == ("supplied" if folder in ("wflw", "aflw") else "tight")


def test_a_teacher_and_its_students_see_the_same_crops():
    for recipe in landmark_recipes():
        if recipe.distill is not None:
            name = list_recipes()[recipe.name].teacher
            assert recipe.distill.teacher == Path("runs") / name / "model.safetensors"
            teacher = load_recipe(name)
            model, theirs = recipe.model, teacher.model
            assert theirs.margin == model.margin
            assert theirs.input_size >= model.input_size  # its maps are brought to the student's
            # Else it might have seen the student's validation faces, which are carved out of the first source.
            assert (teacher.data.holdout, teacher.data.validation) == (
                recipe.data.holdout,
                recipe.data.validation,
            )
            assert teacher.data.train[0].model_copy(update={"repeat": 1}) == recipe.data.train[0].model_copy(
                update={"repeat": 1}
            )
            if recipe.name.partition("/")[0] in DATASETS:
                assert (teacher.data, teacher.model.decoder) == (recipe.data, recipe.model.decoder)


@dataclass(frozen=True)
class Work:
    """What makes a recipe's step differ from another's."""

    recipe: str
    network: str
    objective: str
    terms: str


def distinct_work():
    """The first recipe of each kind of step: data sets and schedules make no difference to it."""
    found = {}
    for recipe in landmark_recipes():
        terms = "" if recipe.distill is None else repr(recipe.distill.terms)
        work = Work(recipe.name, recipe.model.network, repr(recipe.objective), terms)
        found.setdefault((work.network, work.objective, work.terms), work)
    return list(found.values())


@pytest.fixture(scope="module")
def teachers():
    """Each teacher network is built once, and stands in for its checkpoint."""
    built = {}

    def load(path):
        name = path.stem
        if name not in built:
            recipe = small(f"300w/{name}")
            torch.manual_seed(0)
            network = build_student(recipe)
            built[name] = network.eval(), build_spec(recipe, network)
        return built[name]

    return load


def small(name, *overrides):
    return load_recipe(name, ["model.input_size=64", "model.init=scratch", *overrides])


def test_a_recipe_that_goes_on_says_from_what():
    with pytest.raises(
        InputError, match=r"goes on from runs/release/teacher_128/model\.safetensors, which is"
    ):
        build_student(load_recipe("release/teacher_224"))


def test_a_recipe_without_its_teacher_says_which_to_train():
    recipe = small("300w/mobilefan_fa")
    student = build_student(recipe)
    with pytest.raises(InputError) as caught:
        build_objective(recipe, student, build_spec(recipe, student))
    assert str(caught.value) == (
        "recipe '300w/mobilefan_fa' learns from runs/300w/teacher_resnet50/model.safetensors, which is not there "
        f"(looked for in {Path.cwd()}); train that first, or add --set distill.teacher=FILE.safetensors"
    )


@pytest.mark.parametrize("work", distinct_work(), ids=lambda work: work.recipe)
def test_every_kind_of_recipe_builds_and_takes_a_step(work, teachers, monkeypatch, tmp_path):
    monkeypatch.setattr(teacher_module, "load_checkpoint", teachers)
    overrides = ["model.start=null"]
    if work.terms:
        teacher = "teacher_efficientnet_b7" if "efficient" in work.network else "teacher_resnet50"
        file = tmp_path / f"{teacher}.safetensors"
        file.touch()  # a fixture stands in for what it holds
        overrides += [f"distill.teacher={file}"]
    recipe = small(work.recipe, *overrides)
    torch.manual_seed(0)
    student = build_student(recipe)
    spec = build_spec(recipe, student)
    objective = build_objective(recipe, student, spec)
    decoder = build_decoder(stride=spec.stride, **recipe.model.decoder)

    k = spec.schema.n_landmarks
    seen = torch.arange(2 * k).reshape(2, k) % 3
    crops = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)  # what a teacher sees
    batch = Batch(
        torch.randn(2, 3, 64, 64), 64 * torch.rand(2, k, 2), torch.ones(2, k), seen, crops={64: crops}
    )
    weights = [*student.parameters(), *objective.parameters()]
    optimizer = torch.optim.SGD(weights, lr=1.0)
    head = student.head.conv.weight.detach().clone()
    output = student(batch.images)
    parts = objective(Prediction(output, decoder(output.heatmaps)[0]), batch)
    torch.stack(list(parts.values())).sum().backward()
    optimizer.step()

    distilled = {f"distill/{term.name}" for term in recipe.distill.terms} if recipe.distill else set()
    assert {name for name in parts if name.startswith("distill/")} == distilled
    assert all(part.isfinite() for part in parts.values())
    assert all(w.grad is not None and w.isfinite().all() for w in weights)
    assert (student.head.conv.weight != head).any()


# The command


def test_recipes_list_and_show():
    run = CliRunner().invoke(command_line(), ["recipes", "list", "wflw/mobilefan_050"])
    assert run.exit_code == 0
    lines = run.output.splitlines()
    rows = [line.split("  ") for line in lines[:5]]
    rows = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert rows[0] == ["recipe", "trained", "published", "teacher", "what"]
    assert rows[1] == ["wflw/mobilefan_050", "no", "5.70", "-", "MobileFAN (0.5), on WFLW"]
    assert rows[3] == [
        "wflw/mobilefan_050_fa_fs",
        "no",
        "5.59",
        "wflw/teacher_resnet50",
        "MobileFAN (0.5) with FA and FS, on WFLW",
    ]
    assert lines[5].startswith("trained: by us")


def test_no_recipe_that_contains_it_is_no_row():
    run = CliRunner().invoke(command_line(), ["recipes", "list", "mobilefun"])
    assert (run.exit_code, run.stdout) == (0, "")


def test_what_show_prints_is_a_recipe():
    run = CliRunner().invoke(
        command_line(), ["recipes", "show", "300w/efficientfan_ps", "--set", "train.epochs=7"]
    )
    assert run.exit_code == 0
    assert "# inherits parts/efficientfan: EfficientFAN (Gao" in run.output
    assert "# published: not found; trained by us: no; teacher: 300w/teacher_efficientnet_b7" in run.output
    shown = recipe_from_dict(yaml.safe_load(run.output))
    assert shown == load_recipe("300w/efficientfan_ps", ["train.epochs=7"])


def test_show_passes_a_fault_on():
    run = CliRunner().invoke(command_line(), ["recipes", "show", "300w/mobilefan", "--set", "train.epoch=7"])
    assert isinstance(run.exception, InputError)


# Visibility

SEEING = "model.options.visibility=true", "objective.visibility={weight: 0.2}"


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("cofw/mobilefan", SEEING[:1], "nothing would train this head; give objective.visibility"),
        ("cofw/mobilefan", SEEING[1:], "needs a network with that head: model.options.visibility: true"),
        ("300w/mobilefan", SEEING, "300w do not label what can be seen; add one that does"),
        ("cofw/mobilefan", ["objective.visibility={weight: -1}"], "objective.visibility.weight"),
    ],
)
def test_a_visibility_objective_needs_head_and_labels(name, overrides, message):
    with pytest.raises(InputError, match=message):
        load_recipe(name, overrides)


def test_a_recipe_with_visibility_builds_and_names_its_output():
    recipe = small("cofw/mobilefan", *SEEING)
    torch.manual_seed(0)
    student = build_student(recipe)
    spec = build_spec(recipe, student)
    assert spec.outputs == ("points", "scores", "visibility")
    objective = build_objective(recipe, student, spec)
    assert objective.scales["visibility"] == 0.2
    student.eval()
    batch = Batch(
        torch.randn(2, 3, 64, 64), 64 * torch.rand(2, 29, 2), torch.ones(2, 29), torch.full((2, 29), 1)
    )
    output = student(batch.images)
    parts = objective(Prediction(output, batch.points), batch)
    assert parts["visibility"].item() == pytest.approx(0.2 * math.log(3), rel=0.01)  # it knows nothing yet


def test_values_may_follow_one_set() -> None:
    arguments = ["recipes", "show", "mobilefan_128", "--set", "train.epochs=5", "train.lr=0.5"]
    result = CliRunner().invoke(command_line(), arguments)
    shown = yaml.safe_load(result.stdout)
    assert (shown["train"]["epochs"], shown["train"]["lr"]) == (5, 0.5)


@pytest.mark.parametrize(
    "text",
    [
        "about: " + "[" * 5000 + "]" * 5000,
        "about: " + "[" * 30 + "]" * 30,
        "train:\n  epochs: " + "9" * 6000,
        "about: 2020-13-45",
        "about: &about [*about]",
        "a: &a [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1 or ''}, *a{i - 1 or ''}]\n" for i in range(1, 60)),
    ],
    ids=["deep", "nested", "digits", "date", "itself", "billions"],
)
def test_yaml_that_is_meant_to_hurt_is_one_line(tmp_path, text):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InputError, match=r"a\.yaml: is n(ot YAML|ested too deeply)"):
        load_recipe(tmp_path / "a.yaml")
    value = text.partition(": ")[2]
    if "\n" not in value:
        with pytest.raises(InputError, match=r"^--set about: its value is n"):
            load_recipe("mobilefan_128", [f"about={value}"])
