"""A report's arithmetic, its file, its tables and its pictures."""

from __future__ import annotations

import doctest
import json

import pytest

from efficientfan.benchmark import tables
from efficientfan.benchmark.machine import Machine, describe_machine
from efficientfan.benchmark.peak import GemmPeak
from efficientfan.benchmark.profile import NodeTime, operator_shares
from efficientfan.benchmark.report import FORMAT, Report, candidate
from efficientfan.benchmark.stages import PARTS, PhotoTimes
from efficientfan.benchmark.startup import StartUp
from efficientfan.benchmark.tables import report_text
from efficientfan.benchmark.timing import Timing
from efficientfan.imaging import read_rgb

ROUNDS = Timing(((0.002, 0.002), (0.004, 0.004), (0.002, 0.002)))


def made(name="fast", nme=0.03, threads=1, slower=1.0, **what):
    timing = Timing(tuple(tuple(slower * each for each in seconds) for seconds in ROUNDS.rounds))
    fields = {
        "kind": "model",
        "engine": "onnxruntime",
        "device": "cpu",
        "precision": "int8+f32",
        "file_bytes": 1_500_000,
        "macs": 100_000_000,
        "peak_gops": 400.0,
    }
    return candidate(
        timing,
        ROUNDS,
        {4: Timing(((0.004,),), faces=4), 8: Timing(((0.016,),), faces=8)},
        name=name,
        nme=nme,
        threads=threads,
        **(fields | what),
    )


def report(*candidates):
    machine = Machine("Abacus 9", 2, 0.5, "Linux", {"numpy": "2"})
    photo = PhotoTimes("tiny", 1, "1080p, 1 face", 1, 0, dict.fromkeys(PARTS, 1.5), 7.25, (6.5, 8.75), 7.0)
    return Report(
        machine,
        {"rounds": 3, "repeats": 2, "seed": 0, "detector": "facefinder", "processor_time": False},
        [GemmPeak("openvino", "int8", 1, 1024, 400.0, 410.0)],
        candidates or [made(), made("slow", None, slower=3)],
        [StartUp("fast", 0.1, 0.2, 0.3, 0.6, 123.4)],
        [photo],
        "nme_box, set split",
        ["a note"],
        {"fast": operator_shares([NodeTime("a", "QLinearConv", 1.5), NodeTime("b", "Softmax", 0.5)])},
    )


def test_shares_and_ratios():
    found = made(slower=2)
    assert (found.best_ms, found.median_ms) == pytest.approx((4, 4))
    assert found.ratio == pytest.approx(2)
    assert found.peer_ratios == {}
    assert found.round_ms == pytest.approx([4, 8, 4])
    assert found.gops == pytest.approx(50)  # 2 x 1e8 operations in 4 ms
    assert found.peak_share == pytest.approx(0.125)
    assert found.faces_per_second == pytest.approx({1: 250, 4: 1000, 8: 500})
    assert found.best_batch == 4
    assert found.arithmetic == "int8"
    assert found.label == "fast, 1 thread"


def test_ratios_to_peers_are_columns():
    """Peers run beside the smallest number of threads; elsewhere there is none."""
    peer = Timing(((0.001,), (0.001,), (0.004,)))
    both = [made(peers={"dlib": peer}), made("more", threads=2)]
    assert both[0].peer_ratios == {"dlib": 2.0}
    lines = report_text(report(*both)).splitlines()
    header = next(line for line in lines if line.startswith("candidate") and "x dlib" in line)
    place = header.index("x dlib")
    cells = {
        line.split(",")[0]: line[place - 3 : place + 6].split()[-1]
        for line in lines
        if line.startswith(("fast, 1", "more, 2"))
    }
    assert cells == {"fast": "2.00", "more": "-"}


def test_what_is_unknown_stays_so():
    peer = made("peer", None, None, macs=None, peak_gops=None, precision="", file_bytes=None)
    assert peer.gops is None
    assert peer.peak_share is None
    assert peer.label == "peer"
    row = next(line for line in report_text(report(peer)).splitlines() if line.startswith("peer"))
    assert row.split()[-5:] == ["-"] * 5
    assert "nme is" not in report_text(report(peer))


def test_the_file_holds_everything(tmp_path):
    report().save(tmp_path / "benchmark.json")
    table = json.loads((tmp_path / "benchmark.json").read_text())
    assert table["format"] == FORMAT
    assert set(table) == {
        "format",
        "accuracy",
        "candidates",
        "machine",
        "notes",
        "peaks",
        "photos",
        "profiles",
        "settings",
        "startup",
    }
    first, second = table["candidates"]
    assert first["faces_per_second"]["4"] == pytest.approx(1000)
    assert (first["ratio"], second["ratio"]) == pytest.approx((1, 3))
    assert len(first["round_ms"]) == 3
    assert table["photos"][0]["parts"] == dict.fromkeys(PARTS, 1.5)
    assert table["startup"][0]["total_s"] == 0.6


def test_tables_say_it_all():
    text = report_text(report())
    for words in (
        "Abacus 9, 2 cores, load 0.5",
        "3 interleaved rounds of 2 repeats, seed 0",
        "int8, 1 thread: 400 GOP/s (openvino, best 410)",
        "25 % int8",
        "nme is nme_box, set split, in percent",
        "fast, 1 thread",
        "detector: facefinder",
        "6.5 to 8.8",
        "a note",
    ):
        assert words in text


def test_an_end_to_end_run_has_one_table():
    whole = report()
    settings = dict(whole.settings) | {"processor_time": True}
    text = report_text(Report(whole.machine, settings, photos=whole.photos))
    assert "milliseconds of processor time" in text
    assert text.count("\n\n") == 1
    assert text.splitlines()[-1].split() == [
        *("tiny,", "1", "thread", "1080p,", "1", "face", "1", "0"),
        *(["1.5"] * 6),
        *("7.2", "6.5", "to", "8.8", "7.0"),
    ]


def test_the_front():
    assert doctest.testmod(tables).failed == 0
    points = {"a": (1.0, 3.0), "same": (1.0, 3.0), "b": (2.0, 3.0), "c": (2.0, 2.0)}
    assert tables.front(points) == ["a", "c"]


def test_pictures(tmp_path):
    tables.plot_latencies(tmp_path / "latency.png", report())
    assert tables.plot_error_against_time(
        tmp_path / "front.png",
        report(
            made(), made("better", 0.02, slower=3), made("beaten", 0.04, slower=2), made("peer", 0.01, None)
        ),
    )
    for name in ("latency", "front"):
        assert read_rgb(tmp_path / f"{name}.png").std() > 5
    assert not tables.plot_error_against_time(tmp_path / "none.png", report(made(nme=None)))
    assert not (tmp_path / "none.png").exists()


def test_the_machine_knows_itself():
    machine = describe_machine()
    assert machine.cores >= 1
    assert machine.processor
    assert {"efficientfan", "numpy", "onnxruntime"} <= set(machine.versions)
