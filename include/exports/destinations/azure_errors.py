"""What Azure's clients raise, in this project's words, for every destination that is one of Azure's stores."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from include.exports.errors import DeliveryInterrupted, DeliveryRefused

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_RIGHT = "AuthorizationPermissionMismatch"
"""What a SAS, or a role, does not allow."""

_LOGIN = {"AuthenticationFailed", "AuthorizationFailure", "InvalidAuthenticationInfo", "NoAuthenticationInformation"}
_RIGHTS = {
    NO_RIGHT,
    "AuthorizationResourceTypeMismatch",
    "AuthorizationServiceMismatch",
    "InsufficientAccountPermissions",
    "UnauthorizedBlobOverwrite",  # a SAS that may create, and not write
}
_NO_PLACE = {"ContainerNotFound", "FilesystemNotFound"}
_PASSING = {"ContainerBeingDeleted", "Crc64Mismatch", "FilesystemBeingDeleted", "InvalidBlockList", "Md5Mismatch"}
"""Client errors that another try can cure: bytes damaged on the way, blocks that another writer's commit discarded."""
_PASSING_STATUS = {408, 412, 429, *range(500, 600)}


@contextmanager
def errors(where: str, conn_id: str, field: str = "container") -> Iterator[None]:
    """Raise what Azure's clients raise as `DeliveryInterrupted` or `DeliveryRefused`.

    `where` is the address that the message begins with, `field` the one of the definition that names the container.
    """
    from azure.core import exceptions

    try:
        yield
    except exceptions.HttpResponseError as error:
        message = f"{where}: {_words(error)}"
        if error.status_code in _PASSING_STATUS or code(error) in _PASSING:
            raise DeliveryInterrupted(f"{message}; the run is tried again") from error
        if code(error) in _NO_PLACE:
            remedy = f"create the container, or correct `{field}`"
        elif code(error) in _RIGHTS:
            remedy = f"grant this action to Airflow connection {conn_id!r}"
        elif code(error) in _LOGIN or isinstance(error, exceptions.ClientAuthenticationError):
            remedy = f"check the credentials of Airflow connection {conn_id!r}, and the network rules of the account"
        else:
            remedy = f"check the account, and the rights of Airflow connection {conn_id!r}"
        raise DeliveryRefused(f"{message}; {remedy}") from error
    except exceptions.AzureError as error:
        raise DeliveryInterrupted(f"{where}: {_words(error)}; the run is tried again") from error
    except ValueError as error:  # a key that is not base64, half of a service principal
        raise DeliveryRefused(f"{where}: {error}; check Airflow connection {conn_id!r}") from error


def code(error: Any) -> str:
    """Azure's own word for an error, such as `BlobNotFound`; empty when it has none."""
    found = getattr(error, "error_code", None)
    return str(getattr(found, "value", found) or "")


def _words(error: Any) -> str:
    """What was asked, Azure's code, and the first line of its message: what follows are ids and times."""
    line = error.message.partition("\n")[0].strip()
    return f"{error.response.request.method} {code(error)}: {line}" if code(error) else line
