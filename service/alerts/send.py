"""The two ways of an alert: a POST to a webhook, a mail by SMTP. Each is tried once; who calls comes again.

No error here names the webhook's path, which often is a secret, or says what a server answered in words.
"""

import json
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from http.client import HTTPException, HTTPMessage
from typing import IO, Final
from urllib.parse import urlsplit

from service.alerts.message import Message
from service.config_alerts import Alerts
from service.errors import Misconfigured, Unavailable

#: Longest wait for one answer, seconds.
TIMEOUT_S: Final = 10.0
Way = Callable[[Message], None]


def ways(alerts: Alerts) -> Mapping[str, Way]:
    """Return how a message is sent, by name, "mail" and "webhook" as far as they are configured.

    Each raises Unavailable where it could not be handed over, Misconfigured where the password cannot be read.
    """
    found: dict[str, Way] = {}
    if alerts.mail_to:
        found["mail"] = lambda message: mail(message, alerts)
    if alerts.webhook.get_secret_value():
        found["webhook"] = lambda message: post(message, alerts.webhook.get_secret_value())
    return found


def mail(message: Message, alerts: Alerts) -> None:
    """Hand a message to the mail server."""
    where = f"mail server {alerts.smtp_host}:{alerts.smtp_port}"
    try:
        with _connected(alerts) as server:
            if alerts.smtp_user:
                server.login(alerts.smtp_user, _password(alerts))
            refused = server.send_message(_as_mail(message, alerts))
    except smtplib.SMTPResponseException as error:
        raise Unavailable(f"{where} refuses: {type(error).__name__}, code {error.smtp_code}") from None
    except (smtplib.SMTPException, OSError) as error:
        raise Unavailable(f"{where}: {_words(error)}") from None
    if refused:
        raise Unavailable(f"{where} refuses {len(refused)} of {len(alerts.mail_to)} addresses")


def post(message: Message, url: str) -> None:
    """Hand a message to the webhook; any answer of 2xx is success."""
    where = f"webhook at {urlsplit(url).hostname}"
    body = json.dumps(message.as_json()).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "spondyl"}
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310 - http or https by [alerts]
    try:
        with _opener.open(request, timeout=TIMEOUT_S):
            return
    except urllib.error.HTTPError as error:
        error.close()  # it is the answer, and holds the connection
        raise Unavailable(f"{where} answered {error.code}") from None
    except urllib.error.URLError as error:
        raise Unavailable(f"{where}: {_words(error.reason)}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise Unavailable(f"{where}: {_words(error)}") from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A webhook that leads elsewhere is a wrong address: what is posted would get lost on the way."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Follow none."""


_opener: Final = urllib.request.build_opener(_NoRedirect)


def _connected(alerts: Alerts) -> smtplib.SMTP:
    host, port = alerts.smtp_host, alerts.smtp_port
    if alerts.smtp_security == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=ssl.create_default_context())
    server = smtplib.SMTP(host, port, timeout=TIMEOUT_S)
    if alerts.smtp_security == "starttls":
        try:
            server.starttls(context=ssl.create_default_context())
        except (smtplib.SMTPException, OSError):
            server.close()
            raise
    return server


def _password(alerts: Alerts) -> str:
    file = alerts.smtp_password_file
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n") if file else ""
    except OSError as error:
        raise Misconfigured(f"alerts.smtp_password_file: {file}: cannot be read: {error.strerror}") from None


def _as_mail(message: Message, alerts: Alerts) -> EmailMessage:
    made = EmailMessage()
    made["Subject"] = message.subject
    made["From"] = alerts.mail_from
    made["To"] = ", ".join(alerts.mail_to)
    made["Date"] = formatdate(message.at)
    made["Message-ID"] = make_msgid(domain=alerts.mail_from.rpartition("@")[2])
    # No holiday notice is to be sent back (RFC 3834).
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(message.text)
    return made


def _words(error: object) -> str:
    """Return what may be said of a failure: the system's words for its number, else its type."""
    if isinstance(error, ssl.SSLError):
        return error.reason or type(error).__name__
    return (error.strerror if isinstance(error, OSError) and error.strerror else "") or type(error).__name__
