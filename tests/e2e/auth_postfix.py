"""AUTH through posternd: swaks and Python's smtplib in front, Postfix with Cyrus SASL behind, over STARTTLS and over TLS at
once; the account in journal and rules, handed over with XCLIENT; and what Postfix tells a milter of it."""

import base64
import contextlib
import glob
import hashlib
import hmac
import os
import smtplib
import socket
import ssl
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lab import Lab, free_port, message, swaks, until  # noqa: E402
from tap import Tap, equal, lacks, matches, need, skip_all  # noqa: E402

PASSWORD = f"kuckuck-im-{os.getpid()}-wald"
WRONG = f"falsche-{os.getpid()}-wolle"

SETTINGS = """hostname "mx.example.org"
database "{folder}"
listen proxy 127.0.0.1 port %(port)d
listen proxy 127.0.0.1 port %(secure)d tls
listen milter "inet:%(milter)d@127.0.0.1"
certificate "%(ours)s.pem" key "%(ours)s.key"
tls ca "%(ours)s.pem"
backend 127.0.0.1 port %(backend)d %(handoff)s starttls required
resolver forward 127.0.0.1 port 9
threads 1
auth_failures_per_minute 1000
list small { "carol" }
plan small { 1 messages per day; for accounts in small }
%(more)s
at rcpt {
    reject 550 5.7.4 "${account} by ${auth.mechanism}, ${tls.version} ${tls.cipher}"  if recipient = "facts@example.org"
    tempfail 452 4.7.1 "${quota.used} of ${quota.limit}"  if quota is over
}
"""

SASL = """pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: %s
mech_list: PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256
"""

# Nobody without AUTH, not even from here.
POSTFIX = """smtpd_tls_cert_file = {cert}.pem
smtpd_tls_key_file = {cert}.key
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
smtpd_sasl_local_domain = mta.example.org
smtpd_sasl_security_options = noanonymous
smtpd_sasl_authenticated_header = yes
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = reject_unlisted_recipient, permit_sasl_authenticated, reject
"""


def users(lab):
    """The accounts for Cyrus SASL: a file."""
    db = lab.path("sasldb2")
    for user in ("alice", "bob", "carol"):
        subprocess.run(["saslpasswd2", "-p", "-c", "-f", db, "-u", "mta.example.org", user],
                       input=PASSWORD.encode(), check=True)
    os.chmod(db, 0o644)
    return db


def certificate(lab, name):
    base = lab.path(name)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "30", "-subj", "/CN=" + name, "-addext",
                    "subjectAltName=DNS:" + name, "-keyout", base + ".key", "-out", base + ".pem"],
                   check=True, stderr=subprocess.DEVNULL)
    os.chmod(base + ".key", 0o644)
    return base


def postfix(lab, db, cert, name="postfix", milters=""):
    return lab.postfix(name=name, milters=milters, extra=POSTFIX.format(cert=cert), sasl=SASL % db)


class Wire:
    """Passes octets on to a port of this machine, until it is cut."""

    def __init__(self, port):
        self.to = port
        self.ends = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.socket.accept()
            far = socket.create_connection(("127.0.0.1", self.to))
            self.ends += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self.copy, args=(one, other), daemon=True).start()

    @staticmethod
    def copy(one, other):
        try:
            while True:
                octets = one.recv(65536)
                if not octets:
                    break
                other.sendall(octets)
        except OSError:
            pass
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self):
        """All that goes through it now."""
        for end in self.ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.ends.clear()


class World:
    def __init__(self, lab, build):
        self.ours = certificate(lab, "mx.example.org")
        db, theirs = users(lab), certificate(lab, "mta.example.org")
        self.postfix = postfix(lab, db, theirs)
        self.wire = Wire(self.postfix.port)
        self.values = {"port": free_port(), "secure": free_port(), "milter": free_port(),
                       "ours": self.ours, "backend": self.wire.port, "handoff": "xclient",
                       "more": ""}
        self.posternd = lab.posternd(os.path.join(build, "posternd"), SETTINGS % self.values, "postern")
        self.milter_postfix = postfix(lab, db, theirs, "milter",
                                      f"inet:127.0.0.1:{self.values['milter']}")

    def context(self):
        context = ssl.create_default_context(cafile=self.ours + ".pem")
        context.check_hostname = False
        return context

    def client(self, secure=False, port=None):
        """An smtplib client in TLS."""
        if secure:
            return smtplib.SMTP_SSL("127.0.0.1", self.values["secure"], "client.test", timeout=30,
                                    context=self.context())
        context = self.context()
        if port:
            context.verify_mode = ssl.CERT_NONE
        c = smtplib.SMTP("127.0.0.1", port or self.values["port"], "client.test", timeout=30)
        c.starttls(context=context)
        c.ehlo()
        return c

    def logs(self):
        return self.posternd.text()[-5000:] + self.postfix.text()[-3000:]


