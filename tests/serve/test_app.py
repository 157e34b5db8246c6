"""Routes: what is answered, and what is refused."""

from __future__ import annotations

import base64
import io
import json
import logging
import re
import struct
import zlib

import numpy as np
import pytest

from efficientfan import load, read_rgb
from efficientfan.formats.records import Record
from efficientfan.serve import REFUSALS, ServiceSettings
from efficientfan.serve.answers import BatchAnswer, ErrorAnswer, ModelsAnswer, PhotoAnswer
from efficientfan.serve.monitor import JsonLines

JPEG = {"Content-Type": "image/jpeg"}
BOX = [20.5, 10, 80, 60]


def refused(response, code):
    """The message of a refusal with this code, in the one shape that errors have."""
    error = ErrorAnswer.model_validate_json(response.content).error
    assert (error.code, response.status_code) == (code, REFUSALS[code][0]), response.text
    assert error.request_id == response.headers["X-Request-ID"]
    return error.message


@pytest.mark.parametrize("fields", [{}, {"boxes": json.dumps([BOX])}])
@pytest.mark.parametrize("pose", [False, True])
def test_the_answer_is_what_predict_prints(client, model_file, photo, fields, pose):
    predictor = load(model_file, detector="whole")
    image = read_rgb(io.BytesIO(photo))
    faces = predictor(image, [BOX] if fields else None)
    expected = Record("a.jpg", 96, 64, "tiny", predictor.spec.schema, faces, pose).to_dict()
    fields = fields | {"pose": str(pose).lower()}
    form = client.post("/v1/faces", files={"image": ("a.jpg", photo)}, data=fields)
    raw = client.post("/v1/faces", params=fields, content=photo, headers=JPEG)
    assert form.json() == expected
    assert raw.json() == expected | {"image": "image"}
    PhotoAnswer.model_validate(form.json())


def test_crops_are_those_of_align(client, model_file, photo):
    fields = {"crop": "upright", "crop_size": 40, "crop_margin": 0.25}
    (entry,) = client.post("/v1/faces", params=fields, content=photo, headers=JPEG).json()["faces"]
    image = read_rgb(io.BytesIO(photo))
    (face,) = load(model_file, detector="whole")(image)
    crop = read_rgb(io.BytesIO(base64.b64decode(entry["crop"])))
    assert np.array_equal(crop, face.align(image, 40, "upright", 0.25))


def test_crops_that_fill_the_memory_are_refused(client, photo):
    fields = {"boxes": json.dumps([BOX] * 16), "crop": "box", "crop_size": 512}
    message = refused(client.post("/v1/faces", params=fields, content=photo, headers=JPEG), "crops_too_large")
    assert "16 crops of 512 x 512" in message


def test_a_batch_answers_each_photo_in_its_place(client, photo):
    files = [("images", ("a.jpg", photo)), ("images", ("b.jpg", b"no photo")), ("images", ("c.jpg", photo))]
    boxes = json.dumps([[BOX, BOX], None, None])
    answer = client.post("/v1/batch", files=files, data={"boxes": boxes})
    results = answer.json()["results"]
    assert [result["image"] for result in results] == ["a.jpg", "b.jpg", "c.jpg"]
    assert [len(result.get("faces", ())) for result in results] == [2, 0, 1]
    assert results[1]["error"]["code"] == "unusable_image"
    BatchAnswer.model_validate(answer.json())


def test_models_are_listed_and_chosen_by_either_name(client, photo):
    answer = client.get("/v1/models").json()
    assert ModelsAnswer.model_validate(answer).models[0].landmarks == 68
    for name in ("tiny", answer["models"][0]["name"]):
        assert client.post(f"/v1/faces?model={name}", content=photo, headers=JPEG).status_code == 200


def test_max_faces_and_min_score_choose_found_faces_only(client, photo):
    given = {"boxes": json.dumps([BOX, BOX]), "max_faces": 1, "min_score": 1}
    assert len(client.post("/v1/faces", params=given, content=photo, headers=JPEG).json()["faces"]) == 2
    assert client.post("/v1/faces?min_score=1", content=photo, headers=JPEG).json()["faces"] == []


