"""A real server: jobs from upload to result, a kill, hostile requests."""

from __future__ import annotations

import csv
import http.client
import io
import json
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.serving import RunningServer, form, running_server

from semanticmac.inference import load

HTML = "<img src=x onerror=alert(1)><script>alert(2)</script>"


def raw(server: RunningServer, *pieces: bytes, wait_s: float = 20.0) -> bytes:
    """What the server answers to these bytes before it closes the connection."""
    with socket.create_connection((server.host, server.port), timeout=wait_s) as connection:
        answer = b""
        try:
            for piece in pieces:
                connection.sendall(piece)
            while part := connection.recv(65536):
                answer += part
        except (ConnectionError, TimeoutError):
            pass
        return answer


def test_a_clip_is_predicted_as_by_the_program(server, small_run, clip):
    job = server.send(clip, text="a line that is said")
    assert job["state"] in ("waiting", "running") and job["name"] == clip.name
    assert server.wait(job["id"])["state"] == "done"

    [moment] = server.get(f"/jobs/{job['id']}/result")["moments"]
    expected = load(small_run[0] / "small", device="cpu").predict(clip, "a line that is said")
    scores = moment["prediction"]["scores"]
    assert set(scores) == {"multimodal", "shared", "text", "audio", "vision"}
    for name, score in expected.outputs.items():
        assert scores[name] == pytest.approx(score, abs=1e-5)

    status, headers, body = server.ask("GET", f"/jobs/{job['id']}/result.csv")
    [row] = csv.DictReader(io.StringIO(body.decode()))
    assert status == 200 and headers["content-type"].startswith("text/csv")
    assert row["text"] == "a line that is said"
    assert float(row["audio score"]) == pytest.approx(scores["audio"][0])

    status, headers, body = server.ask(
        "GET", f"/jobs/{job['id']}/media", headers={"range": "bytes=0-9"}
    )
    assert (
        status == 206 and body == clip.read_bytes()[:10] and headers["content-type"] == "video/mp4"
    )
    assert server.ask("DELETE", f"/jobs/{job['id']}")[0] == 204
    assert server.ask("GET", f"/jobs/{job['id']}")[0] == 404
    assert not (server.data / "jobs" / job["id"]).exists()


def test_a_browser_gets_a_copy_of_what_it_cannot_play(server, film, tmp_path):
    codecs = ("-c:v", "mpeg1video", "-c:a", "mp2")
    job = server.send(film(tmp_path / "old.mpg", 2.0, extra=codecs))
    assert server.wait(job["id"])["state"] == "done"
    status, headers, body = server.ask("GET", f"/jobs/{job['id']}/player")
    assert status == 200 and headers["content-type"] == "video/mp4" and body[4:8] == b"ftyp"
    headers = server.ask("GET", f"/jobs/{job['id']}/media")[1]
    assert headers["content-disposition"] == "attachment"
    page = server.ask("GET", f"/view/{job['id']}", headers={"accept": "text/html"})[2]
    assert f'src="/jobs/{job["id"]}/player"'.encode() in page


def test_a_failure_of_the_server_is_a_sentence_too(server, clip):
    job = server.send(clip)["id"]
    server.wait(job)
    (server.data / "jobs" / job / "timeline.json").write_text("damaged")
    status, headers, body = server.ask("GET", f"/jobs/{job}/result")
    assert status == 500 and json.loads(body)["error"].startswith("the server failed")
    assert headers["x-content-type-options"] == "nosniff"
    assert server.ask("POST", "/runs")[0] == 405


def test_events_follow_a_job_to_its_end(server, clip):
    kind = {"content-type": "video/mp4"}
    body = server.ask("POST", "/predict?name=bare.mp4&text=hi", clip.read_bytes(), kind)[2]
    job = json.loads(body)
    events = server.ask("GET", f"/jobs/{job['id']}/events")[2].decode()
    states = []
    for line in events.splitlines():
        if line.startswith("data: "):
            states.append(json.loads(line.removeprefix("data: "))["state"])
    assert states[-1] == "done" and "running" in states
    assert server.get(f"/jobs/{job['id']}")["name"] == "bare.mp4"


def test_eight_uploads_at_once_are_all_predicted(server, clip):
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(lambda _: server.send(clip, text="all at once"), range(8)))
    assert len({job["id"] for job in jobs}) == 8
    scores = set()
    for job in jobs:
        assert server.wait(job["id"])["state"] == "done"
        [moment] = server.get(f"/jobs/{job['id']}/result")["moments"]
        scores.add(round(moment["prediction"]["scores"]["multimodal"][0], 5))
    assert len(scores) == 1


