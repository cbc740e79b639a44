"""Landmarks over HTTP: what is taken, what is refused and in which words, and what becomes of a study."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from ledgers import claim
from pydantic import SecretStr
from report_samples import STUDY, image_points
from servers import free_port, listens, wait_until
from spooled import IMAGE, KEY, landmarks, store_slice
from structlog.testing import capture_logs
from web_client import Client, app_of

from service.config import Settings, Storage, Web
from service.states import JobState, StudyState
from service.web.landmarks import LARGEST
from service.wiring import Node, open_node
from workers.boundary import work_on
from workers.document_format import JSON_SCHEMA
from workers.measuring import measure_job

TOKEN = "0123456789abcdef-token"
PATH = f"/api/v1/studies/{STUDY}/landmarks"
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def node(sqlite_url: str, tmp_path: Path) -> Iterator[Node]:
    """Open a node without destinations over a real SQLite ledger; its broker does not run."""
    storage = Storage(root=tmp_path / "state", ledger=SecretStr(sqlite_url), min_free_gb=0)
    with open_node(Settings(storage=storage), clock=lambda: 1000.0) as opened:
        yield opened


@pytest.fixture
def client(node: Node) -> Client:
    """Give a client on this machine."""
    return Client(app_of(node))


def _receive(node: Node) -> int:
    """Let one slice of the study arrive; return the study's number."""
    store_slice(node.spool)
    return node.ledger.arrivals.note(key=KEY, study_instance_uid=STUDY, source="ct", now=900.0, held_until=0.0).id


def _settle(node: Node, study_id: int) -> None:
    assert node.ledger.arrivals.settle(study_id, fingerprint=node.spool.fingerprint(KEY), now=950.0) is not None


def _work(node: Node) -> None:
    """Do the measure job that waits, as a worker does."""
    (job,) = (job for job in node.ledger.admin.study(KEY).jobs if job.state is JobState.WAITING)
    work_on(node, job.id, measure_job, worker="w1", rng=random.Random(1))


@pytest.fixture
def not_analysable(node: Node) -> Node:
    """Give the node after a study came, was measured and had no landmarks."""
    _settle(node, _receive(node))
    held = claim(node.ledger, node.ledger.admin.study(KEY).jobs[0], now=960.0)
    node.ledger.jobs.finish_measure(held, findings="{}", reason="NO_LANDMARKS", objects=(), wanted={}, now=970.0)
    return node


def _study(node: Node) -> Any:
    return node.ledger.admin.study(KEY).study


def _said(answer: httpx.Response) -> tuple[int, str, int, bool]:
    """Return the answer's status; the state and the revision it tells, and whether anything was changed."""
    told = answer.json()
    return answer.status_code, told["study"]["state"], told["study"]["revision"], told["changed"]


# ---- taken


def test_points_that_are_put_come_back_as_findings(node: Node, client: Client) -> None:
    """No landmarks, then a PUT, then reported: with the heights of the points, as reviewed."""
    _settle(node, _receive(node))
    _work(node)
    assert (StudyState.NOT_ANALYSABLE, "NO_LANDMARKS") == (_study(node).state, _study(node).reason)
    assert (202, "queued", 2, True) == _said(client.put(PATH, landmarks()))
    _work(node)

    assert StudyState.REPORTED is _study(node).state
    (l1,) = client.get(f"/api/v1/studies/{STUDY}/findings").json()["vertebrae"]
    assert ("L1", "reviewed") == (l1["level"], l1["landmark_source"])
    assert {"anterior": 24.0, "middle": 21.0, "posterior": 25.0} == pytest.approx(l1["heights_mm"])


def test_points_that_come_before_the_study_is_complete_wait_for_it(node: Node, client: Client) -> None:
    """Nothing is queued before the study has settled; then its first revision is measured with them."""
    study_id = _receive(node)
    assert (202, "receiving", 0, True) == _said(client.put(PATH, landmarks()))
    _settle(node, study_id)
    _work(node)

    assert (StudyState.REPORTED, 1) == (_study(node).state, _study(node).revision)


def test_an_image_that_is_still_to_come_may_be_named(node: Node, client: Client) -> None:
    """While a study is received nobody knows yet which images it has."""
    _receive(node)

    assert 202 == client.put(PATH, landmarks(sop_instance_uid="1.2.9")).status_code


