"""Digest authentication as the far ends of a test do it (RFC 7616), with Python's own hashes."""
import hashlib
import re
import secrets

HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}


def parse(value):
    """The parameters of a challenge or of credentials."""
    assert value.startswith("Digest "), value
    found = re.findall(r'(\w+)=(?:"([^"]*)"|([^",\s]+))', value)
    return {name: quoted or plain for name, quoted, plain in found}


def respond(parameters, user, password, method, ha1=None):
    """The response that these parameters ask for."""
    def hashed(*parts):
        digest = hashlib.new(HASHES[parameters.get("algorithm", "MD5")])
        digest.update(":".join(parts).encode())
        return digest.hexdigest()

    a1 = ha1 or hashed(user, parameters["realm"], password)
    a2 = hashed(method, parameters["uri"])
    if "qop" not in parameters:
        return hashed(a1, parameters["nonce"], a2)
    return hashed(a1, parameters["nonce"], parameters["nc"], parameters["cnonce"], "auth", a2)


def authorization(challenge, user, password, method, uri, nc=1):
    """The value that answers the text of a challenge."""
    parameters = {key: value for key, value in parse(challenge).items()
                  if key in ("realm", "nonce", "opaque", "algorithm")}
    parameters |= {"username": user, "uri": uri}
    if "qop" in parse(challenge):
        parameters |= {"qop": "auth", "nc": f"{nc:08x}", "cnonce": secrets.token_hex(8)}
    parameters["response"] = respond(parameters, user, password, method)
    plain = ("qop", "nc", "algorithm")
    return "Digest " + ", ".join(f"{key}={value}" if key in plain else f'{key}="{value}"'
                                 for key, value in parameters.items())


def is_right(request, header, user, password):
    """Whether a received request proves that its sender knows the password."""
    value = request[header]
    if value is None:
        return False
    parameters = parse(value)
    return (parameters["username"] == user and parameters["uri"] == request.uri
            and parameters["response"] == respond(parameters, user, password, request.method))
