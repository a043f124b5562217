"""The stages with a real DNS server, real signatures and the real store: what the rules see of
SPF, DKIM, block lists, greylisting and plans. The sender's place is told by XCLIENT."""

import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from client import Client, identifier  # noqa: E402
from lab import Lab, free_port, make_key, message, sign, txt, until  # noqa: E402
from tap import Tap, equal, lacks, matches, need  # noqa: E402

GOOD, OTHER, LISTED, NAMED = "198.51.100.7", "203.0.113.9", "192.0.2.99", "198.51.100.8"
DELAY = 2  # seconds

CONFIG = """hostname "mx.example.org"
database "{folder}"
listen proxy 127.0.0.1 port %(port)d
backend 127.0.0.1 port %(backend)d xclient
resolver forward 127.0.0.1 port %(dns)d
dns timeout 2s
trust 127.0.0.1
threads 2

list signers { "signed.test" }
list grey { "grey.test" }
list customers { "carol" }
list crowd { 203.0.113.128/25 }

greylist { delay %(delay)ds; retry within 1d; remember 36d; network proven after 1 }
plan tiny { 2 messages per day; for accounts in customers }
plan street { 1 recipients per message; 100 messages per day; for clients in crowd }

at connect {
    reject 554 5.7.1 "${client.ip} is listed: ${listed.code(\\"bl.test\\")}"  if listed("bl.test")
}
at mail {
    reject 550 5.7.23 "SPF: ${spf.explanation}"      if spf is fail
    tempfail 451 4.4.3 "SPF: ${spf.explanation}"     if spf is temperror
    reject 550 5.7.24 "SPF: ${spf.explanation}"      if spf is permerror
}
at rcpt {
    tempfail 450 4.7.1 "Plan ${quota.plan}: ${quota.used} of ${quota.limit} are used"  if quota is over
    tempfail 451 4.7.1 "Greylisted, wait ${greylist.wait}"  if sender.domain in grey and greylist is waiting
}
at message {
    reject 550 5.7.20 "Signature: ${dkim}"           if dkim is not pass and sender.domain in signers
    mark signed                                      if dkim is pass
}
"""


class World:
    def __init__(self, lab, build):
        self.lab = lab
        self.key, self.other_key = lab.path("key"), lab.path("other-key")
        record = make_key(self.key)
        make_key(self.other_key)
        self.dns = lab.dns([
            txt("clean.test", f"v=spf1 ip4:{GOOD} a:named.clean.test -all"),
            f"named.clean.test. 60 A {NAMED}",
            txt("explains.test", "v=spf1 -all exp=why.explains.test"),
            txt("why.explains.test", "%{i} is none of ours"),
            txt("including.test", "v=spf1 include:clean.test ~all"),
            txt("broken.test", "v=spf1 ipv4:192.0.2.1 -all"),
            txt("loop.test", "v=spf1 include:loop.test -all"),
            txt("signed.test", f"v=spf1 ip4:{GOOD} -all"),
            txt("s1._domainkey.signed.test", record),
            txt("s1._domainkey.clean.test", record),
            txt("revoked._domainkey.signed.test", "v=DKIM1; p="),
            f"{'.'.join(reversed(LISTED.split('.')))}.bl.test. 60 A 127.0.0.4",
        ])
        self.postfix = lab.postfix()
        self.port = free_port()
        self.posternd = lab.posternd(os.path.join(build, "posternd"), CONFIG % {
            "port": self.port, "backend": self.postfix.port, "dns": self.dns.port,
            "delay": DELAY})

    def send(self, sender, recipient="bob@example.org", client=OTHER, login="", data=None):
        """The reply that decided."""
        xclient = f"ADDR={client} NAME=[UNAVAILABLE]" + (f" LOGIN={login}" if login else "")
        with Client(self.port, xclient=xclient) as c:
            return c.send(sender, recipient, data or message(sender, recipient, "stages"))

    def results(self, recipient):
        """Our Authentication-Results in the newest message of a mailbox."""
        stored = self.postfix.await_messages(recipient)[-1].decode("latin-1")
        found = re.search(r"Authentication-Results: (mx\.example\.org.*(?:\n\s.*)*)", stored)
        return " ".join(found.group(1).split())

    def why(self, said):
        text, code = self.posternd.postern("why", identifier(said))
        equal(code, 0, "the exit code of postern why")
        return text


