"""Knowledge transfer: terms that compare a student with a teacher, and the objective that adds them.

A term of your own is one class, a subclass of `DistillationTerm`, and one line in a recipe,
`kind: package.module:Class`. Needs the `train` extra.
"""

from efficientfan.distill.objective import DistillationObjective
from efficientfan.distill.teacher import Teacher, Teachers, load_teachers
from efficientfan.distill.term import Channels, DistillationTerm, channels_of
from efficientfan.distill.terms import TERMS, find_term
from efficientfan.distill.weighting import TermWeights

__all__ = [
    "TERMS",
    "Channels",
    "DistillationObjective",
    "DistillationTerm",
    "Teacher",
    "Teachers",
    "TermWeights",
    "channels_of",
    "find_term",
    "load_teachers",
]
