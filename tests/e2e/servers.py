"""The table: each of Postfix, Sendmail and Exim behind the proxy, with each feature of SMTP. A row
plays the same dialogue straight with the server and through posternd, and compares what came of it.
What Debian's build of a server offers is written down here and looked at, so that a row for a
feature that a server lacks shows that it is not offered on its behalf either. The last lines say how
each of them ended."""

import os
import re
import ssl
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import exim  # noqa: E402
from certificate import certificate  # noqa: E402
from client import Client  # noqa: E402
from lab import Lab, Process, answers, free_port, message, until  # noqa: E402
from tap import Tap, equal, lacks, matches, need, unpacked  # noqa: E402

DOMAINS = ("example.org", "other.test")
SENDER = "a@other.test"

SETTINGS = """hostname "mx.example.org"
database "{folder}"
listen proxy 127.0.0.1 port %(port)d
listen proxy 127.0.0.1 port %(behind)d from proxies
certificate "%(base)s.pem" key "%(base)s.key"
tls ca "%(ca)s.pem"
trust 127.0.0.1
backend 127.0.0.1 port %(backend)d %(handoff)s
resolver forward 127.0.0.1 port 9
threads 1
probe every 1s
at connect { }
"""

HAPROXY = """global
    maxconn 100
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    log stdout format raw local0
frontend smtp
    bind 127.0.0.1:%(front)d
    default_backend postern
backend postern
    server postern 127.0.0.1:%(behind)d send-proxy-v2
"""


class Missing(Exception):
    """Why a server cannot be had here."""


class Row:
    """offers: what EHLO of Debian's build has; handoff: how it is told of the client; in_tls and
    sees_client: what its field and its log say then; decodes_envid: whether its notifications
    do, as RFC 3464 wants it."""

    decodes_envid = True


class PostfixRow(Row):
    name = "Postfix"
    offers = {"PIPELINING", "STARTTLS", "CHUNKING", "SMTPUTF8", "DSN", "8BITMIME"}
    handoff = "xclient"
    in_tls = r"using TLSv1\.3 with cipher"
    sees_client = r"client=\S+\[127\.0\.0\.77\]"

    def start(self, lab, build, base):  # pylint: disable=unused-argument
        return lab.postfix(
            domains=DOMAINS,
            extra=f"smtpd_tls_cert_file = {base}.pem\nsmtpd_tls_key_file = {base}.key\n"
                  "smtpd_tls_security_level = may\nsmtpd_tls_received_header = yes\n")


class SendmailRow(Row):
    name = "Sendmail"
    # Debian builds it without USE_EAI; there is no CHUNKING in 8.17.
    offers = {"PIPELINING", "STARTTLS", "DSN", "8BITMIME"}
    handoff = ""
    in_tls = r"version=TLSv1\.3"
    sees_client = None

    def start(self, lab, build, base):
        folder, preload = unpacked("sendmail", "usr/libexec/sendmail/sendmail", build)
        if not folder:
            raise Missing(preload)
        return lab.sendmail(
            unpacked=folder, elsewhere=preload, domains=DOMAINS,
            extra=f"define(`confSERVER_CERT', `{base}.pem')\ndefine(`confSERVER_KEY', `{base}.key')\n"
                  f"define(`confCACERT', `{base}.pem')\n"
                  f"define(`confCACERT_PATH', `{os.path.dirname(base)}')\n")


class EximRow(Row):
    name = "Exim"
    offers = {"PIPELINING", "STARTTLS", "CHUNKING", "SMTPUTF8", "DSN", "8BITMIME"}
    handoff = "proxy-protocol v2"
    in_tls = r"with esmtps\s+\(TLS1\.3\)"
    decodes_envid = False
    sees_client = r"<= a@other\.test H=\S+ \[127\.0\.0\.77\]"

    def start(self, lab, build, base):
        folder, preload = unpacked("exim", exim.PROGRAM, build)
        why = preload if not folder else exim.cannot_start(folder, preload)
        if why:
            raise Missing(why)
        os.chmod(base + ".key", 0o644)  # Exim reads it as nobody
        return lab.add(exim.Exim(
            lab, folder, preload, domains=DOMAINS,
            extra=f"tls_certificate = {base}.pem\ntls_privatekey = {base}.key\n"
                  "tls_advertise_hosts = *\n"))


