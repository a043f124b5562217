"""DMARC with a real DNS server and mail signed by dkimpy and by opendkim's own tool: what rules
see, what Authentication-Results tell, and what the shipped rules make of it."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from client import Client  # noqa: E402
from lab import Lab, free_port, make_key, message, sign, txt  # noqa: E402
from tap import Tap, equal, matches, need  # noqa: E402

GOOD, OTHER = "198.51.100.7", "203.0.113.9"

SETTINGS = """hostname "mx.example.org"
database "{folder}"
listen proxy 127.0.0.1 port %(port)d
backend 127.0.0.1 port %(backend)d xclient
resolver forward 127.0.0.1 port %(dns)d
dns timeout 2s
trust 127.0.0.1
threads 1
"""

RULES = """%(option)s
at message {
    reject 550 5.7.26 "DMARC: ${dmarc.from}, ${dmarc.reason}"  if dmarc is fail and dmarc.policy is reject
    tempfail 451 4.7.26 "DMARC: ${dmarc.reason}"               if dmarc is temperror
    reject 550 5.7.26 "DMARC: ${dmarc.reason}"                 if dmarc is permerror
    mark weak                                                  if dmarc is fail
}
"""


def sign_opendkim(data, domain, selector, key):
    """As dkimpy's sign() of the lab, by opendkim's own tool."""
    done = subprocess.run(["/usr/sbin/opendkim-testmsg", "-C", "-d", domain, "-s", selector,
                           "-k", key], input=data, stdout=subprocess.PIPE, check=True)
    return done.stdout.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


class World:
    def __init__(self, lab, build):
        self.lab, self.build = lab, build
        self.key = lab.path("key")
        record = make_key(self.key)
        self.dns = lab.dns([
            txt("_dmarc.strong.test", "v=DMARC1; p=reject; sp=none; np=reject"),
            txt("strong.test", f"v=spf1 ip4:{GOOD} -all"),
            txt("there.strong.test", "exists"),
            txt("s1._domainkey.strong.test", record),
            txt("s1._domainkey.mail.strong.test", record),
            txt("s1._domainkey.other.test", record),
            txt("other.test", f"v=spf1 ip4:{GOOD} -all"),
            txt("_dmarc.exact.test", "v=DMARC1; p=reject; adkim=s; aspf=s"),
            txt("s1._domainkey.sub.exact.test", record),
            txt("_dmarc.tried.test", "v=DMARC1; p=reject; t=y"),
            txt("_dmarc.broken.test", "v=DMARC1; p=refuse"),
            # a public suffix: who is below it is on his own
            txt("_dmarc.sold.test", "v=DMARC1; p=reject; psd=y"),
            txt("s1._domainkey.a.sold.test", record),
            txt("_dmarc.xn--bcher-kva.test", "v=DMARC1; p=reject"),
            txt("s1._domainkey.xn--bcher-kva.test", record),
            txt("client.test", f"v=spf1 ip4:{GOOD} -all"),
            txt("_dmarc.client.test", "v=DMARC1; p=reject"),
        ])
        self.postfix = lab.postfix()
        self.use(RULES % {"option": ""}, "postern")

    def use(self, rules, name):
        self.port = free_port()
        self.posternd = self.lab.posternd(os.path.join(self.build, "posternd"), SETTINGS % {
            "port": self.port, "backend": self.postfix.port, "dns": self.dns.port} + rules, name)

    def send(self, sender, data, recipient="bob@example.org", client=OTHER, helo="client.test"):
        with Client(self.port, xclient=f"ADDR={client} NAME=mx.sender.test", helo=helo) as c:
            return c.send(sender, recipient, data)

    def results(self, recipient):
        stored = self.postfix.await_messages(recipient)[-1].decode("latin-1")
        found = re.search(r"Authentication-Results: (mx\.example\.org.*(?:\n\s.*)*)", stored)
        return " ".join(found.group(1).split())


def plain(author):
    return message(author, "bob@example.org", "dmarc")


def signatures(tap, w):
    with tap.case("signed: the author's domain"):
        data = sign(plain("a@strong.test"), "strong.test", "s1", w.key)
        equal(w.send("a@nothing.test", data, "signed@example.org").code, 250)
        matches(r"dkim=pass[^;]* header\.d=strong\.test.*; dmarc=pass "
                r"header\.from=strong\.test policy\.dmarc=reject", w.results("signed@example.org"))
    with tap.case("signed: another of its organization, relaxed and strict"):
        data = sign(plain("a@strong.test"), "mail.strong.test", "s1", w.key)
        equal(w.send("a@nothing.test", data).code, 250)
        data = sign(plain("a@exact.test"), "sub.exact.test", "s1", w.key)
        matches(r"^5\.7\.26 DMARC: exact\.test, no identifier",
                w.send("a@nothing.test", data).text)
    with tap.case("signed: somebody else"):
        data = sign(plain("a@strong.test"), "other.test", "s1", w.key)
        said = w.send("a@nothing.test", data)
        equal(said.code, 550, "the code")
        matches(r"^5\.7\.26 DMARC: strong\.test, no identifier", said.text)
    with tap.case("signed: the body was altered"):
        data = sign(plain("a@strong.test"), "strong.test", "s1", w.key)
        equal(w.send("a@nothing.test", data.replace(b"Hello", b"HELLO")).code, 550)
    with tap.case("signed by opendkim-testmsg, which knows rsa-sha1 only: no pass"):
        data = sign_opendkim(plain("a@strong.test"), "strong.test", "s1", w.key)
        equal(w.send("a@nothing.test", data).code, 550)


def identifiers(tap, w):
    with tap.case("SPF: of the author's organization, of somebody else, and failing"):
        equal(w.send("a@strong.test", plain("a@strong.test"), client=GOOD).code, 250)
        equal(w.send("a@other.test", plain("a@strong.test"), client=GOOD).code, 550)
        equal(w.send("a@strong.test", plain("a@strong.test")).code, 550)
    with tap.case("SPF: the null sender stands for the name in HELO"):
        equal(w.send("", plain("a@client.test"), client=GOOD).code, 250)
        equal(w.send("", plain("a@strong.test"), client=GOOD).code, 550)
    with tap.case("below a public suffix nobody answers for his neighbour"):
        data = sign(plain("a@a.sold.test"), "a.sold.test", "s1", w.key)
        equal(w.send("a@nothing.test", data).code, 250)
        data = sign(plain("a@b.sold.test"), "a.sold.test", "s1", w.key)
        equal(w.send("a@nothing.test", data).code, 550)
    with tap.case("a name in UTF-8 has the policy of its A-label"):
        with Client(w.port, xclient=f"ADDR={OTHER} NAME=mx.sender.test") as c:
            equal(c.say("MAIL FROM:<a@nothing.test> SMTPUTF8 BODY=8BITMIME").code, 250)
            equal(c.say("RCPT TO:<bob@example.org>").code, 250)
            said = c.data(plain("a@b\u00fccher.test"))
        matches(r"^5\.7\.26 DMARC: xn--bcher-kva\.test", said.text)


def policies(tap, w):
    with tap.case("sp= for names that exist, np= for those that do not"):
        equal(w.send("a@nothing.test", plain("a@there.strong.test"), "sp@example.org").code, 250)
        matches(r"dmarc=fail reason=.* policy\.dmarc=none", w.results("sp@example.org"))
        equal(w.send("a@nothing.test", plain("a@away.strong.test")).code, 550)
    with tap.case("t=y: one level less"):
        equal(w.send("a@nothing.test", plain("a@tried.test"), "t@example.org").code, 250)
        matches(r"policy\.dmarc=quarantine", w.results("t@example.org"))
    with tap.case("no policy, and one that cannot be read"):
        equal(w.send("a@nothing.test", plain("a@nothing.test"), "n@example.org").code, 250)
        matches(r"dmarc=none", w.results("n@example.org"))
        matches(r"the policy record says no policy",
                w.send("a@nothing.test", plain("a@broken.test")).text)
    with tap.case("several authors: the one that fails counts"):
        data = plain("a@nothing.test").replace(b"<a@nothing.test>",
                                               b"<a@nothing.test>, <b@strong.test>", 1)
        matches(r"^5\.7\.26 DMARC: strong\.test, ", w.send("a@nothing.test", data).text)
        data = b"From: b@strong.test\r\n" + plain("a@nothing.test")
        matches(r"^5\.7\.26 DMARC: strong\.test, ", w.send("a@nothing.test", data).text)
    with tap.case("`postern test` tells the same"):
        path = w.lab.path("mail.eml")
        with open(path, "wb") as f:
            f.write(plain("a@strong.test"))
        text, _ = w.posternd.postern("test", "--ip", OTHER, "--helo", "mx.test", "--from",
                                     "a@nothing.test", "--to", "bob@example.org", path)
        matches(r"550 +5\.7\.26 +DMARC: strong\.test", text)


def old_standard(tap, w):
    with tap.case("option dmarc rfc7489: np= and t= mean nothing"):
        w.use(RULES % {"option": "option dmarc rfc7489"}, "old")
        equal(w.send("a@nothing.test", plain("a@away.strong.test")).code, 250)
        equal(w.send("a@nothing.test", plain("a@tried.test")).code, 550)


def shipped(tap, w):
    with tap.case("the shipped rules observe, and tell what they saw"):
        w.use("", "shipped")
        equal(w.send("a@nothing.test", plain("a@strong.test"), "shipped@example.org",
                     helo="mx.sender.test").code, 250)
        matches(r"iprev=pass policy\.iprev=203\.0\.113\.9; spf=none .*; dkim=none; "
                r"dmarc=fail .*policy\.dmarc=reject", w.results("shipped@example.org"))
        seen = [e for e in w.posternd.await_entries("shipped@example.org") if e.get("observed") == "reject"]
        equal(len(seen), 1, "the number of observed refusals")


def dns_away(tap, w):
    with tap.case("DNS away: temperror"):
        w.use(RULES % {"option": ""}, "away")
        w.dns.stop()
        matches(r"^4\.7\.26 DMARC: ", w.send("a@unasked.test", plain("a@unasked.test")).text)


def main():
    build = need("posternd", "postern", "postfix", "nsd", "dkimsign", "openssl",
                 "/usr/sbin/opendkim-testmsg")
    tap = Tap()
    with Lab() as lab:
        w = World(lab, build)
        tap.on_failure = lambda: w.posternd.text()[-3000:]
        for part in (signatures, identifiers, policies, old_standard, shipped, dns_away):
            part(tap, w)
            with tap.case(f"{part.__name__}: nothing was a fault"):
                equal(w.posternd.faults(), "", "the faults in the log")
    tap.finish()


if __name__ == "__main__":
    main()
