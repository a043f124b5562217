"""The table: each of Postfix, Sendmail and Exim behind the proxy, with each feature of SMTP. A row
plays the same dialogue straight with the server and through posternd, and compares what came of it.
What Debian's build of a server offers is written down here and looked at, so that a row for a
feature that a server lacks shows that it is not offered on its behalf either. The last lines say how
each of them ended."""

import base64
import os
import re
import shutil
import ssl
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "scenario")]

import accounts  # noqa: E402
import exim  # noqa: E402
import proxy_tproxy  # noqa: E402
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
    """offers: what EHLO of Debian's build has; withheld: what else it has, and we keep back from
    clients in the clear; handoff: how it is told of the client; in_tls,
    knows_account and sees_client: what its field and its log say then; decodes_envid: whether its notifications
    do, as RFC 3464 wants it."""

    decodes_envid = True


class PostfixRow(Row):
    name = "Postfix"
    offers = {"PIPELINING", "STARTTLS", "CHUNKING", "SMTPUTF8", "DSN", "8BITMIME", "AUTH"}
    withheld = {"AUTH", "VRFY", "ETRN"}
    handoff = "xclient"
    in_tls = r"using TLSv1\.3 with cipher"
    knows_account = r"\(Authenticated sender: alice"
    sees_client = r"client=\S+\[127\.0\.0\.77\]"

    def start(self, lab, build, base, host="127.0.0.1"):  # pylint: disable=unused-argument
        if not shutil.which("postfix"):
            raise Missing("postfix is missing")
        return lab.postfix(
            domains=DOMAINS, host=host,
            extra=f"smtpd_tls_cert_file = {base}.pem\nsmtpd_tls_key_file = {base}.key\n"
                  "smtpd_tls_security_level = may\nsmtpd_tls_received_header = yes\n"
                  + accounts.POSTFIX,
            sasl=accounts.cyrus(lab)[0])


class SendmailRow(Row):
    name = "Sendmail"
    # Debian builds it without USE_EAI; there is no CHUNKING in 8.17.
    offers = {"PIPELINING", "STARTTLS", "DSN", "8BITMIME", "AUTH"}
    withheld = {"AUTH", "EXPN", "VERB", "ETRN", "HELP"}
    handoff = ""
    in_tls = r"version=TLSv1\.3"
    knows_account = r"\(authenticated bits=0\)"
    sees_client = None

    def start(self, lab, build, base, host="127.0.0.1"):
        folder, preload = unpacked("sendmail", "usr/libexec/sendmail/sendmail", build)
        if not folder or not shutil.which("m4"):
            raise Missing("m4 is missing" if folder else preload)
        return lab.sendmail(
            unpacked=folder, elsewhere=preload, domains=DOMAINS, host=host,
            extra=f"define(`confSERVER_CERT', `{base}.pem')\ndefine(`confSERVER_KEY', `{base}.key')\n"
                  f"define(`confCACERT', `{base}.pem')\n"
                  f"define(`confCACERT_PATH', `{os.path.dirname(base)}')\n"
                  + accounts.SENDMAIL.format(folder=accounts.cyrus(lab)[1]))


class EximRow(Row):
    name = "Exim"
    offers = {"PIPELINING", "STARTTLS", "CHUNKING", "SMTPUTF8", "DSN", "8BITMIME", "AUTH"}
    withheld = {"AUTH", "PIPECONNECT", "HELP"}
    handoff = "proxy-protocol v2"
    in_tls = r"with esmtps\s+\(TLS1\.3\)"
    knows_account = r"with esmtpa\s"
    decodes_envid = False
    sees_client = r"<= a@other\.test H=\S+ \[127\.0\.0\.77\]"

    def start(self, lab, build, base, host="127.0.0.1"):
        folder, preload = unpacked("exim", exim.PROGRAM, build)
        why = preload if not folder else exim.cannot_start(folder, preload)
        if why:
            raise Missing(why)
        os.chmod(base + ".key", 0o644)  # Exim reads it as nobody
        return lab.add(exim.Exim(
            lab, folder, preload, domains=DOMAINS, host=host,
            extra=f"tls_certificate = {base}.pem\ntls_privatekey = {base}.key\n"
                  "tls_advertise_hosts = *\n", authenticators=accounts.EXIM))


def stored(mta, recipient, data):
    """The message has to be there once, and octet for octet below what was added above; that."""
    found = mta.await_messages(recipient)
    equal(len(found), 1, f"the number of messages for {recipient}")
    first = data[:data.index(b"\r\n")] + b"\n"
    above, mark, rest = found[0].partition(first)
    equal(mark + rest, data.replace(b"\r\n", b"\n"), f"what came to {recipient}")
    return above.decode("utf-8", "replace")


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

    def arrives_the_same(self, play, data, name, straight=True):
        """Plays play(port, recipient), which has to send the message, straight and through us; what
        it returned and the messages have to be equal. The fields above the one that came through us."""
        ways = [("straight", self.mta.port), ("through", self.port)][0 if straight else 1:]
        recipients = [f"{name}-{way}@example.org" for way, _ in ways]
        outcomes = [play(port, to) for (_, port), to in zip(ways, recipients)]
        equal(outcomes[-1], outcomes[0], "what was said through us, beside straight,")
        above = [stored(self.mta, to, data) for to in recipients][-1]
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


