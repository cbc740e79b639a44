import re
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import UID

from sr_templates import uids
from sr_templates.findings import Point, ReferenceRule, Triple

ROOTS = st.sampled_from(["", "1.2.3", "2.25", "1.2.826.0.1.3680043.10.99"[:24]])


@settings(max_examples=200, deadline=None)
@given(root=ROOTS, seed=st.lists(st.text() | st.integers() | st.none()))
def test_every_uid_is_valid(root: str, seed: list[object]) -> None:
    """A derived UID keeps to PS3.5 9.1: digits and dots, no leading zeros, at most 64 characters."""
    uid = uids.derived_uid(root, *seed)

    assert UID(uid).is_valid
    assert uid.startswith(f"{root or '2.25'}.")
    assert uid == uids.derived_uid(root, *seed)


def test_a_uid_without_root_is_uuid_derived() -> None:
    """2.25 and a version 5 UUID as a decimal number (PS3.5 B.2)."""
    number = int(uids.derived_uid("", "any").removeprefix("2.25."))

    assert uuid.UUID(int=number).version == 5


def test_a_root_is_followed_by_digits_of_a_hash() -> None:
    """With a root of 24 characters, the longest allowed, the whole is at most 64 characters."""
    root = "1.2.826.0.1.3680043.8.49"

    assert re.fullmatch(re.escape(root) + r"\.[1-9][0-9]{0,38}", uids.derived_uid(root, "any"))


def test_a_root_that_leaves_no_room_is_refused() -> None:
    """A root of 63 characters leaves no room, and the message says how long it may be."""
    with pytest.raises(ValueError, match="at most 24 characters, found 63"):
        uids.derived_uid("1." + "2" * 61, "any")


@pytest.mark.parametrize("other", [("a", "c"), ("ab",), ("a", "b", None), ("b", "a"), (["a", "b"],), ("a", "b", "")])
def test_another_seed_is_another_uid(other: tuple[object, ...]) -> None:
    """Seeds are told apart by value, number and order; they cannot run into one another."""
    assert uids.derived_uid("", "a", "b") != uids.derived_uid("", *other)


def test_the_digest_is_of_the_content() -> None:
    """Records, mappings in any order and sequences of either kind have the digest of what they hold."""
    points: dict[str, Point] = {"AS": (1.0, 2.0), "PI": (3.0, 4.0)}
    swapped = dict(reversed(points.items()))
    triple = Triple(anterior=1.0, middle=None, posterior=3.0)

    assert uids.digest(points) == uids.digest(swapped)
    assert uids.digest(triple) == uids.digest({"anterior": 1.0, "middle": None, "posterior": 3.0})
    assert uids.digest((1, 2)) == uids.digest([1, 2])
    assert uids.digest(ReferenceRule.FIT) == uids.digest("fit")
    assert uids.digest(1.0) != uids.digest(1.0000000001)


def test_a_vertebra_is_tracked_through_all_reports_on_a_study() -> None:
    """The tracking UID follows from study and level alone, so a new version of the software keeps it."""
    one = uids.tracking_uid("", study_instance_uid="1.2", level="L1")

    assert one == uids.tracking_uid("", study_instance_uid="1.2", level="L1")
    assert one != uids.tracking_uid("", study_instance_uid="1.2", level="L2")
    assert one != uids.tracking_uid("", study_instance_uid="1.3", level="L1")


def test_a_series_holds_one_kind_of_one_study() -> None:
    """Another study, another kind, or anything else that a series has in common, is another series."""
    found = {
        uids.series_uid(
            "", study_instance_uid=study, kind=kind, shared={"SoftwareVersions": software, "Modality": "SR"}
        )
        for study, kind, software in (
            ("1.2", "sr", "spondyl 1"),
            ("1.3", "sr", "spondyl 1"),
            ("1.2", "pr", "spondyl 1"),
            ("1.2", "sr", "spondyl 2"),
        )
    }

    assert len(found) == 4


def test_a_new_version_is_a_new_device() -> None:
    """The device UID changes with the software (IHE AIR 6.5.3.1)."""
    assert uids.device_uid("", software="spondyl 1") != uids.device_uid("", software="spondyl 2")


@pytest.mark.parametrize("root", ["", "1.2.826.0.1.3680043.8.49"])
def test_the_root_of_a_uid_leads_back_to_its_height(root: str) -> None:
    """Whoever reads our UIDs can tell that one follows from the other, without knowing what the site has set."""
    vertebra = uids.tracking_uid(root, study_instance_uid="1.2.3", level="L1")
    height = uids.height_uid(root, tracking_uid=vertebra, position="anterior")
    found = uids.root_of(height)

    assert root == found
    assert height == uids.height_uid(found or "", tracking_uid=vertebra, position="anterior")


@pytest.mark.parametrize("uid", ["", "1", f"1.2.826.0.1.3680043.8.498.{7 * 10**38}"])
def test_a_uid_that_we_cannot_have_made_has_no_root(uid: str) -> None:
    """Without a dot, or under a root that leaves no room for the digits."""
    assert uids.root_of(uid) is None
