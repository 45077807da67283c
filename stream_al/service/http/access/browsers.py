"""Browsers: which requests may be the work of a web page that has nothing to do with this service.

Where no token is needed, whoever reaches the service may do everything, and the browser of a person on this
machine reaches it for every page that the person visits. Such a page has two ways:

    rebinding      the name of the page's site resolves to this machine after the page has been loaded. The
                   browser takes both for one site. The `Host` of the request is the name of the site.
    cross-site     the page sends requests to `http://127.0.0.1:8080`, or to `http://0.0.0.0:8080`, which is
                   this machine too. `Origin` and `Sec-Fetch-Site` name the site of the page.

So `Host` has to be a loopback address, or a host that the settings allow. An IP address is no name that
somebody could rebind, so every one but 0.0.0.0 is allowed where the settings let everyone in. A request of
another site is refused, reading included; only following a link is not, as the site sees no response to it.
Requests with a token need none of this, because a browser never adds a token by itself.

(Fetch standard, 3.1 "`Origin` header"; Fetch Metadata Request Headers, W3C; Jackson et al., "Protecting
Browsers from DNS Rebinding Attacks", ACM CCS 2007.)
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from stream_al.settings.checks import is_loopback

__all__ = ["foreign"]

OWN_SITES = ("none", "same-origin")


def foreign(
    method: str, headers: Mapping[bytes, str], allowed: Collection[str], *, addresses: bool = False
) -> str | None:
    """Why a request without a token may be the work of a foreign web page; None if it may not.

    Args:
        method: The method.
        headers: The headers, their names in lower case.
        allowed: More hosts that are served.
        addresses: Whether every IP address is served.

    >>> foreign("GET", {b"host": "localhost:8080"}, ())
    >>> foreign("GET", {b"host": "rebound.example"}, ())
    'this host is not served: use localhost, list it in http.allowed_hosts, or set http.admin_tokens'
    """
    host = headers.get(b"host", "")
    if not _is_served(_name(host), allowed, addresses=addresses):
        return (
            "this host is not served: use localhost, list it in http.allowed_hosts, or set http.admin_tokens"
        )
    origin = headers.get(b"origin")
    if origin is not None:
        site = _netloc(origin)
        own = site == host.lower() or _name(site) in allowed
    else:
        link = method == "GET" and headers.get(b"sec-fetch-mode") == "navigate"
        own = link or headers.get(b"sec-fetch-site", "none") in OWN_SITES
    return (
        None
        if own
        else "a page of another site may not send this request: set http.admin_tokens, and send a token"
    )


def _is_served(name: str, allowed: Collection[str], *, addresses: bool) -> bool:
    if name in allowed:
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost"
    return is_loopback(name) or (addresses and not address.is_unspecified)


def _name(authority: str) -> str:
    """The host without its port, in lower case; empty for what is no host.

    >>> [_name(text) for text in ("A.example:80", "[::1]:8080", "x@localhost", "localhost:x", "")]
    ['a.example', '::1', '', '', '']
    """
    try:
        parts = urlsplit(f"//{authority}")
        _ = parts.port  # raises for what is no port
    except ValueError:
        return ""
    if "@" in authority or parts.netloc != authority:
        return ""
    return parts.hostname or ""


def _netloc(origin: str) -> str:
    """The host and the port of an origin; empty for `null` and for what is no origin."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
