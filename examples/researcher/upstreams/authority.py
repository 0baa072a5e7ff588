"""A throw-away certificate authority and one leaf for all names, made by openssl."""

import subprocess

DAYS = "30"


class AuthorityError(Exception):
    """openssl is missing or refused."""


def make(directory, names):
    """Makes `ca.pem`, `leaf.pem` and `leaf.key` in `directory`. The authority's own key is not kept."""
    ca_key, request = directory / "ca.key", directory / "leaf.csr"
    extensions = directory / "leaf.ext"
    alternatives = [f"DNS:{name}" for name in [*names, "localhost"]] + ["IP:127.0.0.1"]
    extensions.write_text(
        f"subjectAltName={','.join(alternatives)}\nbasicConstraints=critical,CA:FALSE\n"
        "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n",
        encoding="utf-8",
    )
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl(
        "req", "-x509", *curve, "-keyout", ca_key, "-out", directory / "ca.pem", "-days", DAYS, "-sha256",
        "-subj", "/CN=researcher example authority", "-addext", "basicConstraints=critical,CA:TRUE,pathlen:0",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign",
    )
    openssl("req", "-new", *curve, "-keyout", directory / "leaf.key", "-out", request, "-subj", f"/CN={names[0]}")
    openssl(
        "x509", "-req", "-in", request, "-CA", directory / "ca.pem", "-CAkey", ca_key, "-CAcreateserial",
        "-out", directory / "leaf.pem", "-days", DAYS, "-sha256", "-extfile", extensions,
    )
    for spent in (ca_key, request, extensions, directory / "ca.srl"):
        spent.unlink(missing_ok=True)


def openssl(*arguments):
    """Runs openssl."""
    command = ["openssl", *map(str, arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError as error:
        raise AuthorityError("openssl is not installed: install the package openssl") from error
    if done.returncode:
        raise AuthorityError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")
