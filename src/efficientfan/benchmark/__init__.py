"""`efficientfan benchmark`: speed, start-up and memory, in interleaved rounds, so that noise affects all alike."""

from efficientfan.benchmark.report import Candidate, Report
from efficientfan.benchmark.run import PEERS, Plan, run_benchmark
from efficientfan.benchmark.subjects import Subject, choose_subjects
from efficientfan.benchmark.tables import report_text

__all__ = [
    "PEERS",
    "Candidate",
    "Plan",
    "Report",
    "Subject",
    "choose_subjects",
    "report_text",
    "run_benchmark",
]
