"""What a newcomer does on the page, in a real Chromium before a whole node: sign in, see a failure, repair, retry."""

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from nodes import SPONDYL, UNTRACED, Running, serving, storescu, write_config
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from pynetdicom import AE, evt
from servers import free_port, program, wait_until
from small_study import make_small_studies, make_small_study

from service import sop_classes

PASSWORD = "a long password"
PAGES = ("/", "/studies", "/failures", "/destinations", "/sources", "/configuration")
SCREENS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
}
#: A busy machine of two cores may take so long for a study, milliseconds.
PATIENCE_MS = 60_000


@dataclass(kw_only=True)
class Pacs:
    """A PACS that does not know us at first."""

    ae: AE
    port: int
    stored: list[str] = field(default_factory=list)

    def register(self) -> None:
        """Let everybody in, as its administrator does when asked to."""
        self.ae.require_calling_aet = []


@contextlib.contextmanager
def _pacs() -> Iterator[Pacs]:
    pacs = Pacs(ae=AE(ae_title="PACS"), port=free_port())
    pacs.ae.require_calling_aet = ["SOMEBODY"]
    for sop_class in (sop_classes.VERIFICATION, *sop_classes.STRUCTURED_REPORTS):
        pacs.ae.add_supported_context(sop_class)

    def store(event: evt.Event) -> int:
        pacs.stored.append(str(getattr(event.request, "AffectedSOPInstanceUID", "")))
        return 0x0000

    server = pacs.ae.start_server(("127.0.0.1", pacs.port), block=False, evt_handlers=[(evt.EVT_C_STORE, store)])
    assert server is not None
    try:
        yield pacs
    finally:
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Debian's Chromium; root needs it without its sandbox."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program("chromium"), args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def pacs() -> Iterator[Pacs]:
    """Run the PACS."""
    with _pacs() as running:
        yield running


