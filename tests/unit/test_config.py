"""Configuration: where it comes from, what is refused, what the message says."""

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import BaseModel

from service import config
from service.config import Report, Settings, load
from service.config_digest import config_digest
from service.config_peers import Destination
from service.config_text import shown, without_secret
from service.errors import Misconfigured


def written(folder: Path, text: str) -> Path:
    """Return a configuration file with this text."""
    path = folder / "spondyl.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(path: Path | None = None, **environ: str) -> list[str]:
    """Return the lines of the error that this configuration raises."""
    with pytest.raises(Misconfigured) as caught:
        load(path, environ)
    return str(caught.value).splitlines()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, so no configuration of this machine is found."""
    folder = tmp_path_factory.mktemp("cwd")
    monkeypatch.chdir(folder)
    return folder


def test_nothing_given_means_defaults(elsewhere: Path) -> None:
    """Without file and environment the defaults hold, and the spool lies in the working directory."""
    settings = load(None, {})

    assert settings.node.ae_title == "SPONDYL"
    assert settings.queue.embedded
    assert settings.storage.root == elsewhere / "spondyl-data"
    assert settings.storage.ledger_url == f"sqlite:///{elsewhere}/spondyl-data/ledger.sqlite"


def test_the_file_is_argument_then_variable_then_working_directory(elsewhere: Path, tmp_path: Path) -> None:
    """--config wins over SPONDYL_CONFIG, which wins over ./spondyl.toml."""
    written(elsewhere, "[node]\nport = 1001")
    named = tmp_path / "named.toml"
    named.write_text("[node]\nport = 1002", encoding="utf-8")
    given_path = written(tmp_path, "[node]\nport = 1003")
    environ = {"SPONDYL_CONFIG": str(named)}

    assert [load(None, {}), load(None, environ), load(given_path, environ)] == [
        Settings.model_validate(
            {"node": {"port": port}, "storage": {"root": str(folder / "spondyl-data")}},
        )
        for port, folder in ((1001, elsewhere), (1002, tmp_path), (1003, tmp_path))
    ]


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    """SPONDYL_<SECTION>__<KEY> wins: text, numbers, booleans; JSON for lists and tables; untouched keys stay."""
    path = written(
        tmp_path, '[node]\nae_title = "FILE"\nmax_associations = 7\n[[sources]]\nname = "old"\nae_titles = ["A"]'
    )
    settings = load(
        path,
        {
            "SPONDYL_NODE__AE_TITLE": "104",
            "SPONDYL_NODE__PORT": "104",
            "SPONDYL_STUDY__QUIET_S": "2.5",
            "SPONDYL_NODE__TLS": '{"cert_file": "c", "key_file": "k", "ca_file": "/a"}',
            "SPONDYL_SOURCES": '[{"name": "new", "ae_titles": ["CT1", "CT2"]}]',
            "SPONDYL_MEASURE__WEDGING_LIMITS": '{"L5": {"mean_percent": 1, "upper_percent": 2, "source": "x"}}',
            "SPONDYL_MEASURE__KYPHOSIS_LIMIT": '{"upper_deg": 30, "source": "y"}',
        },
    )

    assert settings.node.ae_title == "104"
    assert settings.node.port == 104
    assert settings.node.max_associations == 7
    assert settings.study.quiet_s == 2.5
    assert settings.node.tls is not None
    assert settings.node.tls.cert_file == tmp_path / "c"
    assert settings.node.tls.ca_file == Path("/a")
    assert [(source.name, source.ae_titles) for source in settings.sources] == [("new", ("CT1", "CT2"))]
    assert list(settings.measure.wedging_limits) == ["L5"]
    assert (settings.measure.kyphosis_limit.upper_deg, settings.measure.kyphosis_limit.source) == (30.0, "y")


def test_relative_paths_stand_beside_the_file(tmp_path: Path) -> None:
    """A relative path is taken from the folder of the file that configures it, never from the working directory."""
    path = written(
        tmp_path,
        '[storage]\nroot = "state"\n[web]\ntoken_file = "token"\n'
        '[[destinations]]\nname = "pacs"\nae_title = "PACS"\nhost = "h"\nport = 1\n'
        '[destinations.tls]\ncert_file = "c.pem"\nkey_file = "/etc/k.pem"\nca_file = "../ca.pem"',
    )
    settings = load(path, {})
    tls = settings.destinations[0].tls

    assert settings.storage.root == tmp_path / "state"
    assert settings.web.token_file == tmp_path / "token"
    assert tls is not None
    assert (tls.cert_file, tls.key_file) == (tmp_path / "c.pem", Path("/etc/k.pem"))
    assert tls.ca_file == tmp_path / "../ca.pem"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[node]\nprt = 1", "node.prt: unknown key; known: ae_title, bind, "),
        ("[nod]\nport = 1", "nod: unknown key; known: alerts, destinations, finder, measure, "),
        ("[study]\nquiet_s = -1", "study.quiet_s = -1: must be greater than or equal to 0"),
        ("[node]\nae_title = 'SEVENTEEN_LETTERS'", "node.ae_title = 'SEVENTEEN_LETTERS': must be an AE title: 1 to 16"),
        ("[node]\nae_title = 'A\\B'", r"node.ae_title = 'A\\B': must be an AE title"),
        ("[node]\nae_title = '  '", "node.ae_title = '  ': must be an AE title"),
        ("[report]\nuid_root = '1.02'", "report.uid_root = '1.02': must be empty or a UID root"),
        (
            "[report]\nuid_root = '1.2.3.4.5.6.7.8.9.10.11.12'",
            "report.uid_root = '1.2.3.4.5.6.7.8.9.10.11.12': must be",
        ),
        (
            "[report]\nsop_classes = ['x']",
            "report.sop_classes[0] = 'x': must be 'comprehensive_3d', 'comprehensive' or 'enhanced'",
        ),
        (
            "[report]\nsop_classes = ['enhanced', 'enhanced']",
            "report.sop_classes = ['enhanced', 'enhanced']: must name",
        ),
        ("[report]\nsop_classes = []", "report.sop_classes = []: must name one at least"),
        ("[report]\npdf_series_number = 9001", "report: series number 9001 is used twice: each kind of object has its"),
        ("[report]\nsr_series_description = ''", "report.sr_series_description = '': must be 1 to 64 ASCII characters"),
        (
            "[[destinations]]\nname = 'a'\nae_title = 'A'\nhost = 'h'\nport = 1\nsend = ['gsps']",
            "destinations[0].send = ['gsps']: must name \"sr\": the others are no report",
        ),
        ("[storage]\nroot = ''", "storage.root = '': must name a file or folder"),
        ("[queue]\nbroker = 'redis'", 'queue.broker = <str>: must be "embedded" or the URL of a Celery broker'),
        ("[queue]\ntime_limit_s = 1", "queue.time_limit_s = 1: must be greater than or equal to 10"),
        (
            "[web]\nbind = '0.0.0.0'",
            "web: bind = '0.0.0.0' is not a loopback address: token_file is required, or proxies",
        ),
        ("[study]\nquiet_s = 9\nmax_wait_s = 8", "study: max_wait_s (8.0) must not be shorter than quiet_s (9.0)"),
        (
            "[[sources]]\nname = 'a'\nae_titles = ['A']\nnetworks = ['10.0.0.1/8']",
            "sources[0].networks[0] = '10.0.0.1/8': 10.0.0.1/8 has host bits set",
        ),
        (
            "[[destinations]]\nname = 'a'\nae_title = 'A'\nhost = 'h'\nport = 0",
            "destinations[0]: port is required, or protocol = ",
        ),
        (
            "[[destinations]]\nname = 'a'\nae_title = 'A'\nport = 1",
            "destinations[0]: host is required, or protocol = ",
        ),
        (
            "[[sources]]\nname = 'a'\nae_titles = ['A']\n[[sources]]\nname = 'a'\nae_titles = ['B']",
            "configuration: sources: the name 'a' is used twice",
        ),
        ("node = 5", "node = <int>: must be a valid dictionary or instance of Node"),
        (
            "[measure.wedging_limits.l4]\nmean_percent = 4\nupper_percent = 8\nsource = 'x'",
            "measure.wedging_limits.l4.[key] = <str>: must be a graded level: T1 to T13, L1 to L6",
        ),
        (
            "[measure.kyphosis_limit]\nupper_deg = 0\nsource = 'x'",
            "measure.kyphosis_limit.upper_deg = 0: must be greater",
        ),
        ("[measure.kyphosis_limit]\nupper_deg = 25", "measure.kyphosis_limit.source: is required"),
    ],
)
def test_a_problem_is_key_value_and_what_is_allowed(tmp_path: Path, text: str, line: str) -> None:
    """The one line of the error starts with the key as it was written, the value, and what may stand there."""
    lines = refused(written(tmp_path, text))

    assert len(lines) == 1
    assert lines[0].startswith(line)


def test_every_problem_is_listed(tmp_path: Path) -> None:
    """An administrator sees all problems at once."""
    lines = refused(written(tmp_path, "[node]\nport = 70000\nx = 1\n[study]\nquiet_s = 'soon'"))

    assert [line.split(" ")[0].rstrip(":") for line in lines] == ["node.port", "node.x", "study.quiet_s"]


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("SPONDYL_NODE__PORT", "http", "SPONDYL_NODE__PORT = 'http': must be a valid integer"),
        ("SPONDYL_NODE__PRT", "1", "SPONDYL_NODE__PRT: there is no such key in [node]; known: ae_title, "),
        ("SPONDYL_NOD__PORT", "1", "SPONDYL_NOD__PORT: there is no section [nod]; known: alerts, destinations, "),
        ("SPONDYL_SOURCES", "CT1", "SPONDYL_SOURCES: must be JSON: "),
        ("SPONDYL_MEASURE__SEVERE_BORDER_GRADE", "4", "SPONDYL_MEASURE__SEVERE_BORDER_GRADE = 4: must be 2 or 3"),
        ("SPONDYL_SOURCES", "[{}]", "SPONDYL_SOURCES[0].name: is required"),
        ("SPONDYL_SOURCES__0__NAME", "a", "SPONDYL_SOURCES__0__NAME: [[sources]] is a list of tables; set SPONDYL_"),
        ("SPONDYL_NODE__TLS", '{"cert": 1}', "SPONDYL_NODE__TLS.cert_file: is required"),
    ],
)
def test_a_problem_in_the_environment_names_the_variable(variable: str, value: str, line: str) -> None:
    """What came from a variable is reported under the variable's name."""
    assert refused(None, **{variable: value})[0].startswith(line)


