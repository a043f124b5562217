"""Real clients in front of posternd, with Postfix behind: swaks, curl, msmtp, openssl s_client, Python's
smtplib and nodemailer. Each sends in the clear, by STARTTLS, in TLS at once, authenticated, and a large
message, and each has to arrive octet for octet. The last lines say how each of them ended."""

import base64
import json
import os
import re
import shutil
import smtplib
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import accounts  # noqa: E402
import lab as servers  # noqa: E402
from certificate import certificate, openssl  # noqa: E402
from lab import Lab, free_port, message  # noqa: E402
from tap import Tap, equal, matches, need  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
SENDER = "a@other.test"
LIMIT = 120  # seconds for a client

SETTINGS = """hostname "mx.example.org"
database "{folder}"
listen proxy 127.0.0.1 port %(plain)d
listen proxy 127.0.0.1 port %(tls)d tls
certificate "%(ours)s.pem" key "%(ours)s.key"
backend 127.0.0.1 port %(backend)d xclient
resolver forward 127.0.0.1 port 9
threads 1
at connect { }
"""

PLAIN, STARTTLS, IMPLICIT, AUTH, LARGE = WAYS = (
    "plain", "STARTTLS", "implicit TLS", "STARTTLS, AUTH", "STARTTLS, 10 MB")


class World:
    def __init__(self, lab, build):
        self.build = build
        self.folder = lab.folder
        authority = certificate(lab, "authority.test")
        self.ca = authority + ".pem"
        self.postfix = lab.postfix(extra=accounts.POSTFIX, sasl=accounts.cyrus(lab)[0])
        self.ports = {"plain": free_port(), "tls": free_port()}
        self.posternd = lab.posternd(os.path.join(build, "posternd"), SETTINGS % {
            **self.ports, "ours": certificate(lab, "mx.example.org", authority),
            "backend": self.postfix.port})

    def port(self, way):
        return self.ports["tls" if way == IMPLICIT else "plain"]

    def run(self, *argv, text=None, env=None):
        """Runs a client; what it said."""
        done = subprocess.run(argv, input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=LIMIT, check=False, env={**os.environ, **(env or {})})
        said = done.stdout.decode("utf-8", "replace")
        equal(done.returncode, 0, f"the exit code of {argv[0]}, which said {said[-2000:]}\nand")
        return said

    def file(self, data):
        path = os.path.join(self.folder, "message")
        with open(path, "wb") as f:
            f.write(data)
        return path

    def logs(self):
        return self.posternd.text()[-3000:] + self.postfix.text()[-2000:]


# ---- the clients: each sends data, octets with CRLF, to the recipient ----

def swaks(w, way, recipient, data):
    tls = "--tls-on-connect" if way == IMPLICIT else "--tls"
    more = [] if way == PLAIN else [tls, "--tls-verify", "--tls-ca-path", w.ca]
    if way == AUTH:
        more += ["--auth", "PLAIN", "--auth-user", accounts.USER, "--auth-password", accounts.PASSWORD]
    said, code = servers.swaks(w.port(way), SENDER, recipient, data, more)
    equal(code, 0, "its exit code: " + said[-2000:])


def curl(w, way, recipient, data):
    scheme = "smtps" if way == IMPLICIT else "smtp"
    more = [] if way == PLAIN else ["--ssl-reqd"]
    if way == AUTH:
        more += ["--user", f"{accounts.USER}:{accounts.PASSWORD}"]
    w.run("curl", "-sS", f"{scheme}://127.0.0.1:{w.port(way)}/client.test", "--cacert", w.ca,
          "--mail-from", SENDER, "--mail-rcpt", recipient, "--upload-file", w.file(data), *more)


def msmtp(w, way, recipient, data):
    tls = "on" if way != PLAIN else "off"
    config = w.file(f"account default\nhost 127.0.0.1\nport {w.port(way)}\nfrom {SENDER}\n"
                    f"domain client.test\ntls {tls}\ntls_trust_file {w.ca}\n"
                    f"tls_starttls {'off' if way == IMPLICIT else 'on'}\n".encode())
    if way == AUTH:
        with open(config, "a", encoding="ascii") as f:
            f.write(f"auth on\nuser {accounts.USER}\npassword {accounts.PASSWORD}\n")
    w.run("msmtp", "-C", config, recipient, text=data.replace(b"\r\n", b"\n"))


def s_client(w, way, recipient, data):
    more = [] if way == IMPLICIT else ["-starttls", "smtp"]
    stuffed = re.sub(rb"(?m)^\.", b"..", data.replace(b"\r\n", b"\n"))
    auth = base64.b64encode(f"\0{accounts.USER}\0{accounts.PASSWORD}".encode()).decode()
    auth = f"AUTH PLAIN {auth}\n" if way == AUTH else ""
    dialogue = (f"EHLO client.test\n{auth}MAIL FROM:<{SENDER}> BODY=8BITMIME\nRCPT TO:<{recipient}>\nDATA\n".encode()
                + stuffed + b".\nQUIT\n")
    said = openssl("s_client", "-quiet", "-crlf", "-ign_eof", "-verify_return_error", "-CAfile", w.ca,
                   "-verify_hostname", "mx.example.org", "-servername", "mx.example.org", *more,
                   "-connect", f"127.0.0.1:{w.port(way)}", text=dialogue)
    matches(r"^250 2\.0\.0 Ok: queued", said, "the dialogue")


