# SPDX-License-Identifier: Apache-2.0
"""The lab's certificate authority, its certificates, and the wrong ones.

One key serves all leaf certificates: making keys is what would take the time.
"""
import pathlib
import shutil
import subprocess

from . import system
from .errors import LabError
from .names import CERTIFICATES, DEFAULT_CERTIFICATE, NAMES, PRIVATE_ISSUERS

CONFIG = """
[req]
distinguished_name = subject
prompt = no
[subject]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
"""
LEAF_EXTENSIONS = """
[leaf]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = {names}
"""
AUTHORITIES = {"ca": "/CN=reachd lab CA", "inspection-ca": "/CN=Lab Inspection CA",
               "apple-ca": "/O=Apple Inc./CN=Lab Apple Root CA"}  # the vendor's own: in no trust store
VALID_DAYS = 30
WRONG_NAME = "wrong.lab.example"


class Authority:
    """The files under one directory: NAME.pem (certificate and key), authorities/, override/."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.override = self.directory / "override"
        self.key = self.directory / "authorities" / "leaf.key"

    def create(self):
        """Makes the authorities and a certificate for every name of the lab."""
        self.override.mkdir(parents=True)
        (self.directory / "authorities").mkdir(mode=0o700)
        for stem in ("leaf", *AUTHORITIES):
            system.run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                       "-out", str(self.key.with_name(f"{stem}.key")))
        config = self.directory / "authorities" / "ca.cnf"
        config.write_text(CONFIG, encoding="ascii")
        for stem, subject in AUTHORITIES.items():
            system.run("openssl", "req", "-x509", "-new", "-config", str(config), "-extensions", "authority",
                       "-subj", subject, "-key", str(self._authority(stem, "key")),
                       "-days", str(VALID_DAYS), "-out", str(self._authority(stem, "pem")))
        pending = [self._start_signing(self.directory / f"{stem}.pem", names, authority=PRIVATE_ISSUERS.get(stem, "ca"))
                   for stem, names in {**CERTIFICATES, DEFAULT_CERTIFICATE: (DEFAULT_CERTIFICATE,)}.items()]
        pending.append(self._start_signing(self.directory / "inspection.pem", tuple(NAMES), authority="inspection-ca"))
        for signing in pending:
            self._finish_signing(*signing)

    def ca_file(self):
        """The certificate that clients are to trust."""
        return self._authority("ca", "pem")

    def apple_ca_file(self):
        """The vendor's own root, under which its courier hosts are."""
        return self._authority("apple-ca", "pem")

    def set_overrides(self, kinds):
        """Puts {name: kind} wrong certificates in place and removes all others."""
        for stale in self.override.glob("*.pem"):
            if stale.stem not in kinds:
                stale.unlink()
        for name, kind in kinds.items():
            target = self.override / f"{name}.pem"
            if kind == "wrong-cert":
                signing = self._start_signing(target, (name,), authority="inspection-ca")
            elif kind == "expired-cert":
                signing = self._start_signing(target, (name,), days=-1)
            elif kind == "wrong-name-cert":
                signing = self._start_signing(target, (WRONG_NAME,))
            else:
                raise LabError(f"no such kind of certificate: {kind}")
            self._finish_signing(*signing)

    def _authority(self, stem, suffix):
        return self.directory / "authorities" / f"{stem}.{suffix}"

    def _start_signing(self, target, names, authority="ca", days=VALID_DAYS):
        config = target.with_suffix(".cnf")
        alternatives = ",".join(f"DNS:{name}" for name in names)
        config.write_text(CONFIG + LEAF_EXTENSIONS.format(names=alternatives), encoding="ascii")
        common_name = names[0] if len(names[0]) <= 64 else "lab"  # RFC 5280 ub-common-name
        request = subprocess.run(["openssl", "req", "-new", "-config", str(config), "-key", str(self.key),
                                  "-subj", f"/CN={common_name}"], capture_output=True, check=True).stdout
        # x509, not req: only it accepts the negative lifetime of an expired certificate (OpenSSL 3.0)
        signing = subprocess.Popen(["openssl", "x509", "-req", "-CA", str(self._authority(authority, "pem")),
                                    "-CAkey", str(self._authority(authority, "key")), "-days", str(days),
                                    "-extfile", str(config), "-extensions", "leaf"],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        signing.stdin.write(request)
        signing.stdin.close()
        signing.stdin = None  # communicate() must not flush it again
        return signing, config, target, authority

    def _finish_signing(self, signing, config, target, authority):
        certificate, said = signing.communicate()
        if signing.returncode != 0:
            raise LabError(f"openssl x509 for {target.name}: {said.decode()}")
        complete = target.with_suffix(".new")
        complete.write_bytes(certificate + self._authority(authority, "pem").read_bytes() + self.key.read_bytes())
        shutil.move(complete, target)  # the server must never read half a file
        config.unlink()