@pytest.fixture(scope="module")
def node(pacs: Pacs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run `spondyl serve` with an operator."""
    node = write_config(tmp_path_factory.mktemp("page") / "node", {"pacs": ("PACS", pacs.port)}, quiet_s=1.0)
    with serving(node):
        command = [*SPONDYL, "--config", str(node.config), "user", "add", "anna", "--role", "operator"]
        made = subprocess.run(
            [*command, "--password-stdin"], input=f"{PASSWORD}\n", text=True, check=False, env=UNTRACED
        )
        assert made.returncode == 0
        yield node


@pytest.fixture(scope="module")
def complaints() -> list[str]:
    """Collect what the browser's console says of our pages."""
    return []


@contextlib.contextmanager
def _opened(browser: Browser, complaints: list[str], **screen: Any) -> Iterator[Page]:
    context: BrowserContext = browser.new_context(**screen)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        yield page
    finally:
        context.close()


def _sign_in(page: Page, node: Running) -> None:
    """Sign in by keyboard alone."""
    page.goto(f"http://127.0.0.1:{node.web}/")
    page.get_by_label("Name").fill("anna")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def test_a_newcomer_repairs_a_failure(
    node: Running, pacs: Pacs, browser: Browser, complaints: list[str], tmp_path: Path
) -> None:
    """Sign in, send a study, watch it fail, read why and who must act, have it repaired, retry, see it reported."""
    make_small_study(tmp_path / "study", patient_name="Planted^Name", patient_id="PLANTED-1", seed=3)
    with _opened(browser, complaints, **SCREENS["light"]) as page:
        _sign_in(page, node)
        assert storescu([tmp_path / "study"], node.port).returncode == 0
        page.get_by_role("link", name="Studies").click()
        expect(page.get_by_role("heading", name="Studies")).to_be_visible()
        page.locator("table a").first.click()
        # The page of a study follows it by itself.
        expect(page.locator(".summary .badge")).to_have_text("failed", timeout=PATIENCE_MS)
        expect(page.locator(".summary")).to_contain_text("Who must act: the administrator of the destination")
        expect(page.locator(".advice")).to_contain_text("registered at the destination")

        page.get_by_role("link", name="Destinations").click()
        page.get_by_role("button", name="C-ECHO").click()
        expect(page.locator(".answer.bad")).to_contain_text("AE title not recognised")
        pacs.register()
        page.get_by_role("button", name="C-ECHO").click()
        expect(page.locator(".answer.ok")).to_contain_text("answered in")

        page.get_by_role("link", name="Failures").click()
        page.get_by_role("button", name="Retry all").click()
        expect(page.get_by_role("status")).to_contain_text("1 study is tried again.")
        page.get_by_role("link", name="Studies").click()
        page.locator("table a").first.click()
        expect(page.locator(".summary .badge")).to_have_text("reported", timeout=PATIENCE_MS)
        expect(page.get_by_role("heading", name="Objects sent")).to_be_visible()
        expect(page.locator("table", has_text="Proof")).to_contain_text(pacs.stored[0])
        expect(page.locator(".story")).to_contain_text("anna")
        assert "Planted" not in page.content()
        assert "PLANTED" not in page.content()

        picture = page.locator("img.page").first
        picture.scroll_into_view_if_needed()
        expect(picture).to_have_js_property("complete", value=True)
        assert picture.evaluate("image => image.naturalWidth") > 500
        page.locator("#reports + p a").first.click()
        expect(page.get_by_role("heading", name="Report, Comprehensive 3D SR")).to_be_visible()
        expect(page.locator(".tree")).to_contain_text("Anterior vertebral body height: ")
        expect(page.locator("dl").first).to_contain_text("Planted, Name")


def test_a_destination_is_tested(node: Running, pacs: Pacs, browser: Browser, complaints: list[str]) -> None:
    """One press sends a report of nobody through the whole node; its page tells that it arrived, and the proof."""
    pacs.register()
    with _opened(browser, complaints, **SCREENS["light"]) as page:
        _sign_in(page, node)
        page.get_by_role("link", name="Destinations").click()
        page.get_by_role("button", name="Send a test report to pacs").click()
        expect(page.get_by_role("status").first).to_contain_text("The test report is on its way")
        expect(page.locator(".summary .badge")).to_have_text("reported", timeout=PATIENCE_MS)
        expect(page.locator("dl").first).to_contain_text("test:pacs")
        assert [each for each in pacs.stored if page.locator("table", has_text="Proof").get_by_text(each).count()]


def test_a_patient_is_found(node: Running, browser: Browser, complaints: list[str]) -> None:
    """By the whole Patient ID, which no address that the browser keeps has; the page of what was found is no worse."""
    with _opened(browser, complaints, **SCREENS["phone"]) as page:
        _sign_in(page, node)
        page.goto(f"http://127.0.0.1:{node.web}/studies")
        page.get_by_label("Patient ID or accession number").fill("PLANTED-1")
        page.get_by_role("button", name="Search").click()
        expect(page.get_by_role("status")).to_contain_text("1 study found")

        assert "PLANTED" not in page.url
        assert [] == _faults(page)


def test_a_paused_intake_is_seen_and_ended(
    node: Running, browser: Browser, complaints: list[str], tmp_path: Path
) -> None:
    """Paused with a reason senders are to come again and the first page says so; resumed, the same study is taken."""
    [study] = make_small_studies(tmp_path / "study", 1, name="Second^Case").values()
    with _opened(browser, complaints, **SCREENS["light"]) as page:
        _sign_in(page, node)
        box = page.locator(".card", has_text="Intake")
        box.get_by_label("Reason").fill("update of the PACS")
        box.get_by_role("button", name="Pause intake").click()
        expect(page.locator(".verdict")).to_contain_text("0xA700")
        refused = storescu([study], node.port)
        page.get_by_role("button", name="Resume intake").click()
        expect(page.locator(".verdict")).not_to_contain_text("0xA700")
        # The listener hears of it within a second; a sender tries again, too.
        wait_until(lambda: storescu([study], node.port).returncode == 0, "the study is taken", step=1.0)

    assert "Rejected Transient" in refused.stderr


def test_a_rejected_caller_has_its_lines(node: Running, browser: Browser, complaints: list[str]) -> None:
    """A sender that calls us by a wrong title stands on the page within seconds, with what it called."""
    call = [program("echoscu"), "-aet", "LOST_CT", "-aec", "WRONG", "127.0.0.1", str(node.port)]
    refused = subprocess.run(call, capture_output=True, check=False)
    with _opened(browser, complaints, **SCREENS["light"]) as page:
        _sign_in(page, node)
        for _ in range(30):
            page.goto(f"http://127.0.0.1:{node.web}/sources")
            if page.get_by_text("LOST_CT").count():
                break
            page.wait_for_timeout(500)
        expect(page.locator("table", has_text="LOST_CT")).to_contain_text("it called 'WRONG', we are 'SPONDYL'")

    assert refused.returncode != 0


def test_a_node_that_is_silent_is_seen(node: Running, browser: Browser) -> None:
    """An open first page says since when nothing answers, whatever stands there; and no more once it is answered."""
    with _opened(browser, [], **SCREENS["light"]) as page:
        _sign_in(page, node)
        expect(page.get_by_text("As of ")).to_be_visible()
        for broken in (lambda route: route.abort(), lambda route: route.fulfill(status=503, body="")):
            page.route(f"http://127.0.0.1:{node.web}/", broken)
            said = re.compile(r"No answer since \d\d:\d\d UTC")
            expect(page.get_by_role("alert")).to_contain_text(said, timeout=PATIENCE_MS)
            expect(page.locator(".verdict")).to_be_visible()
            page.unroute_all()
            expect(page.get_by_role("alert")).to_have_count(0, timeout=PATIENCE_MS)


@pytest.mark.parametrize("screen", SCREENS)
def test_every_page_can_be_used_by_everybody(
    node: Running, browser: Browser, complaints: list[str], screen: str
) -> None:
    """axe-core finds no serious fault in light, in dark and on a phone, and no page scrolls sideways."""
    faults = []
    with _opened(browser, complaints, **SCREENS[screen]) as page:
        page.goto(f"http://127.0.0.1:{node.web}/login")
        faults += _faults(page)
        _sign_in(page, node)
        page.goto(f"http://127.0.0.1:{node.web}/studies")
        study = page.locator("table a").last.get_attribute("href") or ""
        page.goto(f"http://127.0.0.1:{node.web}{study}")
        report = page.locator("#reports + p a").first.get_attribute("href") or ""
        for path in (*PAGES, study, report):
            page.goto(f"http://127.0.0.1:{node.web}{path}")
            # The phone shows the same words in the same colours: what can differ there are the tables and the width.
            faults += _faults(page) if screen != "phone" or path in {"/", study} else _sideways(page)
            _keep(page, screen, path.replace(study, "/study").replace("/", "-").strip("-") or "overview")

    assert [] == faults


def test_the_keyboard_goes_past_the_navigation(node: Running, browser: Browser, complaints: list[str]) -> None:
    """The first stop of the keyboard leads to the content."""
    with _opened(browser, complaints, **SCREENS["light"]) as page:
        _sign_in(page, node)
        page.goto(f"http://127.0.0.1:{node.web}/studies")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")

        assert "main" == page.evaluate("document.activeElement.id")


def test_the_console_stays_silent(complaints: list[str]) -> None:
    """No script failed, nothing was blocked by the policy, nothing was missing, on any page of this file."""
    assert [] == complaints


def _faults(page: Page) -> list[str]:
    found = [
        f"{page.url}: {each['id']} ({each['impact']}): {each['nodes'][0]['html'][:200]}"
        for each in Axe().run(page).response["violations"]
        if each["impact"] in {"serious", "critical"}
    ]
    return found + _sideways(page)


def _keep(page: Page, screen: str, name: str) -> None:
    """Keep a picture of a page for whoever wants to look at it: SPONDYL_TEST_SCREENS names the folder."""
    if folder := os.environ.get("SPONDYL_TEST_SCREENS"):
        page.wait_for_load_state("networkidle")
        page.screenshot(path=Path(folder) / f"{name}-{screen}.png", full_page=True)


def _sideways(page: Page) -> list[str]:
    wider = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return [f"{page.url} scrolls sideways"] if wider else []