def test_every_bad_variable_is_listed() -> None:
    """All variables that are no settings are named at once."""
    assert len(refused(SPONDYL_NODE__A="1", SPONDYL_B__C="1", SPONDYL_SOURCES="[")) == 3


def test_foreign_variables_are_left_alone() -> None:
    """Kubernetes' variables, the tests' own and those of others are no settings; SPONDYL_CONFIG is none either."""
    foreign = {"SPONDYL_PORT": "tcp://10.0.0.1:104", "SPONDYL_TEST_X__Y": "1", "PATH": "x", "SPONDYL_CONFIG": ""}

    assert load(None, foreign) == load(None, {})


def test_a_table_in_the_place_of_a_section_is_a_problem_of_the_file(tmp_path: Path) -> None:
    """A variable cannot be laid over a section that is no table; the file's problem is named."""
    path = written(tmp_path, "node = 5")

    assert refused(path, SPONDYL_NODE__PORT="1") == ["node = <int>: must be a valid dictionary or instance of Node"]


@pytest.mark.parametrize("content", [b"[node", b"\xff\xfe", b"a = 1\na = 2"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    """Broken TOML is a configuration error with the file's name."""
    path = tmp_path / "spondyl.toml"
    path.write_bytes(content)

    assert refused(path)[0].startswith(f"{path}: is not TOML: ")


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    """A file that was asked for must be there."""
    assert refused(tmp_path / "none.toml") == [f"{tmp_path / 'none.toml'}: cannot be read: No such file or directory"]


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        ("[queue]\nbroker = 5\nbrokr = 'redis://:hunter2@h'", {}),
        ("[queue]\nbroker = 'hunter2'", {}),
        ("queue = 'redis://:hunter2@h'", {}),
        ("[queue]\nbroker = ['redis://:hunter2@h']", {}),
        ("[storage]\nledger = ['hunter2']", {}),
        ("", {"SPONDYL_QUEUE__BROKER": "hunter2"}),
        ("", {"SPONDYL_QUEUE__BROKR": "redis://:hunter2@h"}),
    ],
)
def test_a_secret_is_in_no_message(tmp_path: Path, text: str, environ: dict[str, str]) -> None:
    """Whatever is wrong with it, a password is not repeated."""
    assert "hunter2" not in "\n".join(refused(written(tmp_path, text), **environ))