class Scram:
    """RFC 5802 and 7677, the client's part, without channel binding."""

    def __init__(self, name, user, password):
        self.hash = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256"}[name]
        self.password = password.encode()
        self.bare = f"n={user},r=fyko-d2lbbFgONRv9qkxdawL".encode()
        self.steps = [self.first, self.final, lambda challenge: b""]

    def __call__(self, challenge):
        return self.steps.pop(0)(challenge)

    def first(self, challenge):
        return b"n,," + self.bare

    def final(self, challenge):
        parts = dict(part.split(b"=", 1) for part in challenge.split(b","))
        salted = hashlib.pbkdf2_hmac(self.hash, self.password, base64.b64decode(parts[b"s"]),
                                     int(parts[b"i"]))
        key = hmac.digest(salted, b"Client Key", self.hash)
        without_proof = b"c=biws,r=" + parts[b"r"]
        signature = hmac.digest(hashlib.new(self.hash, key).digest(),
                                self.bare + b"," + challenge + b"," + without_proof, self.hash)
        proof = bytes(a ^ b for a, b in zip(key, signature))
        return without_proof + b",p=" + base64.b64encode(proof)


def scram(c, name, user, password):
    """The dialogue, for smtplib has it not; the last reply."""
    says = Scram(name, user, password)
    code, text = c.docmd("AUTH", name + " " + base64.b64encode(says(b"")).decode())
    while code == 334:
        code, text = c.docmd(base64.b64encode(says(base64.b64decode(text))).decode())
    return code, text


def offered(tap, w):
    with tap.case("AUTH is offered in TLS only, with the mechanisms of Postfix"):
        with smtplib.SMTP("127.0.0.1", w.values["port"], "client.test") as c:
            c.ehlo()
            lacks("AUTH", c.ehlo_resp.decode(), "the offer in the clear")
        with w.client() as c:
            equal(sorted(c.esmtp_features["auth"].split()),
                  ["CRAM-MD5", "DIGEST-MD5", "LOGIN", "PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"],
                  "the mechanisms")
    with tap.case("without AUTH Postfix refuses, word for word"):
        with w.client() as c:
            c.mail("alice@example.org")
            code, text = c.rcpt("nowhere@example.org")
            equal(code, 554, text)
            matches("5.7.1 .*: Recipient address rejected: Access denied", text.decode())


def deliver(w, c, recipient):
    """Sends a message; Postfix's copy of it."""
    c.sendmail("alice@example.org", [recipient], message("alice@example.org", recipient, "x"))
    return w.postfix.await_messages(recipient)[-1].decode()


def mechanisms(tap, w):
    for name in ("PLAIN", "LOGIN", "CRAM-MD5"):
        for secure in (False, True):
            how = "TLS at once" if secure else "STARTTLS"
            recipient = f"{name.lower()}{int(secure)}@example.org"
            with tap.case(f"smtplib with {name} over {how}"):
                with w.client(secure) as c:
                    c.ehlo()
                    c.user, c.password = "alice", PASSWORD
                    code, text = c.auth(name, getattr(c, "auth_" + name.lower().replace("-", "_")))
                    equal(code, 235, text)
                    stored = deliver(w, c, recipient)
                matches(r"by mx\.example\.org with ESMTPSA id ", stored, "our field")
                matches(r"\(Authenticated sender: alice", stored, "Postfix's field")
                entry = w.posternd.await_entries(recipient)[0]
                equal(entry["account"], "alice", "the account in the journal")
    for name in ("SCRAM-SHA-1", "SCRAM-SHA-256"):
        with tap.case(f"{name}, whose server proves itself too"):
            with w.client() as c:
                equal(scram(c, name, "bob", WRONG)[0], 535, "the reply to a wrong password")
                code, text = scram(c, name, "bob", PASSWORD)
                equal(code, 235, text)
                code, text = c.docmd("MAIL FROM:<bob@example.org>")
                equal(code, 250, text)
                code, text = c.docmd("RCPT TO:<facts@example.org>")
                matches(f"^5.7.4 bob by {name}, TLSv1", text.decode(), "the reply")


def with_swaks(tap, w):
    for port, option in (("port", "--tls"), ("secure", "--tls-on-connect")):
        for name in ("PLAIN", "LOGIN", "CRAM-MD5"):
            with tap.case(f"swaks {option} --auth {name}"):
                recipient = f"swaks-{option.strip('-')}-{name.lower()}@example.org"
                said, code = swaks(w.values[port], "alice@example.org", recipient,
                                   message("alice@example.org", recipient, "x"),
                                   (option, "--auth", name, "--auth-user", "alice",
                                    "--auth-password", PASSWORD))
                if "requires" in said and code != 0:
                    raise AssertionError(said)
                equal(code, 0, "its exit code: " + said)
                w.postfix.await_messages(recipient)