def spf(tap, w):
    with tap.case("SPF: where the sender may send from"):
        equal(w.send("a@clean.test", "pass@example.org", GOOD).code, 250)
        matches(r"spf=pass smtp\.mailfrom=\S*clean\.test", w.results("pass@example.org"))
    with tap.case("SPF: by a name that has to be looked up, in an include"):
        equal(w.send("a@including.test", "include@example.org", NAMED).code, 250)
        matches("spf=pass", w.results("include@example.org"))
    with tap.case("SPF: softfail"):
        equal(w.send("a@including.test", "soft@example.org").code, 250)
        matches("spf=softfail", w.results("soft@example.org"))
    with tap.case("SPF: none"):
        equal(w.send("a@nothing.test", "none@example.org").code, 250)
        matches("spf=none", w.results("none@example.org"))
    with tap.case("SPF: fail"):
        said = w.send("a@clean.test")
        equal(said.code, 550, "the code")
        matches(r"^5\.7\.23 SPF: 203\.0\.113\.9 is not allowed to send mail from clean\.test \[",
                said.text)
    with tap.case("SPF: fail, and `postern why` shows the record"):
        matches(rf"v=spf1 ip4:{re.escape(GOOD)} a:named\.clean\.test -all", w.why(said))
    with tap.case("SPF: fail, in the domain's own words"):
        matches(r"^5\.7\.23 SPF: explains\.test explains: 203\.0\.113\.9 is none of ours \[",
                w.send("a@explains.test").text)
    with tap.case("SPF: permerror"):
        matches(r'^5\.7\.24 SPF: .*"ipv4:192\.0\.2\.1"', w.send("a@broken.test").text)
        matches(r"^5\.7\.24 ", w.send("a@loop.test").text)


def dkim(tap, w):
    def signed(selector, key, domain="signed.test"):
        return sign(message(f"a@{domain}", "bob@example.org", "dkim"), domain, selector, key)

    with tap.case("DKIM: pass"):
        equal(w.send("a@signed.test", "dkim@example.org", GOOD, data=signed("s1", w.key)).code, 250)
        matches(r"dkim=pass[^;]* header\.d=signed\.test", w.results("dkim@example.org"))
    with tap.case("DKIM: none"):
        said = w.send("a@signed.test", client=GOOD)
        matches(r"^5\.7\.20 Signature: none \[", said.text)
    with tap.case("DKIM: the body was altered"):
        data = signed("s1", w.key).replace(b"Hello", b"HELLO")
        said = w.send("a@signed.test", client=GOOD, data=data)
        matches(r"^5\.7\.20 Signature: fail \[", said.text)
        matches(r"dkim", w.why(said))
    with tap.case("DKIM: a field was altered"):
        data = signed("s1", w.key).replace(b"Subject: dkim", b"Subject: dkin")
        matches(r"^5\.7\.20 Signature: fail \[",
                w.send("a@signed.test", client=GOOD, data=data).text)
    with tap.case("DKIM: signed with another key"):
        matches(r"^5\.7\.20 Signature: (fail|permerror) \[",
                w.send("a@signed.test", client=GOOD, data=signed("s1", w.other_key)).text)
    with tap.case("DKIM: the key was revoked, or is not there"):
        for selector in ("revoked", "nowhere"):
            matches(r"^5\.7\.20 Signature: permerror \[", w.send(
                "a@signed.test", client=GOOD, data=signed(selector, w.key)).text)
    with tap.case("DKIM: a signature that is no signature"):
        data = b"DKIM-Signature: v=1; this is none\r\n" + message("a@signed.test", "b@c.test", "x")
        matches(r"^5\.7\.20 Signature: permerror \[",
                w.send("a@signed.test", client=GOOD, data=data).text)
    with tap.case("DKIM: a broken signature beside a good one"):
        data = signed("s1", w.key)
        broken = re.sub(rb"b=[^;]*$", b"b=AAAA", data.split(b"\r\nFrom:")[0]) + b"\r\n"
        equal(w.send("a@signed.test", "two@example.org", GOOD, data=broken + data).code, 250)
        matches("dkim=pass", w.results("two@example.org"))