def test_a_secret_is_in_no_text_of_the_settings() -> None:
    """Neither repr nor the shown configuration holds a password; what surrounds it is shown."""
    settings = load(
        None,
        {
            "SPONDYL_QUEUE__BROKER": "rediss://user:hunter2@broker:6379/0?password=hunter2",
            "SPONDYL_STORAGE__LEDGER": "postgresql+psycopg://user:hunter2@db:5432/spondyl",
        },
    )
    text = shown(settings)

    assert "hunter2" not in text + repr(settings) + str(settings) + settings.model_dump_json()
    assert 'broker = "rediss://***@broker:6379/0?***"' in text
    assert 'ledger = "postgresql+psycopg://***@db:5432/spondyl"' in text


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("embedded", "embedded"),
        ("redis://h/0", "redis://h/0"),
        ("redis://:p@h:1/0", "redis://***@h:1/0"),
        ("sqs://key:sec/ret@", "sqs://***@"),
        ("sqs://key:p%2F@q@h", "sqs://***@h"),
        ("sqlite:////var/ledger.sqlite", "sqlite:////var/ledger.sqlite"),
        ("amqp://u:p@ss?w/d@h/v", "amqp://***@h/v"),
        ("redis+socket:///s.sock?virtual_host=0", "redis+socket:///s.sock?***"),
    ],
)
def test_masking_keeps_what_finds_a_server(url: str, expected: str) -> None:
    """User, password, query are masked; scheme, host, port and path stay."""
    assert expected == without_secret(url)