def failures(tap, w):
    with tap.case("a wrong password: Postfix's words, an entry each, and 421 after the third"):
        c = w.client()
        c.user, c.password = "bob", WRONG
        for _ in range(3):
            try:
                c.auth("PLAIN", c.auth_plain)
                raise AssertionError("let in")
            except smtplib.SMTPAuthenticationError as e:
                equal(e.smtp_code, 535, e.smtp_error)
                matches(r"^5\.7\.8 Error: authentication failed", e.smtp_error.decode())
        code, text = c.getreply()
        equal(code, 421, text)
        c.close()
        entries = [e for e in w.posternd.entries().values()
                   if e["rule"] == "backend: AUTH PLAIN" and e["account"] == "bob"]
        equal(len(entries), 3, "the number of entries")
        equal({(e["code"], e["enhanced"], e["verdict"]) for e in entries},
              {(535, "5.7.8", "reject")}, "the entries")
    with tap.case("a plan counts the account's messages, whatever its case"):
        with w.client() as c:
            c.login("carol", PASSWORD)
            deliver(w, c, "first@example.org")

        def used_up():
            with w.client() as c:
                c.login("carol", PASSWORD)
                c.mail("carol@example.org")
                return c.rcpt("second@example.org")[0] == 452
        until(used_up, what="the plan to be used up")


def handed_over(tap, w):
    with tap.case("a lost connection is replaced by one that XCLIENT tells the account"):
        with w.client() as c:
            c.login("alice", PASSWORD)
            deliver(w, c, "before@example.org")
            w.wire.cut()
            stored = until(lambda: again(w, c), what="the other connection")
            matches(r"\(Authenticated sender: alice", stored, "Postfix's field")
    with tap.case("without XCLIENT the session ends with 421"):
        w.posternd.write(SETTINGS % {**w.values, "handoff": ""})
        w.posternd.stop()
        w.posternd.start()
        c = w.client()
        c.login("alice", PASSWORD)
        deliver(w, c, "alone@example.org")
        w.wire.cut()
        code, text = c.getreply()
        equal(code, 421, text)
        c.close()
    with tap.case("LOGIN of a client that may say XCLIENT reaches Postfix"):
        w.posternd.write(SETTINGS % {**w.values, "more": "trust 127.0.0.1\n"})
        w.posternd.stop()
        w.posternd.start()
        with w.client() as c:
            equal(c.docmd("XCLIENT LOGIN=bob ADDR=192.0.2.9")[0], 220)
            c.ehlo()
            stored = deliver(w, c, "xclient@example.org")
            matches(r"\(Authenticated sender: bob", stored, "Postfix's field")


def again(w, c):
    """One more message in the same session; None while the link is still the old one."""
    try:
        return deliver(w, c, "after@example.org")
    except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError, smtplib.SMTPSenderRefused):
        c.rset()
        return None


def by_milter(tap, w):
    with tap.case("a milter hears from Postfix of account, mechanism and TLS"):
        with w.client(port=w.milter_postfix.port) as c:
            c.login("alice", PASSWORD)
            c.mail("alice@example.org")
            code, text = c.rcpt("facts@example.org")
            equal(code, 550, text)
            matches(r"^5\.7\.4 alice@mta\.example\.org by CRAM-MD5, TLSv1\.3 TLS_", text.decode(), "the reply")


def nowhere(tap, w):
    with tap.case("no password in posternd's log, journal and store"):
        secrets = [s.encode() for s in (PASSWORD, WRONG)]
        secrets += [base64.b64encode(s)[:-4] for s in secrets]
        secrets += [base64.b64encode(b"\0" + user + b"\0" + s)[8:-4] for s in secrets[:2]
                    for user in (b"alice", b"bob", b"carol")]
        for path in glob.glob(w.posternd.folder + "/**", recursive=True):
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    text = f.read()
                equal([s for s in secrets if s in text], [], path)


def main():
    build = need("posternd", "postfix", "swaks", "openssl", "saslpasswd2")
    if not glob.glob("/usr/lib/*/sasl2/libscram.so"):
        skip_all("libsasl2-modules is missing")
    tap = Tap()
    with Lab() as lab:
        w = World(lab, build)
        tap.on_failure = w.logs
        for part in (offered, mechanisms, with_swaks, failures, by_milter, handed_over, nowhere):
            part(tap, w)
    tap.finish()


if __name__ == "__main__":
    main()