def auth(w):
    """The server judges, and knows who it is; in the clear we do not offer it."""
    offers(w, "AUTH", False)
    data = message(SENDER, "b@example.org", "auth")

    def encoded(text):
        return base64.b64encode(text.encode()).decode()

    def login(c, mechanism, password):
        if mechanism == "PLAIN":
            return [c.say("AUTH PLAIN " + encoded(f"\0{accounts.USER}\0{password}")).code]
        return [c.say("AUTH LOGIN").code, c.say(encoded(accounts.USER)).code,
                c.say(encoded(password)).code]
    for mechanism, codes in (("PLAIN", []), ("LOGIN", [334, 334])):
        def play(port, recipient, mechanism=mechanism, codes=codes):
            with in_tls(w, port) as c:
                matches(r"^AUTH (?=.*\bPLAIN\b)(?=.*\bLOGIN\b)", c.say("EHLO client.test").text)
                equal(login(c, mechanism, "wrong"), codes + [535], "the replies to a wrong password")
                equal(login(c, mechanism, accounts.PASSWORD), codes + [235], "the replies")
                return c.send(SENDER, recipient, data).code
        above = w.arrives_the_same(play, data, "auth-" + mechanism.lower())
        matches(r"by mx\.example\.org with ESMTPSA id", above, "our field")
        matches(w.row.knows_account, above, "the server's field")
    return "yes"


# What we say of our own, whatever the server says; XCLIENT as this client is trusted.
OURS = {"PIPELINING", "ENHANCEDSTATUSCODES", "CHUNKING", "SIZE", "LIMITS", "STARTTLS", "XCLIENT"}


def others(w):
    """All other words of EHLO: kept back, or offered by both. And REQUIRETLS is not taken."""
    straight, through = offered(w.mta.port), offered(w.port)
    equal(straight - through, w.row.withheld, "what is kept back")
    equal(through - straight - OURS, set(), "what only we offer")
    with Client(w.port) as c:
        equal(c.say(f"MAIL FROM:<{SENDER}> REQUIRETLS").code, 555, "the reply")
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
    above = stored(w.mta, "haproxy@example.org", data)
    matches(r"^Received: from client\.test \((\S+ )?\[127\.0\.0\.77\]\)\s+by mx\.example\.org", above, "our field")
    if not w.row.sees_client:
        return "yes, to us"
    matches(w.row.sees_client, w.mta.text(), "the server's log")
    return "yes"


TPROXY = """hostname "mx.example.org"
database "{folder}"
listen proxy 10.77.1.1 port 25
backend 10.77.2.2 port %d tproxy
resolver forward 127.0.0.1 port 9
threads 1
at connect { }
"""


def no_name_servers(namespace):
    """The machine's are out of reach there; whoever asks them is to hear so at once."""
    with open("/etc/resolv.conf", encoding="utf-8", errors="replace") as f:
        for address in re.findall(r"(?m)^nameserver\s+([0-9.]+)$", f.read()):
            if not address.startswith("127."):
                proxy_tproxy.ip("-n", namespace, "route", "add", "unreachable", address)


def tproxy(w):
    """Machines of their own for client, posternd and server: namespaces of the network. The server
    takes the client for its peer."""
    data = message(SENDER, "b@example.org", "tproxy")
    with Lab() as lab, proxy_tproxy.Net() as net:
        no_name_servers(net.mta)
        net.enter(net.mta)
        mta = w.row.start(lab, w.build, certificate(lab, "mta.example.org"), "10.77.2.2")
        net.answers_are_ours(mta.port)
        net.enter(net.postern)
        p = lab.posternd(os.path.join(w.build, "posternd"), TPROXY % mta.port)
        w.started.append(p)
        net.enter(net.client)
        with Client(25, source="10.77.1.2", host="10.77.1.1") as c:
            equal(c.send(SENDER, "tproxy@example.org", data).code, 250, "the reply")
        above = stored(mta, "tproxy@example.org", data)
    matches(r"^Received: from [^;]*\[10\.77\.1\.2\][^;]*by mta\.example\.org", above, "the server's field")
    return "yes"


def no_haproxy():
    return None if os.path.exists("/usr/sbin/haproxy") else "haproxy is missing"


FEATURES = (("plain", plain), ("STARTTLS", starttls), ("BDAT", bdat), ("PIPELINING", pipelining),
            ("SMTPUTF8", smtputf8), ("DSN", dsn), ("AUTH", auth), ("other words", others),
            ("HAProxy", haproxy), ("TPROXY", tproxy))


def play(tap, lab, build, row, results):
    missing = {"AUTH": accounts.missing(), "HAProxy": no_haproxy(),
               "TPROXY": proxy_tproxy.missing()}
    w = None
    try:
        w = World(lab, build, row)
        tap.on_failure = w.logs
    except Missing as why:
        missing = {feature: why for feature, _ in FEATURES}
    for feature, function in FEATURES:
        if missing.get(feature):
            tap.skip(f"{row.name} {feature}", missing[feature])
            results[row.name, feature] = "skipped"
            continue
        results[row.name, feature] = "FAILED"
        with tap.case(f"{row.name} {feature}"):
            results[row.name, feature] = function(w)


def main():
    build = need("posternd", "openssl")
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
