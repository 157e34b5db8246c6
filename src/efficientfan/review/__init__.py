"""From predictions to labels: the least sure faces in a folder for correction, and the corrections out of an export."""

from efficientfan.review.corrections import Corrections, import_corrections
from efficientfan.review.faces import FoundFace, PhotoFinder, faces_above, least_sure
from efficientfan.review.folder import ReviewFolder, write_review, write_sure

__all__ = [
    "Corrections",
    "FoundFace",
    "PhotoFinder",
    "ReviewFolder",
    "faces_above",
    "import_corrections",
    "least_sure",
    "write_review",
    "write_sure",
]