@pytest.mark.usefixtures("not_analysable")
def test_the_same_bytes_again_are_no_second_revision(client: Client) -> None:
    """A program that got no answer may ask again; by the key as by the UID."""
    first = client.put(PATH, landmarks())
    again = client.put(f"/api/v1/studies/{KEY}/landmarks", landmarks())

    assert [(202, "queued", 2, True), (200, "queued", 2, False)] == [_said(first), _said(again)]
    assert first.json()["document"] == again.json()["document"]


def test_newer_points_replace_the_older(not_analysable: Node, client: Client) -> None:
    """The document that was put last is measured with and comes out again, byte for byte."""
    client.put(PATH, landmarks())
    newer = landmarks(observer="Reader Two")
    assert (202, "queued", 3, True) == _said(client.put(PATH, newer))

    got = client.get(PATH)
    assert (newer, "application/json") == (got.content, got.headers["content-type"])
    assert f'"{_study(not_analysable).document}"' == got.headers["etag"]


@pytest.mark.usefixtures("not_analysable")
def test_points_without_an_image_are_taken(client: Client) -> None:
    """Patient points need name no image: the study's frame of reference is found when it is measured."""
    assert 202 == client.put(PATH, landmarks(sop_instance_uid="absent")).status_code


def test_who_put_points_is_written_down(not_analysable: Node, client: Client) -> None:
    """The study's event has their name, the trail where from, too; for who is at this machine, that."""
    client.put(PATH, landmarks())
    events = not_analysable.ledger.admin.study(KEY).events

    assert ["this machine"] == [each.actor for each in events if each.event == "supplied"]
    assert [("put_landmarks", "this machine", "127.0.0.1", KEY)] == [
        (each.action, each.actor, each.address, each.detail) for each in not_analysable.ledger.audit.latest()
    ]


@pytest.mark.usefixtures("not_analysable")
def test_what_is_taken_is_logged_without_a_name(client: Client) -> None:
    """The log knows study and document by their digests; neither observer nor a UID."""
    with capture_logs() as said:
        document = client.put(PATH, landmarks()).json()["document"]

    (line,) = (line for line in said if line["action"] == "landmarks_supplied")
    assert (KEY, document, 2, "queued") == (line["study"], line["document"], line["revision"], line["status"])
    assert not any(private in repr(said) for private in ("Reader One", STUDY))


# ---- refused

