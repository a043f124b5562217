"""TLS on both sides of posternd: openssl s_client and swaks in front, Postfix behind."""

import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from certificate import certificate, openssl  # noqa: E402
from lab import Lab, free_port, message, swaks  # noqa: E402
from tap import Tap, equal, matches, need  # noqa: E402

SETTINGS = """hostname "mx.example.org"
database "{folder}"
listen proxy 127.0.0.1 port %(port)d
listen proxy 127.0.0.1 port %(secure)d tls
certificate "%(ours)s.pem" key "%(ours)s.key"
tls ca "%(ca)s"
backend 127.0.0.1 port %(backend)d xclient starttls %(mode)s
resolver forward 127.0.0.1 port 9
threads 1
at connect { }
"""


class World:
    def __init__(self, lab, build):
        self.authority = certificate(lab, "authority.test")
        self.ours = certificate(lab, "mx.example.org", self.authority)
        theirs = certificate(lab, "mta.example.org", self.authority)
        self.postfix = lab.postfix(
            extra=f"smtpd_tls_cert_file = {theirs}.pem\nsmtpd_tls_key_file = {theirs}.key\n"
                  "smtpd_tls_security_level = may\nsmtpd_tls_received_header = yes\n"
                  "smtpd_tls_loglevel = 1\n")
        self.values = {"port": free_port(), "secure": free_port(), "ours": self.ours,
                       "ca": self.authority + ".pem", "backend": self.postfix.port}
        self.posternd = lab.posternd(os.path.join(build, "posternd"), self.config("required"),
                                     "postern")

    def config(self, mode):
        return SETTINGS % {**self.values, "mode": mode}

    def s_client(self, *more, text="QUIT\r\n"):
        return openssl("s_client", "-quiet", "-crlf", "-verify_return_error", "-CAfile",
                       self.authority + ".pem", "-verify_hostname", "mx.example.org",
                       "-servername", "mx.example.org", *more, text=text.encode())

    def logs(self):
        return self.posternd.text() + self.postfix.text()


DIALOGUE = """EHLO client.test
MAIL FROM:<a@other.test>
RCPT TO:<%s>
DATA
Subject: %s

Hello
.
QUIT
"""


def starttls_with_s_client(tap, w):
    for what, more, recipient in (
            ("STARTTLS", ("-starttls", "smtp", "-connect", f"127.0.0.1:{w.values['port']}"),
             "user1@example.org"),
            ("TLS at once", ("-connect", f"127.0.0.1:{w.values['secure']}"), "user2@example.org"),
            ("TLS 1.2", ("-tls1_2", "-starttls", "smtp", "-connect",
                         f"127.0.0.1:{w.values['port']}"), "user3@example.org")):
        with tap.case(f"s_client delivers by {what}, and Postfix hears it in TLS"):
            said = w.s_client("-ign_eof", *more, text=DIALOGUE % (recipient, what))
            matches(r"^250 2\.0\.0 Ok: queued", said, "the dialogue")
            stored = w.postfix.await_messages(recipient)[0].decode()
            matches(r"by mx\.example\.org with ESMTPS id \S+\s+\(TLSv1\.[23] \S+\)", stored,
                    "our field")
            matches(r"\(using TLSv1\.3 with cipher \S+ ", stored, "Postfix's field")


def old_protocol(tap, w):
    with tap.case("TLS 1.1 is refused"):
        said = w.s_client("-tls1_1", "-cipher", "ALL:@SECLEVEL=0", "-starttls", "smtp", "-connect",
                          f"127.0.0.1:{w.values['port']}")
        matches("alert protocol version|unsupported protocol|no protocols available", said, "it")


def with_swaks(tap, w):
    support = subprocess.run(["swaks", "--support"], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, check=False).stdout.decode()
    for what, port, option, recipient in (
            ("STARTTLS", "port", "--tls", "user4@example.org"),
            ("TLS at once", "secure", "--tls-on-connect", "user5@example.org")):
        name = f"swaks delivers by {what}"
        if "TLS not available" in support:
            tap.skip(name, "swaks lacks Net::SSLeay")
            continue
        with tap.case(name):
            said, code = swaks(w.values[port], "a@other.test", recipient,
                               message("a@other.test", recipient, "x"),
                               (option, "--tls-verify", "--tls-ca-path", w.authority + ".pem",
                                "--tls-sni", "mx.example.org"))
            equal(code, 0, "its exit code: " + said)
            w.postfix.await_messages(recipient)


def verified(tap, w):
    for mode, passes in (('verify "mta.example.org"', True), ('verify "other.example.org"', False)):
        with tap.case(f"starttls {mode}: a message {'passes' if passes else 'waits'}"):
            recipient = "user6@example.org"
            w.posternd.write(w.config(mode))
            w.posternd.stop()
            w.posternd.start()
            said, code = swaks(w.values["port"], "a@other.test", recipient,
                               message("a@other.test", recipient, "x"))
            if passes:
                equal(code, 0, "its exit code: " + said)
                w.postfix.await_messages(recipient)
            else:
                matches(r"451 4\.3\.0 ", said, "the dialogue")
                matches("hostname mismatch", w.posternd.text(), "the log")
                equal(len(w.postfix.messages(recipient)), 1, "the number of messages")


def main():
    build = need("posternd", "postfix", "swaks", "openssl")
    tap = Tap()
    with Lab() as lab:
        w = World(lab, build)
        tap.on_failure = w.logs
        starttls_with_s_client(tap, w)
        old_protocol(tap, w)
        with_swaks(tap, w)
        verified(tap, w)
    tap.finish()


if __name__ == "__main__":
    main()