def huge_png() -> bytes:
    """A PNG file of 70 bytes that claims 30,000 x 30,000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 9) + b"IDAT" + b"x" * 13


@pytest.mark.parametrize(
    ("query", "content", "headers", "code", "message"),
    [
        ("", b"", JPEG, "unusable_image", "the body is empty"),
        ("", b"no photo", JPEG, "unusable_image", "not an image that can be read"),
        (
            "",
            huge_png(),
            JPEG,
            "unusable_image",
            "claims 30000 x 30000 pixels, more than the limit of 25000000",
        ),
        ("", b"x", {"Content-Type": "text/plain"}, "unsupported_media_type", "not text/plain"),
        ("", b"x", {}, "unsupported_media_type", "Content-Type image/jpeg"),
        ("", b"x", JPEG | {"Content-Encoding": "gzip"}, "unsupported_media_type", "compressed"),
        ("", b"x", {"Content-Type": "multipart/form-data"}, "bad_request", "Missing boundary"),
        ("", b"x", {"Content-Type": "multipart/form-data; boundary=a"}, "bad_request", "cannot be read"),
        ("?model=tinny", None, JPEG, "unknown_model", "did you mean 'tiny'"),
        (
            "?boxes=[[200,0,300,50]]",
            None,
            JPEG,
            "unusable_boxes",
            "box 0 lies wholly outside the 96 x 64 image",
        ),
        ("?boxes=[[9,9,9,9]]", None, JPEG, "unusable_boxes", "no positive width"),
        ("?boxes=[[1e999,0,1,1]]", None, JPEG, "invalid_option", "boxes.0.0"),
        ("?boxes=[[1,2,3]]", None, JPEG, "invalid_option", "boxes.0: List should have at least 4"),
        ("?boxes=[", None, JPEG, "invalid_option", "boxes: Invalid JSON"),
        ("?boxes=" + "[" * 3000, None, JPEG, "invalid_option", "boxes: Invalid JSON"),
        (f"?boxes={json.dumps([BOX] * 101)}", None, JPEG, "unusable_boxes", "at most 100"),
        ("?min_score=2", None, JPEG, "invalid_option", "min_score"),
        ("?min_score=nan", None, JPEG, "invalid_option", "min_score"),
        ("?max_faces=0", None, JPEG, "invalid_option", "max_faces"),
        ("?pose=maybe", None, JPEG, "invalid_option", "pose"),
        ("?crop=round", None, JPEG, "invalid_option", "crop: Input should be 'arcface'"),
        ("?crop=box&crop_size=100000", None, JPEG, "invalid_option", "crop_size"),
        ("?pose=1&pose=0", None, JPEG, "invalid_option", "pose: is given twice"),
        ("?color=red", None, JPEG, "invalid_option", "unknown field 'color'"),
    ],
)
def test_what_is_refused(client, photo, query, content, headers, code, message):
    response = client.post(
        f"/v1/faces{query}", content=photo if content is None else content, headers=headers
    )
    assert message in refused(response, code)


@pytest.mark.parametrize(
    ("files", "data", "code", "message"),
    [
        ({"photo": ("a.jpg", b"x")}, {}, "invalid_option", "in the field 'image', not 'photo'"),
        ([("image", ("a.jpg", b"x"))] * 2, {}, "bad_request", "Maximum number of files is 1"),
        ({"image": (None, "a.jpg")}, {}, "invalid_option", "image: is text, not a file"),
        ({"other": (None, "x")}, {}, "invalid_option", "no file in the field 'image'"),
        ({"image": ("a.jpg", b"x")}, {"boxes": "9" * 300_000}, "bad_request", "exceeded maximum size"),
        ({"image": ("a.jpg", b"x")}, {f"f{n}": "1" for n in range(50)}, "bad_request", "Too many fields"),
    ],
)
def test_forms_that_are_refused(client, files, data, code, message):
    assert message in refused(client.post("/v1/faces", files=files, data=data), code)


@pytest.mark.parametrize("headers", ["a: " + "b" * 100_000, "\r\n".join(["a: b"] * 10_000)])
def test_a_part_of_many_or_long_headers_is_refused(client, headers):
    body = f"--x\r\n{headers}\r\n\r\n\r\n--x--\r\n"
    response = client.post(
        "/v1/faces", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert "Invalid multipart data" in refused(response, "bad_request")


def test_batches_that_are_refused(client, photo):
    many = [("images", ("a.jpg", photo))] * 17
    assert "Maximum number of files is 16" in refused(client.post("/v1/batch", files=many), "bad_request")
    two, boxes = many[:2], {"boxes": "[null]"}
    assert "1 entries for 2" in refused(client.post("/v1/batch", files=two, data=boxes), "invalid_option")


def test_paths_and_methods_that_are_refused(client):
    assert "openapi.json" in refused(client.get("/v2/faces"), "not_found")
    response = client.get("/v1/faces")
    assert "POST" in refused(response, "method_not_allowed")
    assert response.headers["Allow"] == "POST"


@pytest.mark.parametrize(
    "content", [b"x" * 1001, iter([b"x" * 900, b"x" * 900])], ids=["announced", "chunked"]
)
def test_a_body_that_is_too_large_is_refused(service, content):
    response = service(max_bytes=1000).post("/v1/faces", content=content, headers=JPEG)
    assert "more than 1000 bytes" in refused(response, "too_large")


def test_photos_are_decoded_in_child_processes_that_may_die(service, photo):
    client = service(untrusted=True, max_pixels=100 * 100)
    assert client.post("/v1/faces", content=photo, headers=JPEG).json()["width"] == 96
    (child,) = client.app.state.service._reader._idle.queue
    child._process.kill()
    child._process.wait()
    assert "claims" in refused(client.post("/v1/faces", content=huge_png(), headers=JPEG), "unusable_image")
    assert client.post("/v1/faces", content=photo, headers=JPEG).status_code == 200
    process = child._process
    client.app.state.service.close()
    assert process.poll() is not None


def test_bodies_that_fill_the_memory_together_are_refused_and_forgotten(service, photo):
    client = service(max_bytes=10_000, max_held_bytes=10_000)
    held = client.app.state.service.held
    held.add(9_000)
    response = client.post("/v1/faces", content=photo + bytes(2_000), headers=JPEG)
    assert "at once" in refused(response, "busy")
    assert response.headers["Retry-After"] == "1"
    assert held.now == 9_000
    held.release(9_000)
    assert client.post("/v1/faces", content=photo, headers=JPEG).status_code == 200
    assert held.now == 0


def test_a_token_is_asked_for_everywhere_but_at_the_checks(service, photo):
    client = service(token="a secret")
    for headers in ({}, {"Authorization": "Bearer a sicret"}, {"Authorization": "Basic YTpi"}):
        response = client.post("/v1/faces", content=photo, headers=JPEG | headers)
        assert "Authorization: Bearer" in refused(response, "unauthorized")
        assert response.headers["WWW-Authenticate"] == "Bearer"
    for path in ("/v1/models", "/metrics"):
        refused(client.get(path), "unauthorized")
    for path in ("/healthz", "/readyz", "/"):
        assert client.get(path).status_code == 200
    right = {"Authorization": "Bearer a secret"}
    assert client.post("/v1/faces", content=photo, headers=JPEG | right).status_code == 200


def test_no_origin_may_read_answers_but_those_that_are_named(service, client):
    origin = {"Origin": "https://example.org"}
    assert "Access-Control-Allow-Origin" not in client.get("/v1/models", headers=origin).headers
    open_one = service(cors=("https://example.org",))
    allowed = open_one.get("/v1/models", headers=origin).headers["Access-Control-Allow-Origin"]
    assert allowed == "https://example.org"
    other = open_one.get("/v1/models", headers={"Origin": "https://example.com"})
    assert "Access-Control-Allow-Origin" not in other.headers


def test_a_service_that_drains_is_not_ready_and_answers_to_the_end(service, photo):
    client = service()
    client.app.state.service.draining = True
    refused(client.get("/readyz"), "not_ready")
    response = client.post("/v1/faces", content=photo, headers=JPEG)
    assert (response.status_code, response.headers["Connection"]) == (200, "close")


def test_a_fault_is_logged_and_told_without_details(service, photo, caplog):
    client = service(decode=lambda content: 1 / 0)
    response = client.post("/v1/faces", content=photo, headers=JPEG | {"X-Request-ID": "mine-1"})
    assert "division" not in refused(response, "internal")
    (fault,) = [record for record in caplog.records if record.message == "fault"]
    line = json.loads(JsonLines().format(fault))
    assert (line["request_id"], line["level"]) == ("mine-1", "error")
    assert "ZeroDivisionError" in line["trace"]


def test_the_log_has_a_line_per_request_without_content_or_names(client, photo, caplog):
    caplog.set_level(logging.INFO, "efficientfan.serve")
    headers = {"X-Request-ID": "a\nb"}
    client.post("/v1/faces?pose=true", files={"image": ("secret.jpg", photo)}, headers={})
    client.get("/secret", headers=headers | {"X-Request-ID": "not valid!"})
    lines = [
        json.loads(JsonLines().format(record)) for record in caplog.records if record.message == "request"
    ]
    first, second = lines
    assert first.items() >= {
        "event": "request", "method": "POST", "path": "/v1/faces", "status": 200, "photos": 1,
        "bytes": len(photo), "faces": 1, "model": "tiny",
    }.items()  # fmt: skip
    assert (second["path"], second["status"]) == ("other", 404)
    assert re.fullmatch("[0-9a-f]{32}", second["request_id"])
    assert "secret" not in caplog.text


def test_metrics_count(service, photo):
    client = service()
    client.post("/v1/faces", content=photo, headers=JPEG)
    client.post("/v1/faces", content=b"", headers=JPEG)
    text = client.get("/metrics").text
    assert 'efficientfan_requests_total{path="/v1/faces",status="200"} 1.0' in text
    assert 'efficientfan_requests_total{path="/v1/faces",status="422"} 1.0' in text
    assert "efficientfan_faces_total 1.0" in text
    assert "efficientfan_batch_photos_count 1.0" in text
    assert float(re.search(r'stage_seconds_total\{stage="network"\} (\S+)', text)[1]) > 0


def test_a_built_page_is_served_with_what_its_threads_need(service, tmp_path, photo):
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html>a page", encoding="utf-8")
    (tmp_path / "assets" / "a.wasm").write_bytes(b"code")
    client = service(page=tmp_path)
    kinds = {
        "/": "text/html; charset=utf-8",
        "/assets/a.wasm": "application/wasm",
        "/models.json": "application/json",
    }
    for path, kind in kinds.items():
        response = client.get(path)
        assert (response.status_code, response.headers["Content-Type"]) == (200, kind)
        assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert response.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert "a page" in client.get("/").text
    model = client.get("/models.json").json()["models"][0]
    assert len(client.get(f"/{model['file']}").content) == model["bytes"]
    refused(client.get("/nothing.js"), "not_found")
    refused(client.get("/..%2f..%2fetc/passwd"), "not_found")
    assert client.post("/v1/faces", content=photo, headers=JPEG).status_code == 200


def test_without_a_page_a_text_says_how_to_get_one(service, tmp_path, monkeypatch):
    monkeypatch.setattr("efficientfan.serve.page.built_page", lambda: None)
    assert "run scripts/page" in service().get("/").text
    with pytest.raises(ValueError, match="holds no built page"):
        service(page=tmp_path)


def test_openapi_has_options_examples_and_errors(client):
    table = client.get("/openapi.json").json()
    faces = table["paths"]["/v1/faces"]["post"]
    assert {"image/jpeg", "multipart/form-data"} <= set(faces["requestBody"]["content"])
    form = faces["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert {"image", "boxes", "model", "pose", "crop"} <= set(form["properties"])
    assert {each["name"] for each in faces["parameters"]} == set(form["properties"]) - {"image"}
    documented = {
        example["value"]["error"]["code"]
        for path in table["paths"].values()
        for operation in path.values()
        for response in operation["responses"].values()
        for example in response.get("content", {}).get("application/json", {}).get("examples", {}).values()
        if "error" in example["value"]
    }
    assert documented == set(REFUSALS) - {"method_not_allowed"}
    (example,) = table["components"]["schemas"]["PhotoAnswer"]["examples"]
    PhotoAnswer.model_validate(example)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": ()}, "needs a model"),
        ({"queue": 0}, "queue must be at least 1"),
        ({"queue": 4}, "max_batch is at most queue"),
        ({"max_bytes": 2**40}, "max_bytes is at most max_held_bytes"),
        ({"token": " "}, "a token .* is printable"),
        ({"upload_seconds": 0}, "upload_seconds"),
    ],
)
def test_settings_are_checked(changes, message):
    with pytest.raises(ValueError, match=message):
        ServiceSettings(**changes)


def test_the_token_is_not_shown():
    assert "secret" not in repr(ServiceSettings(token="secret"))
