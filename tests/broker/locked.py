"""An Apache Kafka with a listener for every kind of authentication."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from pathlib import Path

from tests.broker.authority import Authority
from tests.broker.kafka import KafkaBroker, Listener

__all__ = ["MECHANISMS", "PASSWORD", "USER", "Locked"]

USER, PASSWORD = "selector", "canary-of-the-password"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
MODULES = "org.apache.kafka.common.security"


@dataclass(frozen=True)
class Locked:
    """A broker that asks for certificates or logins.

    Attributes:
        broker: The broker, with `ports` by listener.
        authority: The authority that it trusts.
        stranger: An authority that it does not trust.
    """

    broker: KafkaBroker
    authority: Authority
    stranger: Authority

    @classmethod
    def start(cls, directory: Path) -> Locked:
        """A running broker with all listeners."""
        authority, stranger = Authority(directory / "ours"), Authority(directory / "theirs")
        good = _shows(authority.issue("broker", "127.0.0.1"))
        trust = {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(authority.certificate)}
        listeners = [
            Listener("TLS", "SSL", good),
            Listener("MUTUAL", "SSL", good | trust | {"ssl.client.auth": "required"}),
            Listener("EXPIRED", "SSL", _shows(authority.issue("expired", "127.0.0.1", expired=True))),
            Listener("LOGIN", "SASL_PLAINTEXT", _logins("PLAIN", "SCRAM-SHA-256")),
            Listener("SECURE", "SASL_SSL", good | _logins(*MECHANISMS)),
        ]
        scram = [
            f"{name}=[name={USER},password={PASSWORD}]" for name in MECHANISMS if name.startswith("SCRAM")
        ]
        broker = KafkaBroker.start(directory / "broker", listeners=listeners, scram=scram)
        return cls(broker, authority, stranger)

    def bootstrap(self, listener: str, host: str = "127.0.0.1") -> str:
        return f"kafka.bootstrap_servers={host}:{self.broker.ports[listener]}"

    def settings(
        self, listener: str, mechanism: str = "SCRAM-SHA-512", password: str = PASSWORD
    ) -> list[str]:
        """Settings for a listener: SECURE needs a login over TLS, LOGIN one without TLS, TLS no login."""
        protocol = {"SECURE": "SASL_SSL", "LOGIN": "SASL_PLAINTEXT"}.get(listener, "SSL")
        given = [self.bootstrap(listener), f"kafka.security_protocol={protocol}"]
        if protocol.endswith("SSL"):
            given.append(f"kafka.ssl_cafile={self.authority.certificate}")
        if protocol.startswith("SASL"):
            given.append(f"kafka.sasl_mechanism={mechanism}")
            if mechanism == "OAUTHBEARER":
                given.append(f"kafka.sasl_oauth_token_file={self.token()}")
            else:
                given += [f"kafka.sasl_username={USER}", f"kafka.sasl_password={password}"]
        return given

    def token(self, name: str = "token", life_seconds: float = 3600) -> Path:
        """A file with a token that the broker accepts: unsigned, as Kafka's default validator allows."""
        now = int(time.time())
        claims = {"sub": USER, "iat": now - 7200, "exp": int(now + life_seconds)}
        parts = (base64.urlsafe_b64encode(json.dumps(part).encode()) for part in ({"alg": "none"}, claims))
        path = self.authority.directory / name
        path.write_text(".".join(part.decode().rstrip("=") for part in parts) + ".\n")
        return path


def _shows(certificate: Path) -> dict[str, str]:
    return {"ssl.keystore.type": "PEM", "ssl.keystore.location": str(certificate)}


def _logins(*mechanisms: str) -> dict[str, str]:
    config = {"sasl.enabled.mechanisms": ",".join(mechanisms)}
    plain = f'{MODULES}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
    scram = f"{MODULES}.scram.ScramLoginModule required;"
    bearer = f'{MODULES}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="{USER}";'
    modules = zip(MECHANISMS, (plain, scram, scram, bearer), strict=True)
    return config | {f"{mechanism.lower()}.sasl.jaas.config": module for mechanism, module in modules}
