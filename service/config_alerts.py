"""[alerts]: who is told when somebody must act, and when."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic.types import StringConstraints

from service.config_fields import File, Port, Table, matching


def _webhook(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if text and not text.startswith(("https://", "http://")):
        raise ValueError("must be empty or a URL that begins with https:// or http://")
    return secret


#: An address that a header can hold; whether it exists the mail server says.
Address = Annotated[str, matching(r"[!-?A-~]{1,64}@[A-Za-z0-9.\-\[\]:]{1,255}", "a mail address: name@host, ASCII")]


class Alerts(Table):
    """[alerts]: webhook and mail, without patient data."""

    #: Gets each message as JSON by POST; its path often is a secret, so it is never shown.
    webhook: Annotated[SecretStr, AfterValidator(_webhook)] = SecretStr("")
    mail_to: tuple[Address, ...] = ()
    mail_from: Annotated[str, matching(r"|[!-?A-~]{1,64}@[A-Za-z0-9.\-\[\]:]{1,255}", "a mail address, or empty")] = ""
    smtp_host: Annotated[str, StringConstraints(min_length=1)] = "localhost"
    smtp_port: Port = 25
    smtp_security: Literal["none", "starttls", "tls"] = "none"
    smtp_user: str = ""
    #: File that holds the password of `smtp_user`.
    smtp_password_file: File | None = None
    #: At most one message in so many minutes, by each of the two ways; what is to be said is put together.
    every_min: Annotated[float, Field(ge=1)] = 15.0
    #: A problem that stays is said again after so many hours.
    repeat_h: Annotated[float, Field(ge=1)] = 24.0
    #: A study that waits for a worker longer than this is a problem, minutes.
    queue_age_min: Annotated[float, Field(gt=0)] = 15.0
    #: So many tries in a row without an answer make a destination a problem.
    destination_failures: Annotated[int, Field(ge=1)] = 5
    #: A certificate is a problem so many days before it expires.
    certificate_days: Annotated[float, Field(gt=0)] = 30.0

    @property
    def any(self) -> bool:
        """Whether somebody is told."""
        return bool(self.webhook.get_secret_value() or self.mail_to)

    @model_validator(mode="after")
    def _mail_is_complete(self) -> Self:
        if self.mail_to and not self.mail_from:
            raise ValueError("mail_to is set: mail_from is required")
        if self.smtp_user and self.smtp_password_file is None:
            raise ValueError("smtp_user is set: smtp_password_file is required")
        if self.smtp_user and self.smtp_security == "none":
            raise ValueError(
                'smtp_user is set: smtp_security must be "starttls" or "tls", else the password is readable'
            )
        return self
