"""What the server answers and what it refuses, through a socket as a browser asks."""

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import numpy as np
import pytest
from cases.viewing.run_folder import make_run, numbered

from inverse_inr.command.looking.found import found
from inverse_inr.viewing import Viewer
from inverse_inr.viewing.server import HEADERS, LOOPBACK, serve

PLANE = {"run": 0, "volume": "truth", "down": 0, "right": 1, "at": "0,0", "channel": 0}


class Client:
    """Asks a server on this machine."""

    def __init__(self, folders: list[Path]):
        self.viewer = Viewer(lambda: [found(folder) for folder in folders])
        threading.Thread(target=self.viewer.serve_forever, args=(0.01,), daemon=True).start()

    def get(self, path, *, method="GET", host=None, whole=False, **words):
        target = path if whole else f"/{self.viewer.token}/{path}"
        if words:
            target += f"?{urlencode(words)}"
        link = http.client.HTTPConnection(LOOPBACK, self.viewer.server_port, timeout=10)
        mine = f"{LOOPBACK}:{self.viewer.server_port}"
        link.putrequest(method, target, skip_host=True)
        for name in [mine] if host is None else host:
            link.putheader("Host", name.replace("PORT", str(self.viewer.server_port)))
        link.endheaders()
        response = link.getresponse()
        body = response.read()
        link.close()
        return response, body


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "made", surface=True)


@pytest.fixture(scope="module")
def client(folder) -> Iterator[Client]:
    made = Client([folder])
    yield made
    made.viewer.shutdown()
    made.viewer.server_close()


def test_the_page_and_its_files_are_there(client):
    for name, kind in {
        "": "text/html",
        "main.js": "text/javascript",
        "page.css": "text/css",
    }.items():
        response, body = client.get(name)
        assert response.status == 200
        assert response.headers["Content-Type"].startswith(kind)
        assert len(body) == int(response.headers["Content-Length"]) > 100
    response, body = client.get("", method="HEAD")
    assert (response.status, body) == (200, b"")


def test_nothing_is_fetched_from_elsewhere(client):
    policy = client.get("")[0].headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    page = Path(__file__).parents[2] / "inverse_inr" / "viewing" / "page"
    for path in page.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "http" not in text, path
        assert "//cdn" not in text, path


@pytest.mark.parametrize(
    "path", ["/", "/runs", "/index.html", "//", "/favicon.ico", "/%2e%2e/runs"]
)
def test_without_the_token_everything_is_forbidden(client, path):
    response, body = client.get(path, whole=True)
    assert response.status == 403
    assert b"token" in body
    wrong = client.viewer.token[:-1] + "é"
    assert client.get(f"/{quote(wrong)}/runs", whole=True)[0].status == 403


@pytest.mark.parametrize(
    "host",
    [["evil.example:PORT"], ["127.0.0.1"], [], ["127.0.0.1:PORT", "evil.example"], ["127.0.0.1:1"]],
)
def test_another_host_is_forbidden_even_with_the_token(client, host):
    response, body = client.get("runs", host=host)
    assert response.status == 403
    assert b"own address" in body
    assert client.get("runs", host=["localhost:PORT"])[0].status == 200


@pytest.mark.parametrize(
    "name",
    [
        "../config.json",
        "%2e%2e/config.json",
        "config.json",
        "page/",
        "..",
        "answers.py",
        "page/main.js",
    ],
)
def test_what_is_no_page_is_not_found(client, name):
    assert client.get(name)[0].status == 404


def test_every_answer_has_the_headers_that_keep_other_pages_out(client):
    for name, words in [("", {}), ("runs", {}), ("plane", PLANE), ("nothing", {})]:
        headers = client.get(name, **words)[0].headers
        assert {key: headers[key] for key in HEADERS} == HEADERS
        assert "Access-Control-Allow-Origin" not in headers
    assert client.get("", method="POST")[0].status == 501


def test_a_run_is_described(client):
    (run,) = json.loads(client.get("runs")[1])
    assert [(v["title"], v["role"]) for v in run["volumes"]] == [
        ("truth", "truth"),
        ("TV", "method"),
        ("hash", "result"),
        ("standard deviation", "deviation"),
    ]
    assert run["volumes"][0]["shape"] == [6, 8]
    assert run["volumes"][0]["units"] == ["cm", "cm"]
    assert run["weights"] == {"0.01": 3.0, "0.1": 2.0, "1": 4.0}
    assert run["weight"] == 0.1
    assert [record["step"] for record in run["curves"][0]["records"]] == [50, 100, 150]
    assert run["state"] == "finished"
    assert run["notes"] == []


def test_a_plane_and_a_line_are_sent_as_they_are(client):
    response, body = client.get("plane", **PLANE)
    assert response.headers["X-Shape"] == "6,8"
    np.testing.assert_array_equal(
        np.frombuffer(body, "<f4").reshape(6, 8), numbered((6, 8))[..., 0].numpy()
    )
    _, body = client.get("line", run=0, volume="truth", axis=1, at="2,0", channel=0)
    np.testing.assert_array_equal(np.frombuffer(body, "<f4"), numbered((6, 8))[2, :, 0].numpy())


def test_a_surface_is_sent(client):
    _, body = client.get("surface", run=0, name="surface.ply")
    assert np.frombuffer(body, "<u4", 2).tolist() == [4, 4]
    assert len(body) == 8 + 4 * 12 + 4 * 12
    assert client.get("surface", run=0, name="config.json")[0].status == 404


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"volume": "none"}, 404),
        ({"run": 1}, 404),
        ({"run": -1}, 404),
        ({"at": "0"}, 400),
        ({"at": "6,0"}, 400),
        ({"at": "-1,0"}, 400),
        ({"channel": 1}, 400),
        ({"channel": "colours"}, 400),
        ({"down": 1}, 422),
        ({"down": "x"}, 422),
        ({"part": "phase"}, 422),
    ],
)
def test_a_wrong_word_is_told(client, change, status):
    response, body = client.get("plane", **{**PLANE, **change})
    assert response.status == status
    assert body.strip()


def test_files_outside_and_links_are_refused(tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    folder = make_run(tmp_path / "run", surface=True)
    (folder / "deep").mkdir()
    names = {"../secret.png": "", "link.png": "", "away/secret.png": "", str(secret): ""}
    (folder / "files.json").write_text(json.dumps(names))
    (folder / "link.png").symlink_to(secret)
    (folder / "away").symlink_to(tmp_path)
    (folder / "image.npz").unlink()
    (folder / "image.npz").symlink_to(folder / "truth.npz")
    made = Client([folder])
    for name in names:
        response, body = made.get("picture", run=0, name=name)
        assert response.status == 404
        assert b"secret\n" not in body
        assert body != b"secret"
    assert made.get("plane", **{**PLANE, "volume": "hash"})[0].status == 404
    run = json.loads(made.get("runs")[1])[0]
    assert "fault" in next(v for v in run["volumes"] if v["title"] == "hash")
    made.viewer.shutdown()
    made.viewer.server_close()


def test_a_port_that_is_taken_is_told(client, folder):
    with pytest.raises(OSError, match="in use"):
        serve(lambda: [found(folder)], port=client.viewer.server_port, browser=False)
