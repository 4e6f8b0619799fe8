"""Mails links to the files of a run, which end, to who asked for them.

A link is the store's own signed address where the store signs any. Otherwise it leads to this project's plugin in
Airflow's API server, which gives the file from the destination to the signed-in user that it was made for. It holds
what the plugin needs, signed with the key that is the password of the Airflow connection `exports_link_key`: nothing
is stored that would have to be cleaned up, and a link can be made again at any time.
"""

from __future__ import annotations

import html
import logging
import posixpath
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import Field

from include.exports.destinations import connect
from include.exports.errors import DeliveryRefused, NotEligible
from include.exports.keys import key
from include.exports.manifest import Manifest
from include.exports.model import Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.exports.destinations import Store
    from include.exports.permissions import Person

log = logging.getLogger(__name__)

AUDIENCE, ALGORITHM = "airflow-exports-file", "HS256"
KEY = "exports_link_key"
"""Airflow connection whose password signs links to files in stores that sign none. Workers and the API server need it;
with another password, links that were sent no longer work."""
FILES = "/exports/files"
"""Where the plugin answers, below the address of the API server."""
EXCEL = (
    "CSV files are UTF-8. Excel drops leading zeros and digits of long numbers: import such columns as text"
    " (Data, From Text/CSV)."
)


class EmailLink(Part):
    """An e-mail with a link to each file, when a run has ended."""

    to: tuple[str, ...] = ()
    """Airflow users besides the one who asked. Their addresses are in the Airflow Variable `exports_people`; a user
    name that is an address needs no entry."""
    expires: timedelta = Field(default=timedelta(hours=4), gt=timedelta(), le=timedelta(days=7))
    """How long a link works. `share` makes new ones without running the export again."""
    conn_id: str = Field(default="smtp_default", min_length=1)
    """Airflow connection of the SMTP server; its extra names the sender as `from_email`."""


def send(
    link: EmailLink, subject: str, destination: Any, manifest: str, people: Sequence[Person]
) -> dict[str, list[str]]:
    """Mail each person links to the files that the manifest at a path names; the names of the files by person.

    Who has no address is logged and left out. Raises `NotEligible` when there is no key to sign with.
    """
    with connect(destination) as store:
        document = store.read(manifest)
        if document is None:
            raise DeliveryRefused(f"{store.url(manifest)} is gone; run the export again")
        published = Manifest.model_validate_json(document.content)
        sent = {}
        for person in people:
            if person.address is None:
                log.warning("no address is known of user %r, who gets no link; add it to exports_people", person.user)
                continue
            links = {path: address(link.expires, destination, store, path, person.user) for path in published.paths()}
            _mail(link, subject, published, links, person.address)
            log.info("sent %d link(s) to %s", len(links), person.address)
            sent[person.user] = [posixpath.basename(path) for path in links]
    return sent


def address(expires: timedelta, destination: Any, store: Store, path: str, user: str) -> str:
    """A link to the file at `path`: the store's own, which anybody can use, or one that only `user` can."""
    try:
        return store.share_link(path, expires)
    except DeliveryRefused as error:
        log.info("a signed-in user gets the file from Airflow: %s", error)
    import jwt
    from airflow.configuration import conf

    claims = {
        "aud": AUDIENCE,
        "sub": user,
        "exp": datetime.now(UTC) + expires,
        "destination": destination.model_dump(mode="json"),
        "path": path,
    }
    server = str(conf.get("api", "base_url", fallback="http://localhost:8080")).rstrip("/")
    return f"{server}{FILES}/?token={jwt.encode(claims, signing_key(KEY), ALGORITHM)}"


def signing_key(conn_id: str) -> str:
    """The key that a connection holds. Raises `NotEligible` when it has none, or one that could be guessed."""
    found = key(conn_id)
    if len(found) < 32:  # noqa: PLR2004  # bytes that HMAC-SHA-256 makes
        raise NotEligible(
            f"the password of Airflow connection {conn_id!r} signs links and has {len(found)} characters; make one of"
            " at least 32, such as with `openssl rand -hex 32`"
        )
    return found


def main_rows(published: Manifest) -> int:
    """The rows of the first table, which is what an export is about; of all files when they are one table."""
    tables = published.export.tables
    return tables[0].record_count if tables else published.meta.record_count


def _mail(link: EmailLink, subject: str, published: Manifest, links: dict[str, str], to: str) -> None:
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    until = datetime.now(UTC) + link.expires
    rows = main_rows(published)
    items = "".join(
        f'<li><a href="{html.escape(url)}">{html.escape(posixpath.basename(path))}</a>,'
        f" {entry.meta.record_count:,} rows, {entry.meta.content_length:,} bytes</li>"
        for (path, url), entry in zip(links.items(), published.entries, strict=True)
    )
    text = (
        f"<p>{html.escape(subject)}: {rows:,} rows.</p><ul>{items}</ul>"
        f"<p>The links work until {until:%Y-%m-%d %H:%M} UTC. {EXCEL}</p>"
    )
    with SmtpHook(smtp_conn_id=link.conn_id) as smtp:
        smtp.send_email_smtp(to=[to], subject=f"{published.export.name}: {rows:,} rows", html_content=text)
