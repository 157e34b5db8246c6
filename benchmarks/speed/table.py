"""Milliseconds of models and peers, as Markdown, from what `efficientfan benchmark` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tables import markdown

from efficientfan.files import read_json

__all__ = ["speed", "speed_short"]

HERE = Path(__file__).parent
ROWS = {
    "tinyfan_128_visibility_int8 openvino f32": "tinyfan_128_visibility_int8, OpenVINO (`--model tiny`)",
    "tinyfan_128_visibility openvino bf16": "tinyfan_128_visibility, OpenVINO bf16",
    "tinyfan_128_visibility onnxruntime f32": "tinyfan_128_visibility, ONNX Runtime f32 (`--model fast`)",
    "mobilefan_128_visibility onnxruntime f32": "mobilefan_128_visibility, ONNX Runtime f32",
    "tinyfan_128_visibility_int8 onnxruntime f32": "tinyfan_128_visibility_int8, ONNX Runtime",
    "efficientfan_lite0_192 openvino bf16": "efficientfan_lite0_192, OpenVINO bf16",
    "efficientfan_lite0_192 onnxruntime f32": "efficientfan_lite0_192, ONNX Runtime f32 (the default)",
    "dlib": "dlib's 68 points",
    "mediapipe": "MediaPipe Face Mesh, with its detector",
}
"""Candidates, as the table names them."""

REMARKS = {"efficientfan_lite0_192 openvino bf16": " (f32)", "dlib": ", on its own training photos"}
"""What must stand beside an error."""


def speed() -> list[str]:
    """One thread, batch 1: ms, the best throughput, the share of the machine's peak, the error."""
    found = candidates()
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
                nme(found[name]) + REMARKS.get(name, ""),
            ]
            for index, (name, text) in enumerate(ROWS.items())
        ],
    )


def speed_short() -> list[str]:
    """The three packaged choices and two peers: median ms of a face, and the error."""
    found = candidates()
    bf16 = found["efficientfan_lite0_192 openvino bf16"]["median_ms"]
    rows = {
        "efficientfan_lite0_192 onnxruntime f32": f"the default, ONNX Runtime (OpenVINO in bf16: {bf16:.1f})",
        "tinyfan_128_visibility onnxruntime f32": "`--model fast` (MobileNetV4's small encoder, 128 pixels, 4.1 MB)",
        "tinyfan_128_visibility_int8 openvino f32": "`--model tiny --backend openvino` (the same in int8, 2.2 MB)",
        "dlib": "dlib's 68-point predictor",
        "mediapipe": "MediaPipe Face Mesh 0.10.21, its own detector included",
    }
    remarks = {"dlib": ", trained on these photos"}
    return markdown(
        ["", "ms per face", "nme_interocular"],
        [
            [text, f"{found[name]['median_ms']:.1f}", nme(found[name]) + remarks.get(name, "")]
            for name, text in rows.items()
        ],
    )


def candidates() -> dict[str, dict[str, Any]]:
    """Name -> figures."""
    return {each["name"]: each for each in read_json(HERE / "benchmark.json")["candidates"]}


def of_peak(candidate: dict[str, Any]) -> str:
    """The share of the machine's peak at the candidate's arithmetic."""
    if candidate["peak_share"] is None:
        return ""
    return f"{100 * candidate['peak_share']:.0f} % of {candidate['precision'].partition('+')[0]}"


def nme(candidate: dict[str, Any]) -> str:
    """In percent."""
    return f"{100 * candidate['nme']:.2f}"