BODY_KEYS = "schema, source, space, study_instance_uid, vertebrae"
REFUSED: dict[str, tuple[bytes, Mapping[str, str], int, str]] = {
    "no JSON": (b"{", {}, 422, "expected a JSON document (spondyl.landmarks/1), found: "),
    "a key is missing": (landmarks(space="absent"), {}, 422, f"the document: expected {BODY_KEYS}, found no space"),
    "a point is wrong": (
        landmarks(vertebrae=[{"level": "L1", "points": image_points(0.0)}]),
        {},
        422,
        "vertebrae[0].points.AS: expected 3 finite numbers (patient points), found a list of 2",
    ),
    "a UID is none": (
        landmarks(sop_instance_uid="\ud800"),
        {},
        422,
        'sop_instance_uid: expected a UID, found "\\ud800"',
    ),
    "another study": (
        landmarks(study_instance_uid="1.2.9"),
        {},
        422,
        f"study_instance_uid: expected that of the study, {STUDY}, found 1.2.9",
    ),
    "another image": (
        landmarks(sop_instance_uid="1.2.9"),
        {},
        422,
        "sop_instance_uid, frame: expected an image of this study, found none",
    ),
    "another form": (landmarks(), {"Content-Type": "text/plain"}, 415, "Content-Type: expected application/json"),
    "no form": (landmarks(), {"Content-Type": ""}, 415, "Content-Type: expected application/json"),
    "too large": (landmarks() + b" " * LARGEST, {}, 413, f"the body: expected at most {LARGEST} bytes, found more"),
    "another site": (landmarks(), {"Origin": "https://evil.example"}, 403, "pages of other sites change nothing here"),
    "a page without a site": (landmarks(), {"Origin": "null"}, 403, "pages of other sites change nothing here"),
    "another host": (landmarks(), {"Host": "evil.example"}, 421, "without web.token_file only names of this machine"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_changes_nothing(not_analysable: Node, client: Client, case: str) -> None:
    """The status and the words tell what was expected and found, and who must act; nothing is written."""
    body, headers, status, words = REFUSED[case]
    before = not_analysable.ledger.admin.study(KEY)
    answer = client.put(PATH, body, headers=headers)

    assert status == answer.status_code
    assert answer.json()["error"].startswith(words)
    assert ("whoever supplied the landmarks" if status == 422 else "the caller") == answer.json()["who_must_act"]
    assert before == not_analysable.ledger.admin.study(KEY)
    assert not_analysable.spool.newest_document(KEY) is None


def test_an_image_from_the_front_is_refused(node: Node, client: Client) -> None:
    """A slice that does not show the spine from the side is refused before anything is queued."""
    _settle(node, _receive(node))
    store_slice(node.spool, 5, ImageOrientationPatient=[1.0, 0.0, 0.0, 0.0, 0.0, -1.0])
    level = [{"level": "L1", "points": image_points(0.0)}]
    answer = client.put(PATH, landmarks(space="image", sop_instance_uid=f"{STUDY}.2.5", vertebrae=level))

    assert 422 == answer.status_code
    assert "sop_instance_uid: expected a lateral or sagittal image, found another orientation" == answer.json()["error"]


def test_an_image_that_cannot_be_read_is_none(node: Node, client: Client) -> None:
    """A file of the spool that is damaged is no image, and no fault of ours."""
    _settle(node, _receive(node))
    node.spool.files(KEY)[0].write_bytes(b"no DICOM")

    assert "expected an image of this study, found none" in client.put(PATH, landmarks()).json()["error"]


@pytest.mark.parametrize("method", ["get", "put"])
def test_an_unknown_study_is_not_found(client: Client, method: str) -> None:
    """404, whether points are put or asked for."""
    path = "/api/v1/studies/9.9/landmarks"
    answer = client.get(path) if method == "get" else client.put(path, landmarks())

    assert (404, "no study is known under this UID or key") == (answer.status_code, answer.json()["error"])


def test_a_study_has_no_points_before_some_were_put(not_analysable: Node, client: Client) -> None:
    """404, and the same once their file is gone, which is said."""
    assert (404, "no landmarks were put for this study") == (
        client.get(PATH).status_code,
        client.get(PATH).json()["error"],
    )
    digest = client.put(PATH, landmarks()).json()["document"]
    not_analysable.spool.document(KEY, digest).unlink()

    assert (404, True) == (client.get(PATH).status_code, "put it again" in client.get(PATH).json()["error"])


def _ignored(node: Node) -> None:
    node.ledger.admin.ignore(KEY, why="phantom", now=960.0)


def _removed(node: Node) -> None:
    assert node.ledger.admin.forget_files(_study(node).id, remove=lambda: node.spool.remove(KEY), now=960.0)


def _lost(node: Node) -> None:
    assert node.spool.remove(KEY)


@pytest.mark.parametrize(
    ("happened", "words"),
    [
        (_ignored, "an administrator took this study out: `spondyl retry` takes it back, then it takes landmarks"),
        (_removed, "the files of this study were removed for their age: send it again, then its landmarks"),
        (_lost, "the spool holds nothing of this study that could be measured: send its images first"),
    ],
)
def test_a_study_that_takes_none_says_what_to_do(
    not_analysable: Node, client: Client, happened: Callable[[Node], None], words: str
) -> None:
    """409: the state of the study is in the way, not the document. Patient points, so that no image is looked for."""
    happened(not_analysable)
    answer = client.put(PATH, landmarks(sop_instance_uid="absent"))

    assert (409, words, "the caller") == (answer.status_code, *answer.json().values())
    assert not_analysable.spool.newest_document(KEY) is None


def test_a_full_disk_is_said_and_leaves_the_study_as_it_was(not_analysable: Node) -> None:
    """507: nothing was taken, the administrator must act, and what was refused may be put again."""
    storage = not_analysable.settings.storage.model_copy(update={"min_free_gb": 1e9})
    settings = not_analysable.settings.model_copy(update={"storage": storage})
    with open_node(settings) as full:
        answer = Client(app_of(full)).put(PATH, landmarks())
    assert (507, "the administrator of this node") == (answer.status_code, answer.json()["who_must_act"])
    assert StudyState.NOT_ANALYSABLE is _study(not_analysable).state

    assert 202 == Client(app_of(not_analysable)).put(PATH, landmarks()).status_code


def test_a_caller_that_hangs_up_is_no_fault(not_analysable: Node) -> None:
    """Half a body counts for nothing and no page failed."""
    sent: list[Any] = []
    heard = iter([{"type": "http.request", "body": landmarks()[:50], "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(heard)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "PUT",
        "path": PATH,
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1:8080"), (b"content-type", b"application/json")],
    }
    with capture_logs() as said:
        asyncio.run(app_of(not_analysable)(scope, receive, send))

    assert [] == [line for line in said if line.get("action") == "page_failed"]
    assert not_analysable.spool.newest_document(KEY) is None


# ---- guarded


def test_points_are_put_with_the_token_alone(not_analysable: Node, tmp_path: Path) -> None:
    """401 without it; with it a program is heard, and a page of this very origin."""
    (tmp_path / "token").write_text(TOKEN, encoding="ascii")
    web = Web.model_validate({"bind": "0.0.0.0", "token_file": tmp_path / "token"})  # noqa: S104 not bound
    with open_node(not_analysable.settings.model_copy(update={"web": web})) as asking:
        client = Client(app_of(asking), "http://spondyl.example:8080")
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        sites = [{}, {"Origin": "http://Spondyl.example:8080"}, {"Origin": "http://evil.example"}]
        answers = [client.put(PATH, landmarks())]
        answers += [client.put(PATH, landmarks(), headers={**bearer, **site}) for site in sites]

    assert [401, 202, 200, 403] == [answer.status_code for answer in answers]


def test_a_page_of_another_site_may_ask(client: Client) -> None:
    """What changes nothing is answered as before; the browser itself keeps the answer from such a page."""
    assert 200 == client.get("/api/v1/studies", headers={"Origin": "https://evil.example"}).status_code


# ---- described


def test_the_api_tells_what_it_takes(client: Client) -> None:
    """OpenAPI holds the document's schema with its required keys, and every status that an answer can have."""
    described = client.get("/api/v1/openapi.json").json()["paths"]["/api/v1/studies/{uid}/landmarks"]
    put, get = described["put"], described["get"]

    assert put["requestBody"]["required"]
    schema = put["requestBody"]["content"]["application/json"]["schema"]
    assert JSON_SCHEMA == schema == get["responses"]["200"]["content"]["application/json"]["schema"]
    assert {"schema", "study_instance_uid", "space", "source", "vertebrae"} == set(schema["required"])
    statuses = {200, 202, 400, 401, 403, 404, 409, 413, 415, 421, 422, 503, 507}
    assert {str(status) for status in statuses} == set(put["responses"])
    assert {"200", "401", "404", "421", "503"} <= set(get["responses"])


# ---- the role


def test_the_role_takes_points_over_the_network(not_analysable: Node, sqlite_url: str, tmp_path: Path) -> None:
    """`spondyl web` knows what landmarks are: it refuses in the words of the reader, and queues what it takes."""
    port = free_port()
    config = tmp_path / "own.toml"
    config.write_text(
        f'[storage]\nroot = "state"\nledger = "{sqlite_url}"\nmin_free_gb = 0\n[web]\nport = {port}\n[queue]\nbroker = "redis://127.0.0.1:1/0"\n',
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "workers", "--config", str(config), "web"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as role:
        try:
            wait_until(lambda: listens(port), "the page answers")
            answers = [_put(port, body) for body in (b"{}", landmarks() + b" " * LARGEST, landmarks())]
        finally:
            role.send_signal(signal.SIGTERM)

    assert [422, 413, 202] == [status for status, _ in answers]
    assert f"the document: expected {BODY_KEYS}" in answers[0][1]
    assert ("queued", 2) == (_study(not_analysable).state, _study(not_analysable).revision)
    assert (
        IMAGE
        == json.loads(not_analysable.spool.document(KEY, _study(not_analysable).document).read_bytes())[
            "sop_instance_uid"
        ]
    )


def _put(port: int, body: bytes) -> tuple[int, str]:
    headers = {"Content-Type": "application/json"}
    answer = httpx.put(f"http://127.0.0.1:{port}{PATH}", content=body, headers=headers, timeout=30)
    return answer.status_code, answer.text
