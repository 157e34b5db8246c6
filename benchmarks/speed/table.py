"""Milliseconds of models and peers, as Markdown and beside their errors, from what `efficientfan benchmark` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from accuracy.table import on_common, read_runs
from tables import markdown

from efficientfan.benchmark.tables import front
from efficientfan.files import read_json
from efficientfan.plots import plot_front

__all__ = ["draw_front", "speed", "speed_short"]

HERE = Path(__file__).parent
ROWS = {
    "tinyfan_128_visibility_int8 openvino f32": "tinyfan_128_visibility_int8, OpenVINO (`--model tiny`)",
    "efficientfan_lite0_128_int8 onnxruntime f32": "efficientfan_lite0_128_int8, ONNX Runtime (`--model fast`)",
    "efficientfan_lite0_128_int8 openvino f32": "efficientfan_lite0_128_int8, OpenVINO",
    "tinyfan_128_visibility_int8 onnxruntime f32": "tinyfan_128_visibility_int8, ONNX Runtime",
    "efficientfan_lite0_192_int8 onnxruntime f32": "efficientfan_lite0_192_int8, ONNX Runtime (`--model default_int8`)",
    "efficientfan_lite0_192_int8 openvino f32": "efficientfan_lite0_192_int8, OpenVINO",
    "efficientfan_lite0_192 openvino bf16": "efficientfan_lite0_192, OpenVINO bf16",
    "efficientfan_lite0_192 onnxruntime f32": "efficientfan_lite0_192, ONNX Runtime f32 (the default)",
    "dlib": "dlib's 68 points",
    "mediapipe": "MediaPipe Face Mesh, with its detector",
}
"""Candidates, as the table names them."""

PEERS = {
    "dlib": ("dlib 68-point predictor", "dlib's 68 points, trained on these photos"),
    "mediapipe": ("MediaPipe Face Mesh, mapped + mean offsets", "MediaPipe Face Mesh, with its detector"),
}
"""Peers -> their row among the errors, and their name in the figure."""

ENGINES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "torch": "PyTorch", "ncnn": "ncnn"}

REMARKS = {"efficientfan_lite0_192 openvino bf16": " (f32)", "dlib": ", on its own training photos"}
"""What must stand beside an error."""


def speed() -> list[str]:
    """One thread, batch 1: ms, the best throughput, the share of the machine's peak, the error."""
    found, nme = candidates(), errors_of_candidates()
    return markdown(
        ["", "best", "median", "p95", "faces/s, best batch", "of peak", "nme_interocular"],
        [
            [
                text,
                f"{found[name]['best_ms']:.2f}",
                f"**{found[name]['median_ms']:.2f}**" if not index else f"{found[name]['median_ms']:.2f}",
                f"{found[name]['p95_ms']:.2f}",
                f"{max(found[name]['faces_per_second'].values()):,.0f}",
                of_peak(found[name]),
                nme[name] + REMARKS.get(name, ""),
            ]
            for index, (name, text) in enumerate(ROWS.items())
        ],
    )


def speed_short() -> list[str]:
    """The packaged choices and two peers: median ms of a face, and the error."""
    found, nme = candidates(), errors_of_candidates()
    rows = {
        "efficientfan_lite0_192 onnxruntime f32": "the default, ONNX Runtime",
        "efficientfan_lite0_192_int8 onnxruntime f32": "`--model default_int8` (the same in int8, 3.8 MB)",
        "efficientfan_lite0_128_int8 onnxruntime f32": "`--model fast` (at 128 pixels, in int8, 3.8 MB)",
        "tinyfan_128_visibility_int8 openvino f32": "`--model tiny --backend openvino` (another network, 2.2 MB)",
        "dlib": "dlib's 68-point predictor",
        "mediapipe": "MediaPipe Face Mesh 0.10.21, its own detector included",
    }
    remarks = {"dlib": ", trained on these photos"}
    return markdown(
        ["", "ms per face", "nme_interocular"],
        [
            [text, f"{found[name]['median_ms']:.1f}", nme[name] + remarks.get(name, "")]
            for name, text in rows.items()
        ],
    )


def draw_front(path: Path) -> None:
    """Error on 300-W common against milliseconds, of everything that `benchmark.json` and `results.csv` both have."""
    report = read_json(HERE / "benchmark.json")
    errors = {run["label"]: 100 * run.nme.value for run in on_common(read_runs())}
    fewest = min(each["threads"] for each in report["candidates"] if each["threads"])
    points = {}
    for each in report["candidates"]:
        if each["threads"] not in (fewest, None):
            continue
        if each["kind"] == "peer":
            row, label = PEERS[each["name"]]
        else:
            row = each["name"].split()[0]
            label = f"{row}, {ENGINES[each['engine']]} {each['precision']}"
        if row in errors:
            points[label] = (each["median_ms"], errors[row])
    plot_front(
        path,
        points,
        front(points),
        x_label=f"ms per face, batch 1, {fewest} thread{'' if fewest == 1 else 's'}: median",
        y_label="nme_interocular on 300-W common (%)",
        title=report["machine"]["processor"],
    )


def candidates() -> dict[str, dict[str, Any]]:
    """Name -> figures."""
    return {each["name"]: each for each in read_json(HERE / "benchmark.json")["candidates"]}


def of_peak(candidate: dict[str, Any]) -> str:
    """The share of the machine's peak at the candidate's arithmetic."""
    if candidate["peak_share"] is None:
        return ""
    return f"{100 * candidate['peak_share']:.0f} % of {candidate['precision'].partition('+')[0]}"


def errors_of_candidates() -> dict[str, str]:
    """Candidate -> nme_interocular on 300-W common in ground-truth boxes, percent."""
    found = {run["label"]: f"{100 * run.nme.value:.2f}" for run in on_common(read_runs())}
    rows = {name: PEERS[name][0] if name in PEERS else name.split()[0] for name in candidates()}
    return {name: found[row] for name, row in rows.items() if row in found}