def test_a_modality_can_be_left_out(server, clip):
    job = server.send(clip, text="no face", without="vision")
    assert server.wait(job["id"])["state"] == "done"
    [moment] = server.get(f"/jobs/{job['id']}/result")["moments"]
    assert moment["prediction"]["scores"]["vision"] is None
    for fields, reason in (
        ({"without": "text,audio,vision"}, "every modality"),
        ({"without": "smell"}, "there is no modality 'smell'"),
        ({"run": "../../etc"}, "there is no run '../../etc': expected small"),
    ):
        kind, body = form(b"x", "clip.mp4", **fields)
        status, _, answer = server.ask("POST", "/predict", body, {"content-type": kind})
        assert status == 422 and reason in json.loads(answer)["error"]


def test_a_playlist_shows_no_other_file(server, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("a secret")
    for name, text in (
        ("list.m3u8", f"#EXTM3U\n#EXTINF:5,\nfile://{secret}\n"),
        ("list.mp4", f"#EXTM3U\n#EXTINF:5,\nfile://{secret}\n"),
        ("list.ffconcat", f"ffconcat version 1.0\nfile '{secret}'\n"),
        ("page.mp4", f"<html>{HTML}</html>"),
    ):
        (tmp_path / name).write_text(text)
        job = server.send(tmp_path / name)
        ended = server.wait(job["id"])
        assert ended["state"] == "failed", name
        assert "secret" not in ended["reason"] and str(server.data) not in ended["reason"]
        status, _, page = server.ask("GET", f"/view/{job['id']}", headers={"accept": "text/html"})
        assert status == 200 and ended["reason"][1:40].encode() in page
        media = server.ask("GET", f"/jobs/{job['id']}/media")
        assert "sandbox" in media[1]["content-security-policy"]
        assert media[1]["content-type"] in ("video/mp4", "application/octet-stream")


def test_hostile_names_and_texts_are_only_shown(server, clip):
    kind, body = form(clip.read_bytes(), f"../../../x/{HTML}.mp4".replace('"', ""), text=HTML)
    job = json.loads(server.ask("POST", "/predict", body, {"content-type": kind})[2])
    assert ".." not in job["name"]
    assert server.wait(job["id"])["state"] == "done"
    for path in (f"/view/{job['id']}", f"/jobs/{job['id']}/result.csv"):
        status, headers, page = server.ask("GET", path, headers={"accept": "text/html"})
        assert status == 200 and headers["x-content-type-options"] == "nosniff"
        if path.startswith("/view"):
            assert b"<img src=x" not in page and b"<script>alert" not in page
    assert not [path for path in server.data.rglob("*") if "img" in path.name]


@pytest.mark.parametrize(
    "path",
    [
        "/jobs/..%2f..%2fetc%2fpasswd",
        "/jobs/../../etc/passwd",
        "/static/../settings.py",
        "/static/..%2fsettings.py",
        "/static/%2e%2e/%2e%2e/pyproject.toml",
        "/view/..",
        "/jobs/%00/media",
    ],
)
def test_no_path_leads_out(server, path):
    status, _, body = server.ask("GET", path)
    assert status in (400, 404) and b"root:" not in body and b"class " not in body


def test_hostile_bytes_leave_the_server_well(server):
    head = f"POST /predict HTTP/1.1\r\nHost: {server.host}\r\n".encode()
    assert b" 400 " in raw(server, b"\x16\x03\x01 no http at all\r\n\r\n")
    for fields in (
        b"X: " + b"y" * 100_000 + b"\r\n",
        b"X: " + b"y" * 10_000_000 + b"\r\n",
        b"".join(b"X-%d: 1\r\n" % number for number in range(20_000)),
    ):
        answer = raw(server, head + fields + b"\r\n")[:20]
        # A client that still sends when it is refused may not see the answer.
        assert b" 400 " in answer or b" 431 " in answer or answer == b""
    assert b" 400 " in raw(server, head + b"Content-Length: -5\r\n\r\n")
    both = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert b" 2" not in raw(server, head + both)[:13]
    kind, body = form(b"x" * 1000, "clip.mp4")
    fields = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection((server.host, server.port)) as connection:
        connection.sendall(head + fields + body[:300])  # and then the client is gone
    deadline = time.monotonic() + 10
    while list((server.data / "uploads").iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not list((server.data / "uploads").iterdir())
    assert server.get("/health")["status"] == "ok"


def test_no_page_loads_anything_from_elsewhere(server):
    for path in ("/", "/docs", "/login", "/view/none"):
        page = server.ask("GET", path, headers={"accept": "text/html"})[2].decode()
        for word in ("src=", "href=", "action="):
            for part in page.split(word)[1:]:
                assert part[1] in "/#" or part[1:].startswith("data:,"), part[:60]
        assert "<style" not in page and " style=" not in page and "onclick" not in page
    schema = server.get("/openapi.json")
    assert "/predict" in schema["paths"] and "multipart/form-data" in json.dumps(schema)


def test_a_browser_without_scripts_is_led_to_the_page_of_the_job(server, clip):
    kind, body = form(clip.read_bytes(), clip.name)
    headers = {"content-type": kind, "accept": "text/html", "origin": server.url}
    status, fields, _ = server.ask("POST", "/predict", body, headers)
    assert status == 303 and fields["location"].startswith("/view/")
    page = server.ask("GET", fields["location"], headers={"accept": "text/html"})[2]
    assert b'http-equiv="refresh"' in page or b"<h1" in page
    server.ask("POST", fields["location"].replace("/view/", "/jobs/") + "/delete")
    assert server.ask("GET", fields["location"])[0] == 404


def test_a_job_outlives_the_process_that_holds_the_model(server, clip):
    server.wait(server.send(clip, text="the model is loaded")["id"])
    job = server.send(clip, text="and killed")
    pid = server.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert len(children) == 1
    os.kill(int(children[0]), signal.SIGKILL)
    assert server.wait(job["id"])["state"] == "done"
    assert Path(f"/proc/{pid}/task/{pid}/children").read_text().split() != children


def test_a_killed_server_loses_no_job(small_run, clip, tmp_path):
    with running_server(small_run[0], tmp_path / "data") as first:
        jobs = [first.send(clip, text=f"job {number}") for number in range(4)]
        deadline = time.monotonic() + 120
        while first.get(f"/jobs/{jobs[0]['id']}")["state"] != "running":
            assert time.monotonic() < deadline
        half = http.client.HTTPConnection(first.host, first.port)
        half.putrequest("POST", "/predict")
        half.putheader("content-type", "video/mp4")
        half.putheader("content-length", "1000000")
        half.endheaders()
        half.send(b"an upload that has not ended")
        time.sleep(0.3)
        first.kill()
        half.close()
    with running_server(small_run[0], tmp_path / "data") as second:
        assert not list((tmp_path / "data/uploads").iterdir())
        for job in jobs:
            assert second.wait(job["id"])["state"] == "done"
        assert second.stop() in (0, -15)


def test_limits_and_the_token(small_run, clip, tmp_path):
    token = "a-token-of-the-tests"
    words = ("--host", "127.0.0.1", "--max-mb", 1, "--max-minutes", 0.02, "--rate", 5)
    with running_server(small_run[0], tmp_path / "data", *words, SEMANTICMAC_TOKEN=token) as server:
        assert server.link.endswith(f"/login#{token}")
        assert server.ask("GET", "/runs")[0] == 401
        headers = {"authorization": f"Bearer {token}"}
        assert server.ask("GET", "/runs", headers=headers)[0] == 200

        login = {"content-type": "application/x-www-form-urlencoded"}
        status, fields, _ = server.ask("POST", "/login", f"token={token}".encode(), login)
        cookie = fields["set-cookie"]
        assert (
            status == 303 and "httponly" in cookie.lower() and "samesite=strict" in cookie.lower()
        )
        assert token not in cookie
        assert server.ask("GET", "/", headers={"cookie": cookie.split(";")[0]})[0] == 200
        assert server.ask("POST", "/login", b"token=wrong", login)[0] == 401

        bare = headers | {"content-type": "video/mp4"}
        assert server.ask("POST", "/predict", b"x" * (2 << 20), bare)[0] == 413
        job = json.loads(server.ask("POST", "/predict?name=a.mp4", clip.read_bytes(), bare)[2])
        deadline = time.monotonic() + 60
        while (ended := server.get(f"/jobs/{job['id']}", **headers))["state"] != "failed":
            assert time.monotonic() < deadline and ended["state"] != "done"
            time.sleep(0.1)
        assert "minutes long" in ended["reason"]
        statuses = []
        for _ in range(6):
            statuses.append(server.ask("POST", "/predict", b"", bare)[0])
        assert statuses[-1] == 429


def test_a_slow_head_is_closed(server, monkeypatch):
    started = time.monotonic()
    assert raw(server, b"GET / HTTP/1.1\r\nHost: ", wait_s=40.0) == b""
    assert 5 < time.monotonic() - started < 30
    assert server.get("/health")


def test_a_second_server_on_the_same_folder_is_refused(server, small_run):
    refused = running_server(small_run[0], server.data)
    with pytest.raises(AssertionError, match="another server uses"):
        refused.__enter__()


def test_no_model_is_said_at_once(tmp_path):
    refused = running_server(tmp_path / "runs", tmp_path / "data")
    with pytest.raises(AssertionError, match="holds no trained model"):
        refused.__enter__()
    assert not Path(tmp_path / "data").exists()
