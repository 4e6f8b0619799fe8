"""Links by e-mail: the store's own where it signs any, and Airflow's where it does not."""

import html
import re
from urllib.request import urlopen

from include.exports import EmailLink, destinations
from include.exports.destinations import connect, path_of
from include.exports.permissions import Person
from include.exports.share import send
from tests.rigs.inbox import mailbox

LINK = "test_a_share_link_lets_anybody_read_until_it_expires"
KIM = Person(user="kim", email="kim@example.org")


def test_a_mail_has_links_to_the_files_of_a_window(rig, run, monkeypatch):
    signs = LINK not in destinations.module(rig.destination.type).CAPABILITIES.gaps
    destination = rig.signing() if signs else rig.destination
    published = run(destination, 10)
    with connect(destination) as store:
        path = path_of(store, published["manifest"])
    with mailbox() as box:
        monkeypatch.setenv("AIRFLOW_CONN_MAIL", box.connection)
        monkeypatch.setenv("AIRFLOW_CONN_EXPORTS_LINK_KEY", f"generic://:{'k' * 64}@")
        sent = send(EmailLink(conn_id="mail"), "Ten events", destination, path, [KIM, Person(user="nobody")])
    ((to, message),) = box.received
    text = message.get_body().get_content()
    links = [html.unescape(link) for link in re.findall(r'href="([^"]+)"', text)]
    files = {name: content for name, content in rig.visible().items() if "part-" in name}
    assert (to, message["Subject"]) == (["kim@example.org"], "events: 10 rows")
    assert sent == {"kim": [name.rpartition("/")[2] for name in files]}
    if signs:
        assert [urlopen(link).read() for link in links] == list(files.values())  # noqa: S310  # what the store signed
    else:
        assert [link.partition("?")[0] for link in links] == ["http://localhost:8080/exports/files/"] * len(files)