class World:
    """A server and, in front of it, posternd in the clear and, once it is asked for, in TLS."""

    def __init__(self, lab, build, row):
        self.lab, self.build, self.row = lab, build, row
        self.authority = certificate(lab, "authority.test")
        self.ours = certificate(lab, "mx.example.org", self.authority)
        self.mta = row.start(lab, build, certificate(lab, "mta.example.org", self.authority))
        self.started = []
        self.port, self.behind = self.posternd("clear", "off")

    def posternd(self, name, starttls):
        port, behind = free_port(), free_port()
        backend = getattr(self.mta, "proxied", self.mta.port)
        p = self.lab.posternd(
            os.path.join(self.build, "posternd"),
            SETTINGS % {"port": port, "behind": behind, "base": self.ours, "ca": self.authority,
                        "backend": backend, "handoff": f"{self.row.handoff} starttls {starttls}"},
            name)
        self.started.append(p)
        until(lambda: "8BITMIME" in offered(port), what="the probe")
        return port, behind

    def logs(self):
        return "".join(p.text()[-3000:] for p in self.started) + self.mta.text()[-3000:]

    def stored(self, recipient, data):
        """The message as it was delivered, from its own first field on, and what is above."""
        found = self.mta.await_messages(recipient)
        equal(len(found), 1, f"the number of messages for {recipient}")
        first = data[:data.index(b"\r\n")] + b"\n"
        above, mark, rest = found[0].partition(first)
        assert mark, found[0]
        return mark + rest, above.decode("utf-8", "replace")

    def arrives_the_same(self, play, data, name, straight=True):
        """Plays play(port, recipient), which has to send the message, straight and through us; what
        it returned and the messages have to be equal. The fields above the one that came through us."""
        recipients = [f"{name}-{where}@example.org" for where in ("straight", "through")]
        outcomes = [play(port, recipient) for port, recipient in zip((self.mta.port, self.port), recipients)
                    if straight or port == self.port]
        if straight:
            equal(outcomes[1], outcomes[0], "what was said through us, beside straight,")
            equal(self.stored(recipients[0], data)[0], data.replace(b"\r\n", b"\n"), "what came straight")
        body, above = self.stored(recipients[1], data)
        equal(body, data.replace(b"\r\n", b"\n"), "what came through us")
        matches(r"^Received: from \S+ \(.*by mx\.example\.org", above, "our field")
        return above


def offered(port):
    """The words of the answer to EHLO."""
    with Client(port) as c:
        return {line.split(" ")[0].split("=")[0] for line in c.ehlo.text.split("\n")[1:]}


def offers(w, word, ours):
    """What is offered straight is what is written down here; and we offer it, or not."""
    straight, through = offered(w.mta.port), offered(w.port)
    equal(word in straight, word in w.row.offers, f"{word} of {w.row.name}, among {straight},")
    equal(word in through, ours, f"{word} of ours, among {through},")
    return word in straight


# ---- the features: each returns what is to be said of it in the table ----

def plain(w):
    data = message(SENDER, "b@example.org", "plain", "a\n.\n..b\n.c\nFrom d\n\n" + "e" * 900 + "\n")
    data += b"eight bits: \xc3\xa4 \xe4\r\n"

    def play(port, recipient):
        with Client(port) as c:
            said = [c.say(f"MAIL FROM:<{SENDER}> BODY=8BITMIME").code,
                    c.say(f"RCPT TO:<{recipient}>").code, c.say("RCPT TO:<nobody@example.org>").code,
                    c.data(data).code]
            equal(said, [250, 250, 550, 250], "the replies")
            return said
    offers(w, "8BITMIME", True)
    w.arrives_the_same(play, data, "plain")
    return "yes"