def python(w, way, recipient, data):
    context = ssl.create_default_context(cafile=w.ca)
    if way == IMPLICIT:
        client = smtplib.SMTP_SSL("127.0.0.1", w.port(way), "client.test", timeout=LIMIT, context=context)
    else:
        client = smtplib.SMTP("127.0.0.1", w.port(way), "client.test", timeout=LIMIT)
    with client:
        if way not in (PLAIN, IMPLICIT):
            client.starttls(context=context)
        if way == AUTH:
            client.login(accounts.USER, accounts.PASSWORD)
        equal(client.sendmail(SENDER, [recipient], data, ["BODY=8BITMIME"]), {}, "the refusals")


def nodemailer(w, way, recipient, data):
    with open(w.ca, encoding="ascii") as f:
        ca = f.read()
    transport = {"host": "127.0.0.1", "port": w.port(way), "secure": way == IMPLICIT,
                 "requireTLS": way not in (PLAIN, IMPLICIT), "ignoreTLS": way == PLAIN,
                 "name": "client.test", "tls": {"ca": ca, "servername": "mx.example.org"}}
    if way == AUTH:
        transport["auth"] = {"user": accounts.USER, "pass": accounts.PASSWORD}
    w.run("node", os.path.join(HERE, "nodemailer.js"), json.dumps(
        {"transport": transport, "envelope": {"from": SENDER, "to": recipient}, "file": w.file(data)}),
          env={"NODE_PATH": node_path(w.build)})


def node_path(build):
    """Where ./check puts nodemailer, and where Debian's package does."""
    cache = os.environ.get("POSTERN_UNPACKED") or build
    return os.path.join(os.path.abspath(cache), "node", "node_modules") + ":/usr/share/nodejs"


def no_program(name):
    return lambda w, way: None if shutil.which(name) else f"{name} is missing"


def no_swaks(w, way):  # pylint: disable=unused-argument
    if not shutil.which("swaks"):
        return "swaks is missing"
    support = subprocess.run(["swaks", "--support"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             check=False).stdout.decode()
    return "swaks lacks Net::SSLeay" if way != PLAIN and "TLS not available" in support else None


def no_nodemailer(w, way):  # pylint: disable=unused-argument
    if not shutil.which("node"):
        return "node is missing"
    for folder in node_path(w.build).split(":"):
        if os.path.isdir(os.path.join(folder, "nodemailer")):
            return None
    return "nodemailer is missing: npm install nodemailer, or Debian's node-nodemailer"


# name, what sends, why it cannot, how; openssl does nothing but TLS
CLIENTS = (("swaks", swaks, no_swaks, WAYS), ("curl", curl, no_program("curl"), WAYS),
           ("msmtp", msmtp, no_program("msmtp"), WAYS),
           ("s_client", s_client, no_program("openssl"), WAYS[1:]),
           ("smtplib", python, no_program("python3"), WAYS),
           ("nodemailer", nodemailer, no_nodemailer, WAYS))


def letter(recipient, large):
    """What clients trip over: dots, eight bits, From at the start of a line, blanks at the end."""
    data = message(SENDER, recipient, "x", "a\n.\n..b\n.c\nFrom d\n\n  e  \n" + "f" * 900 + "\n",
                   "MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\n"
                   "Content-Transfer-Encoding: 8bit\n")
    data += bytes(range(0xa0, 0x100)) + b"\r\n"
    line = b"0123456789abcde\xe4" * 4 + b"\r\n"
    return data + (line * (10_000_000 // len(line)) if large else b"")


def send(w, client, function, way):
    recipient = re.sub(r"\W", "", client + way).lower() + "@example.org"
    data = letter(recipient, way == LARGE)
    function(w, way, recipient, data)
    stored = w.postfix.await_messages(recipient)
    equal(len(stored), 1, "the number of messages")
    above, mark, rest = stored[0].partition(b"From: <")
    assert mark, stored[0][:2000]
    wanted = data.replace(b"\r\n", b"\n")
    assert mark + rest == wanted, f"the octets differ: {(mark + rest)[:1000]!r} of {len(mark + rest)}, {len(wanted)}"
    kind = {PLAIN: "ESMTP", AUTH: "ESMTPSA"}.get(way, "ESMTPS")
    matches(rf"by mx\.example\.org with {kind} id", above.decode("latin-1"), "our field")
    if way == AUTH:
        matches(rf"\(Authenticated sender: {accounts.USER}", above.decode("latin-1"), "Postfix's field")


def main():
    build = need("posternd", "postfix", "openssl")
    tap, ends = Tap(), {}
    with Lab() as lab:
        w = World(lab, build)
        tap.on_failure = w.logs
        for client, function, missing, ways in CLIENTS:
            for way in ways:
                why = missing(w, way) or (accounts.missing() if way == AUTH else None)
                if why:
                    ends[client, way] = "skipped"
                    tap.skip(f"{client} {way}", why)
                    continue
                ends[client, way] = "FAILED"
                with tap.case(f"{client} {way}"):
                    send(w, client, function, way)
                    ends[client, way] = "yes"
    for line in [["", *WAYS]] + [
            [c, *(ends.get((c, way), "-") for way in WAYS)] for c, *_ in CLIENTS]:
        tap.say("| " + " | ".join(f"{cell:15}" for cell in line) + " |")
    tap.finish()


if __name__ == "__main__":
    main()
