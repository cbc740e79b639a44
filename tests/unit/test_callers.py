"""Who may call."""

import pytest

from service.callers import NotAdmitted, admit, admit_account, may_connect
from service.config_peers import Source

SOURCES = (
    Source(name="ct1", ae_titles=("CT1", "CT1_Q"), networks=("10.1.0.0/16", "fd00::/8")),
    Source(name="pacs", ae_titles=("PACS",)),
    Source(name="ct1_far", ae_titles=("CT1",), networks=("192.0.2.7",)),
)


def test_without_sources_everybody_is_admitted_under_the_title() -> None:
    """Nothing configured: who can reach the port may send."""
    assert admit((), calling_ae="ANY", address="203.0.113.1").name == "ANY"


def test_no_caller_poses_as_a_test_of_ours() -> None:
    """A study under `test:NAME` escapes the rules and becomes a test report, so nobody can choose that name."""
    claimed = admit((), calling_ae="test:pacs", address="203.0.113.1").name
    assert "caller test:pacs" == claimed == admit_account((), account="test:pacs", address="203.0.113.1").name


@pytest.mark.parametrize(
    ("calling_ae", "address", "name"),
    [
        ("CT1", "10.1.2.3", "ct1"),
        ("CT1_Q", "10.1.255.255", "ct1"),
        ("CT1", "fd00::1", "ct1"),
        ("CT1", "::ffff:10.1.2.3", "ct1"),
        ("CT1", "192.0.2.7", "ct1_far"),
        ("PACS", "203.0.113.1", "pacs"),
    ],
)
def test_title_and_address_name_the_source(calling_ae: str, address: str, name: str) -> None:
    """Any title of a source, from any of its networks; no networks means any address."""
    assert admit(SOURCES, calling_ae=calling_ae, address=address).name == name


@pytest.mark.parametrize(
    ("calling_ae", "address", "cause"),
    [
        ("CT2", "10.1.2.3", "calling_ae_title"),
        ("ct1", "10.1.2.3", "calling_ae_title"),
        ("", "10.1.2.3", "calling_ae_title"),
        ("CT1", "10.2.0.1", "address"),
        ("CT1_Q", "192.0.2.7", "address"),
    ],
)
def test_others_are_not_admitted(calling_ae: str, address: str, cause: str) -> None:
    """Titles are compared as they are (PS3.5 6.2: case counts), and the cause is told apart."""
    with pytest.raises(NotAdmitted) as refusal:
        admit(SOURCES, calling_ae=calling_ae, address=address)
    assert cause == refusal.value.cause


@pytest.mark.parametrize(
    ("sources", "address", "may"),
    [
        ((), "203.0.113.1", True),
        (SOURCES, "203.0.113.1", True),
        (SOURCES[::2], "203.0.113.1", False),
        (SOURCES[::2], "192.0.2.7", True),
        (SOURCES[::2], "::ffff:10.1.2.3", True),
    ],
)
def test_a_connection_is_served_where_a_source_may_be(sources: tuple[Source, ...], address: str, *, may: bool) -> None:
    """Where every source names its networks, nobody else can have anything to say."""
    assert may_connect(sources, address) is may
