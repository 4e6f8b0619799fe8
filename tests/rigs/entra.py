"""A Microsoft Entra tenant that gives service principals tokens, as far as Azurite looks at them: it checks audience,
issuer and times, and no signature. One secret is right; the tenant's id is the first segment of every address.
"""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from tests.rigs.http_faults import Answer, Front, Request

if TYPE_CHECKING:
    from tests.rigs.certificate import Certificate

SECRET = "the right secret"  # noqa: S105  # of this tenant alone
TENANT = "00000000-0000-0000-0000-000000000000"
OBJECT = "00000000-0000-0000-0000-000000000001"
ISSUER = f"https://sts.windows.net/{TENANT}/"
AUDIENCE = "https://storage.azure.com"
HOUR_SECONDS = 3600


def tenant(certificate: Certificate) -> Front:
    """Its server. `asked` tells how often somebody has signed in."""

    def answer(request: Request) -> Answer:
        if request.method == "GET":
            return _endpoints(f"https://{request.headers['Host']}/{request.target.split('/')[1]}")
        given = parse_qs(request.body.decode())["client_secret"]
        return _json(200, _token()) if given == [SECRET] else _json(401, _refusal())

    return Front(answer=answer, failure=lambda how: Answer(int(how), {}), tls=certificate.server())


def _endpoints(authority: str) -> Answer:
    return _json(
        200,
        {
            "issuer": f"{authority}/v2.0",
            "authorization_endpoint": f"{authority}/oauth2/v2.0/authorize",
            "token_endpoint": f"{authority}/oauth2/v2.0/token",
        },
    )


def _token() -> dict[str, Any]:
    now = int(time.time())
    claims = {"aud": AUDIENCE, "iss": ISSUER, "iat": now - 10, "nbf": now - 10, "exp": now + HOUR_SECONDS}
    claims |= {"sub": OBJECT, "oid": OBJECT, "tid": TENANT}
    parts = [_part({"typ": "JWT", "alg": "RS256"}), _part(claims), "c2ln"]
    return {"token_type": "Bearer", "expires_in": HOUR_SECONDS, "access_token": ".".join(parts)}


def _refusal() -> dict[str, Any]:
    return {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}


def _part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def _json(status: int, content: dict[str, Any]) -> Answer:
    return Answer(status, {"content-type": "application/json"}, json.dumps(content).encode())