def test_what_is_shown_is_a_configuration(tmp_path: Path) -> None:
    """The shown text, read again, gives the same settings."""
    path = written(
        tmp_path,
        '[node]\nae_title = "QUOTE\\"D"\n[node.tls]\ncert_file = "c"\nkey_file = "k"\nca_file = "a"\n'
        '[[sources]]\nname = "a"\nae_titles = ["A", "B"]\nnetworks = ["10.0.0.0/8"]\n'
        '[[sources]]\nname = "b"\nae_titles = ["C"]\n'
        '[[destinations]]\nname = "p"\nae_title = "P"\nhost = "h"\nport = 104\n'
        '[report]\ninstitution_name = "Hôpital \\u007f \\\\"',
    )
    settings = load(path, {})
    again = tmp_path / "again.toml"
    again.write_text(shown(settings), encoding="utf-8")

    assert tomllib.loads(shown(settings))
    assert load(again, {}) == settings


@hypothesis_settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=64))
def test_any_text_survives_being_shown(text: str) -> None:
    """Whatever characters a value has, TOML reads back what was shown."""
    settings = Settings(report=Report(institution_name=text))

    assert tomllib.loads(shown(settings))["report"]["institution_name"] == settings.report.institution_name


def test_the_digest_does_not_depend_on_the_rest() -> None:
    """Ports, peers and folders do not change what a report says, so they are no part of the digest."""
    one, other = load(None, {}), load(None, {"SPONDYL_NODE__PORT": "1", "SPONDYL_STORAGE__ROOT": "/x"})

    assert config_digest(one) == config_digest(other)


@pytest.mark.parametrize(
    "environ",
    [
        {"SPONDYL_MEASURE__SEVERE_BORDER_GRADE": "3"},
        {"SPONDYL_MEASURE__PROTOCOL": "other/2"},
        {"SPONDYL_MEASURE__WEDGING_LIMITS": json.dumps({})},
        {"SPONDYL_REPORT__SOP_CLASSES": '["enhanced"]'},
        {"SPONDYL_REPORT__SR_SERIES_NUMBER": "9100"},
        {"SPONDYL_REPORT__GSPS_SERIES_DESCRIPTION": "Lines"},
        {"SPONDYL_REPORT__UID_ROOT": "1.2.3"},
        {"SPONDYL_REPORT__INSTITUTION_NAME": "X"},
    ],
)
def test_the_digest_depends_on_what_a_report_says(environ: dict[str, str]) -> None:
    """Every key that changes a report's bytes changes the digest, which is 64 hexadecimal digits."""
    default, changed = load(None, {}), load(None, environ)
    found = config_digest(changed)

    assert found != config_digest(default)
    assert len(bytes.fromhex(found)) == 32


def test_the_digest_does_not_depend_on_the_order_of_limits() -> None:
    """The same limits in another order are the same configuration."""
    limits = {level: {"mean_percent": 1, "upper_percent": 2, "source": "x"} for level in ("L4", "L5")}
    backwards = dict(reversed(limits.items()))

    one, other = (Settings.model_validate({"measure": {"wedging_limits": each}}) for each in (limits, backwards))

    assert config_digest(one) == config_digest(other)


def test_every_table_refuses_unknown_keys_and_changes() -> None:
    """A stray key is an error in every table, and nothing changes after loading."""
    tables = [each for each in vars(config).values() if isinstance(each, type) and issubclass(each, BaseModel)]
    ours = [table for table in tables if table is not BaseModel]

    assert len(ours) >= len(Settings.model_fields)
    assert all(table.model_config.get("extra") == "forbid" for table in ours)
    assert all(table.model_config.get("frozen") for table in ours)


def test_a_destination_is_found_by_name() -> None:
    """The name finds the destination; an unknown name says which are configured."""
    pacs = Destination(name="pacs", ae_title="PACS", host="h", port=104)
    settings = Settings(destinations=(pacs,))

    assert settings.destination("pacs") is pacs
    with pytest.raises(Misconfigured, match="configured: pacs"):
        settings.destination("other")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 - the address that must not count as loopback
        ("::", False),
        ("10.0.0.1", False),
        ("pacs.example", False),
    ],
)
def test_only_this_machine_alone_is_loopback(host: str, expected: bool) -> None:
    """Anything that is not surely this machine's own address needs a token."""
    assert expected == config.is_loopback(host)