def listed(tap, w):
    with tap.case("a client on a block list is refused, the code is told"):
        with Client(w.port) as c:
            said = c.say(f"XCLIENT ADDR={LISTED} NAME=[UNAVAILABLE]")
        equal(said.code, 554, "the code")
        matches(r"^5\.7\.1 192\.0\.2\.99 is listed: 127\.0\.0\.4 \[", said.text)


def greylist(tap, w):
    began = time.monotonic()
    first, early = (w.send("a@grey.test", "grey@example.org") for _ in range(2))
    took = time.monotonic() - began
    with tap.case("greylist: who is new has to come back"):
        matches(rf"^4\.7\.1 Greylisted, wait {DELAY}s \[", first.text)
        matches(r"greylist", w.why(first))
    name = "greylist: too early is too early"
    if took < DELAY - 1:
        with tap.case(name):
            equal(early.code, 451, "the code")
    else:
        tap.skip(name, "this machine is too slow to be early")
    with tap.case("greylist: comes back, and is let in"):
        until(lambda: w.send("a@grey.test", "grey@example.org").code == 250, 10, "the retry",
              pause=0.3)
        w.postfix.await_messages("grey@example.org")
    with tap.case("greylist: its network is known from then on"):
        equal(w.send("b@grey.test", "other@example.org", "203.0.113.99").code, 250)
    with tap.case("greylist: another network is not"):
        equal(w.send("b@grey.test", "other@example.org", "192.0.2.1").code, 451)
    with tap.case("greylist: what is known outlives the worker"):
        os.kill(w.posternd.worker(), signal.SIGKILL)
        w.posternd.await_said("ready", 2)
        equal(w.send("c@grey.test", "third@example.org").code, 250)


def plans(tap, w):
    with tap.case("plan: an account sends what its plan allows"):
        for _ in range(2):
            equal(w.send("carol@nothing.test", login="carol").code, 250, "the reply")
    with tap.case("plan: the next one is over"):
        said = w.send("carol@nothing.test", login="carol")
        matches(r"^4\.7\.1 Plan tiny: 2 of 2 are used \[", said.text)
        equal(said.code, 450, "the code")
    with tap.case("plan: from another client, too, and another account is free"):
        equal(w.send("carol@nothing.test", client="192.0.2.1", login="carol").code, 450)
        equal(w.send("dave@nothing.test", login="dave").code, 250)
    with tap.case("plan: what was refused has cost nothing"):
        entry = next(e for e in w.posternd.entries("--verdict", "tempfail").values()
                     if e["id"] == identifier(said))
        equal(entry["facts"]["quota.used"], 2, "quota.used")
    with tap.case("plan: recipients of one message, of a network"):
        with Client(w.port, xclient="ADDR=203.0.113.200 NAME=[UNAVAILABLE]") as c:
            equal(c.say("MAIL FROM:<a@nothing.test>").code, 250)
            equal(c.say("RCPT TO:<r1@example.org>").code, 250)
            matches(r"^4\.7\.1 Plan street", c.say("RCPT TO:<r2@example.org>").text)
            equal(c.data(message("a@nothing.test", "r1@example.org", "x")).code, 250)


def dns_away(tap, w):
    with tap.case("DNS away: temperror, in bounded time"):
        w.dns.stop()
        began = time.monotonic()
        said = w.send("a@unasked.test")
        matches(r"^4\.4\.3 SPF: ", said.text)
        assert time.monotonic() - began < 15, "it took too long"
    with tap.case("nothing of it was a fault"):
        equal(w.posternd.faults(), "", "the faults in the log")
        lacks(r"event=fault", w.posternd.text())


def main():
    build = need("posternd", "postern", "postfix", "nsd", "dkimsign", "openssl")
    tap = Tap()
    with Lab() as lab:
        w = World(lab, build)
        tap.on_failure = lambda: w.posternd.text()[-3000:]
        for part in (spf, dkim, listed, greylist, plans, dns_away):
            part(tap, w)
        with tap.case("it ends with exit code 0"):
            equal(w.posternd.stop(), 0, "the exit code")
            equal(w.posternd.faults(), "", "the faults in the log")
    tap.finish()


if __name__ == "__main__":
    main()
