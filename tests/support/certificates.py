# SPDX-License-Identifier: Apache-2.0
"""An authority of the tests' own, and certificates that it signs, by the openssl command.

    authority = Authority(directory)
    web = authority.sign("web.test", "*.web.test")      # web.chain, web.key: paths
    context = authority.client()                        # an ssl.SSLContext that trusts it
"""
import functools
import pathlib
import ssl
import subprocess
import types


def openssl(*arguments, **options):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True,
                          timeout=60, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def new_key(path, kind="ec"):
    how = {"ec": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
           "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]}[kind]
    openssl("genpkey", *how, "-out", path)


class Authority:
    def __init__(self, directory, name="Tests"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.path, self.key = self.directory / "ca.pem", self.directory / "ca.key"
        self.count = 0
        new_key(self.key)
        openssl("req", "-x509", "-new", "-key", self.key, "-subj", f"/CN={name}", "-days", 30,
                "-out", self.path)

    def sign(self, *names, days=10, kind="ec", common=None, client=False, chain=()):
        """A certificate for the names (DNS names, or addresses). `chain`: more behind it."""
        self.count += 1
        stem = self.directory / f"certificate-{self.count}"
        key, request, path = (stem.with_suffix(s) for s in (".key", ".csr", ".pem"))
        new_key(key, kind)
        subject = common if common is not None else names[0] if names else "nobody"
        openssl("req", "-new", "-key", key, "-subj", f"/O=Tests/CN={subject}", "-out", request)
        kinds = [f"{'IP' if n.replace('.', '').isdigit() or ':' in n else 'DNS'}:{n}" for n in names]
        extensions = stem.with_suffix(".ext")
        lines = [f"subjectAltName={','.join(kinds)}"] if kinds else []
        lines.append(f"extendedKeyUsage={'clientAuth' if client else 'serverAuth'}")
        extensions.write_text("\n".join(lines) + "\n")
        openssl("x509", "-req", "-in", request, "-CA", self.path, "-CAkey", self.key,
                "-CAcreateserial", "-days", days, "-extfile", extensions, "-out", path)
        if chain:
            path.write_text(path.read_text() + "".join(pathlib.Path(c).read_text() for c in chain))
        return types.SimpleNamespace(chain=path, key=key, names=names, serial=serial(path))

    def itself(self):
        """Its own certificate, as one that nobody signed."""
        return types.SimpleNamespace(chain=self.path, key=self.key)

    def client(self, certificate=None):
        context = ssl.create_default_context(cafile=str(self.path))
        if certificate:
            context.load_cert_chain(certificate.chain, certificate.key)
        return context


def serial(path):
    return openssl("x509", "-in", path, "-noout", "-serial").strip().split("=")[1]


def peer_serial(sock):
    return sock.getpeercert()["serialNumber"]


@functools.lru_cache(maxsize=None)
def ticket_key(number):
    return f"{number:02x}" * 80


def tls_line(*certificates, **options):
    """The value of a "tls" line (docs/protocol.md)."""
    return {"certificates": [{"chain": c.chain.read_text(), "key": c.key.read_text()}
                             for c in certificates],
            "minimum": "1.2", "http2": True, "client_verify": "none", "client_ca": None,
            "ticket_keys": [ticket_key(1)], "upstreams": [], **options}


def upstream(name, authority=None, own=None, **options):
    """An item of "upstreams" there: instances whose certificates `authority` signs, which are shown `own`."""
    return {"name": name, "verify": authority is not None,
            "ca": authority and authority.path.read_text(), "chain": own and own.chain.read_text(),
            "key": own and own.key.read_text(), **options}
