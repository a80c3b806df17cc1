"""Keys and tokens for the benchmark, made with the system's openssl."""

import base64
import json
import pathlib
import re
import subprocess
import time


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, given=None):
    return subprocess.run(["openssl", *map(str, arguments)], input=given, capture_output=True, check=True).stdout


class Key:
    def __init__(self, algorithm, private, jwk):
        self.algorithm = algorithm
        self.private = private
        self.jwk = {**jwk, "kid": algorithm, "use": "sig", "alg": algorithm}
        self.public_pem = openssl("pkey", "-in", private, "-pubout").decode()

    def sign(self, issuer, home):
        now = int(time.time())
        header = {"alg": self.algorithm, "typ": "JWT", "kid": self.algorithm}
        claims = {"iss": issuer, "aud": "bench", "sub": "bench", "groups": ["bench"],
                  "iat": now, "exp": now + 6 * 3600}
        signed = ".".join(encode(json.dumps(part).encode()) for part in (header, claims))
        text = pathlib.Path(home, "signed")
        text.write_bytes(signed.encode())
        signature = openssl("dgst", "-sha256", "-sign", self.private, text)
        if self.algorithm == "ES256":
            signature = fixed(signature)
        return f"{signed}.{encode(signature)}"


def fixed(der):
    """An ECDSA signature as two numbers of 32 bytes, as JOSE wants it."""
    numbers = []
    place = 2
    for _ in range(2):
        length = der[place + 1]
        numbers.append(der[place + 2:place + 2 + length].lstrip(b"\0").rjust(32, b"\0"))
        place += 2 + length
    return b"".join(numbers)


def rsa(home):
    private = pathlib.Path(home, "rsa.pem")
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", private)
    modulus = openssl("rsa", "-in", private, "-noout", "-modulus").decode().strip().split("=")[1]
    return Key("RS256", private, {"kty": "RSA", "e": "AQAB", "n": encode(bytes.fromhex(modulus))})


def ecdsa(home):
    private = pathlib.Path(home, "ec.pem")
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", private)
    told = openssl("ec", "-in", private, "-noout", "-text").decode()
    point = bytes.fromhex(re.sub(r"[\s:]", "", re.search(r"pub:([\s0-9a-f:]+)", told)[1]))
    return Key("ES256", private, {"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:65])})
