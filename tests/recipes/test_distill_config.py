"""What a recipe may say of teachers, terms and faces without landmarks."""

from pathlib import Path

import pytest
from torch import Tensor

from efficientfan.distill import DistillationTerm
from efficientfan.errors import InputError
from efficientfan.losses import Batch
from efficientfan.recipes.load import recipe_from_dict

LABELED, UNLABELED = {"dataset": "300w"}, {"dataset": "faces", "split": "utkface"}
CWD = {"kind": "cwd"}


def recipe(*train, distill=None, **data):
    return recipe_from_dict({"name": "r", "data": {"train": list(train), **data}, "distill": distill})


class LooksAtLabels(DistillationTerm):
    default_levels = ("heatmaps",)
    needs_labels = True

    def compare(self, level: str, student: Tensor, teacher: Tensor, batch: Batch) -> Tensor:
        return batch.weights.sum()


def test_a_teacher_is_a_file_or_several():
    one, two, none = (
        recipe(LABELED, distill={"terms": [CWD], "teacher": teacher}).distill
        for teacher in ("a.safetensors", ["a.safetensors", "b.safetensors"], None)
    )
    assert one.teachers == (Path("a.safetensors"),)
    assert two.teachers == (Path("a.safetensors"), Path("b.safetensors"))
    assert none.teachers == ()


def test_a_term_has_a_weight_or_a_ratio():
    terms = [CWD, {"kind": "fa", "ratio": 0.3}, {"kind": "fs", "weight": 0.01}]
    distill = recipe(LABELED, distill={"terms": terms}).distill
    assert [(term.weight, term.ratio) for term in distill.terms] == [(1.0, None), (None, 0.3), (0.01, None)]
    again = recipe(LABELED, distill=distill.model_dump(mode="json"))
    assert again.distill == distill
    with pytest.raises(InputError, match="term 'cwd': give either weight or ratio"):
        recipe(LABELED, distill={"terms": [{**CWD, "weight": 1, "ratio": 1}]})
    with pytest.raises(InputError, match="ratio: Input should be greater than 0"):
        recipe(LABELED, distill={"terms": [{**CWD, "ratio": 0}]})


def test_faces_without_landmarks_are_for_distillation():
    taught = recipe(LABELED, UNLABELED, distill={"terms": [CWD]})
    assert [source.labeled for source in taught.data.train] == [True, False]


@pytest.mark.parametrize(
    ("sources", "settings", "message"),
    [
        ([LABELED, UNLABELED], {}, "faces has no landmarks, so it needs a teacher; give distill"),
        (
            [LABELED, UNLABELED],
            {"distill": {"terms": [{"kind": f"{__name__}:LooksAtLabels"}]}},
            "faces has no landmarks, and distillation term 'LooksAtLabels' looks at them",
        ),
        ([UNLABELED, LABELED], {"distill": {"terms": [CWD]}}, "validation faces come from 'faces'"),
        (
            [LABELED, UNLABELED],
            {"distill": {"terms": [CWD]}, "holdout": None, "validation": UNLABELED},
            "validation faces come from 'faces'",
        ),
        (
            [UNLABELED],
            {"distill": {"terms": [CWD]}, "holdout": None, "validation": LABELED},
            "no training source has landmarks",
        ),
        ([LABELED], {"distill": {"terms": [CWD], "decay": "fast"}}, "distill.decay: Input should be 'none'"),
    ],
)
def test_what_does_not_go_together_is_one_line(sources, settings, message):
    with pytest.raises(InputError, match=message):
        recipe(*sources, **settings)