def in_tls(w, port):
    """A client that went through STARTTLS."""
    c = Client(port)
    matches(r"(?m)^STARTTLS$", c.ehlo.text, "the offer")
    equal(c.say("STARTTLS").code, 220, "the reply to STARTTLS")
    context = ssl.create_default_context(cafile=w.authority + ".pem")
    c.socket = context.wrap_socket(c.socket, server_hostname="127.0.0.1")
    c.file = c.socket.makefile("rb")
    lacks("STARTTLS", c.say("EHLO client.test").text, "the offer in TLS")
    return c


def starttls(w):
    offers(w, "STARTTLS", True)
    data = message(SENDER, "b@example.org", "starttls")
    w.port, clear = w.posternd("secured", "verify \"mta.example.org\"")[0], w.port
    try:
        def play(port, recipient):
            with in_tls(w, port) as c:
                return c.send(SENDER, recipient, data).code
        above = w.arrives_the_same(play, data, "starttls")
    finally:
        w.port = clear
    matches(r"by mx\.example\.org with ESMTPS id \S+\s+\(TLSv1\.3 ", above, "our field")
    matches(w.row.in_tls, above, "the server's field")
    return "yes"


def bdat(w):
    there = offers(w, "CHUNKING", True)
    data = message(SENDER, "b@example.org", "bdat", "a\n.\n..b\n.c\n" + "d" * 700 + "\n")

    def chunks(size):
        def play(port, recipient):
            with Client(port) as c:
                c.say(f"MAIL FROM:<{SENDER}>")
                equal(c.say(f"RCPT TO:<{recipient}>").code, 250, "the reply to RCPT")
                said = []
                for at in range(0, len(data), size):
                    piece = data[at:at + size]
                    last = b" LAST" if at + size >= len(data) else b""
                    c.write(b"BDAT %d%s\r\n" % (len(piece), last) + piece)
                    said.append(c.reply().code)
                equal(set(said), {250}, "the replies to the chunks")
                return said
        return play
    for size in (3, 100, len(data)):
        w.arrives_the_same(chunks(size), data, f"bdat{size}", straight=there)
    if there:
        return "yes"
    with Client(w.mta.port) as c:
        equal(c.say("BDAT 0 LAST").code // 100, 5, "the reply to BDAT straight")
    return "by us, as DATA"


def pipelining(w):
    offers(w, "PIPELINING", True)
    data = message(SENDER, "b@example.org", "pipelining")

    def play(port, recipient):
        with Client(port) as c:
            c.write(b"".join(line.encode() + b"\r\n" for line in (
                f"MAIL FROM:<{SENDER}>", "RCPT TO:<nobody@example.org>", f"RCPT TO:<{recipient}>",
                "RCPT TO:<nobody2@example.org>", "DATA")))
            said = [c.reply().code for _ in range(5)]
            equal(said, [250, 550, 250, 550, 354], "the replies")
            c.write(data + b".\r\n" + f"RSET\r\nMAIL FROM:<{SENDER}>\r\nRSET\r\nQUIT\r\n".encode())
            said += [c.reply().code for _ in range(5)]
            equal(said[5:], [250, 250, 250, 250, 221], "the replies")
            assert c.ended()
            return said
    w.arrives_the_same(play, data, "pipelining")
    return "yes"


def smtputf8(w):
    if not offers(w, "SMTPUTF8", "SMTPUTF8" in w.row.offers):
        for port in (w.mta.port, w.port):
            with Client(port) as c:
                equal(c.say("MAIL FROM:<j\u00fcrgen@other.test> SMTPUTF8").code // 100, 5, "the reply")
        return "offered by neither"
    data = message(SENDER, "b@example.org", "utf8").replace(b"<a@", "<\u00e4@".encode())

    def play(port, recipient):
        with Client(port) as c:
            said = [c.say("MAIL FROM:<j\u00fcrgen@other.test> BODY=8BITMIME SMTPUTF8").code,
                    c.say(f"RCPT TO:<{recipient}>").code, c.data(data).code]
            equal(said, [250, 250, 250], "the replies")
            return said
    above = w.arrives_the_same(play, data, "\u4f8b")
    matches(r"by mx\.example\.org with UTF8SMTP id", above, "our field")
    return "yes"


def dsn(w):
    offers(w, "DSN", True)
    data = message(SENDER, "b@example.org", "dsn", "secret of the body\n")

    def play(port, recipient):
        sender = recipient.replace("@example.org", "@other.test")
        with Client(port) as c:
            said = [c.say(f"MAIL FROM:<{sender}> RET=HDRS ENVID=QQ+2B314").code,
                    c.say(f"RCPT TO:<{recipient}> NOTIFY=SUCCESS,DELAY "
                          "ORCPT=rfc822;first+2Bone@example.org").code, c.data(data).code]
        equal(said, [250, 250, 250], "the replies")
        report = w.mta.await_messages(sender)[0].decode("latin-1")
        lacks("secret of the body", report, "the notification with RET=HDRS")
        found = [matches(pattern, report, "the notification").group(1) for pattern in (
            r"(?i)^Original-Envelope-Id: (\S+)$", r"^Original-Recipient: rfc822; ?(\S+)$",
            r"^Action: (\S+)", r"^Status: (\S+)$")]
        equal(found[0], "QQ+314" if w.row.decodes_envid else "QQ+2B314", "the envelope's id")
        return found

    def silent(port, recipient):
        with Client(port) as c:
            said = [c.say(f"MAIL FROM:<silent-{recipient}>").code,
                    c.say(f"RCPT TO:<{recipient}> NOTIFY=NEVER").code, c.data(data).code]
        return said
    w.arrives_the_same(silent, data, "silent")
    w.arrives_the_same(play, data, "dsn")
    # The notifications above were later, and have come.
    for where in ("straight", "through"):
        equal(w.mta.messages(f"silent-silent-{where}@example.org"), [], "what NOTIFY=NEVER brought")
    return "yes"


def haproxy(w):
    """HAProxy in front tells us of the client, and we tell the server, if it can be told."""
    front = free_port()
    config = w.lab.write("haproxy.cfg", HAPROXY % {"front": front, "behind": w.behind})
    w.lab.add(Process(["/usr/sbin/haproxy", "-db", "-f", config], w.lab.path("haproxy.log")))
    until(lambda: answers(front), what="HAProxy")
    data = message(SENDER, "b@example.org", "haproxy")
    with Client(front, source="127.0.0.77") as c:
        equal(c.send(SENDER, "haproxy@example.org", data).code, 250, "the reply")
    body, above = w.stored("haproxy@example.org", data)
    equal(body, data.replace(b"\r\n", b"\n"), "what came")
    matches(r"^Received: from client\.test \((\S+ )?\[127\.0\.0\.77\]\)\s+by mx\.example\.org", above, "our field")
    if not w.row.sees_client:
        return "yes, to us"
    matches(w.row.sees_client, w.mta.text(), "the server's log")
    return "yes"


FEATURES = (("plain", plain), ("STARTTLS", starttls), ("BDAT", bdat), ("PIPELINING", pipelining),
            ("SMTPUTF8", smtputf8), ("DSN", dsn), ("HAProxy", haproxy))


def play(tap, lab, build, row, results):
    try:
        w = World(lab, build, row)
    except Missing as why:
        for feature, _ in FEATURES:
            tap.skip(f"{row.name} {feature}", why)
            results[row.name, feature] = "skipped"
        return
    tap.on_failure = w.logs
    for feature, function in FEATURES:
        results[row.name, feature] = "FAILED"
        if feature == "HAProxy" and not os.path.exists("/usr/sbin/haproxy"):
            tap.skip(f"{row.name} {feature}", "haproxy is missing")
            results[row.name, feature] = "skipped"
            continue
        with tap.case(f"{row.name} {feature}"):
            results[row.name, feature] = function(w)


def main():
    build = need("posternd", "postern", "postfix", "openssl", "m4")
    tap, results = Tap(), {}
    rows = (PostfixRow(), SendmailRow(), EximRow())
    for row in rows:
        with Lab() as lab:
            play(tap, lab, build, row, results)
    for line in [["", *(row.name for row in rows)]] + [
            [feature, *(results[row.name, feature] for row in rows)] for feature, _ in FEATURES]:
        tap.say("| " + " | ".join(f"{cell:18}" for cell in line) + " |")
    tap.finish()


if __name__ == "__main__":
    main()
