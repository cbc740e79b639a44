"""What stands in front of an object is what pydicom would write."""

from pydicom.uid import UID
from pynetdicom.dsutils import create_file_meta, encode_file_meta

from service import peer
from service.file_meta import file_meta
from service.receiving import Announced


def test_it_is_what_pydicom_writes() -> None:
    """Byte by byte, for UIDs of even and of odd length."""
    for instance, syntax in (("1.2.3", "1.2.840.10008.1.2"), ("1.2.34", "1.2.840.10008.1.2.4.70")):
        announced = Announced(
            sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
            sop_instance_uid=instance,
            abstract_syntax="1.2.840.10008.5.1.4.1.1.2",
            transfer_syntax=syntax,
        )
        meta = create_file_meta(
            sop_class_uid=UID(announced.sop_class_uid),
            sop_instance_uid=UID(instance),
            transfer_syntax=UID(syntax),
            implementation_uid=UID(peer.IMPLEMENTATION_CLASS_UID),
            implementation_version=peer.IMPLEMENTATION_VERSION_NAME,
        )
        assert file_meta(announced) == bytes(128) + b"DICM" + encode_file_meta(meta)
