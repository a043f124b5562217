"""The demonstration that ./quickstart runs: posternd between swaks and a Postfix of its own."""

import argparse
import base64
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lab import Lab, free_port, make_key, message, sign, swaks, txt  # noqa: E402

GREYLIST_DELAY = 2  # seconds

CONFIG = """hostname "mx.demo.test"
database "{folder}"
listen proxy 127.0.0.1 port %(port)d
backend 127.0.0.1 port %(backend)d xclient
resolver forward 127.0.0.1 port %(dns)d
trust 127.0.0.0/8                       # swaks says with XCLIENT whom it plays

list signers { "signed.test" }          # sign all their mail
list customers { "alice" }

greylist { delay %(delay)ds; retry within 1d; remember 36d }
plan tiny { 2 messages per day; for accounts in customers }

at mail {
    reject 550 5.7.23 "SPF: ${spf.explanation}"                      if spf is fail
}
at rcpt {
    tempfail 450 4.7.1 "Plan ${quota.plan}: ${quota.used} of ${quota.limit} messages are used"  if quota is over
    tempfail 451 4.7.1 "Greylisted, come back in ${greylist.wait}"   if account = "" and spf is not pass and greylist is waiting
}
at message {
    reject 550 5.7.20 "No passing DKIM signature of ${sender.domain}"  if dkim is not pass and sender.domain in signers
}
"""

GOOD = "198.51.100.7"   # may send for clean.test and signed.test
OTHER = "203.0.113.9"   # may not

class Demo:
    def __init__(self, build, lab):
        self.lab = lab
        self.build = os.path.abspath(build)
        self.failed = 0
        key = lab.path("demo.key")
        record = make_key(key)
        self.key = key
        dns = lab.dns([
            txt("clean.test", f"v=spf1 ip4:{GOOD} -all"),
            txt("signed.test", f"v=spf1 ip4:{GOOD} -all"),
            txt("s1._domainkey.clean.test", record),
            txt("s1._domainkey.signed.test", record),
        ])
        self.postfix = lab.postfix(domains=("example.org",))
        self.port = free_port()
        self.posternd = lab.posternd(os.path.join(self.build, "posternd"), CONFIG % {
            "port": self.port, "backend": self.postfix.port, "dns": dns.port,
            "delay": GREYLIST_DELAY})
        self.dns = dns

    def postern(self, *args):
        done = subprocess.run([os.path.join(self.build, "postern"), "-c", self.posternd.config,
                               *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              check=False)
        return done.stdout.decode("utf-8", "replace")

    def send(self, title, sender, recipient, expect, client=OTHER, login=None, data=None,
             tell=True):
        """One message; expect: a pattern that the deciding reply has to match."""
        data = data or message(sender, recipient, title)
        xclient = f"ADDR={client} NAME=[UNAVAILABLE]" + (f" LOGIN={login}" if login else "")
        text, _ = swaks(self.port, sender, recipient, data,
                        ["--xclient", xclient, "--helo", "client.demo.test",
                         "--protocol", "ESMTP"])
        replies = re.findall(r"^<[-~*]{1,2}\s+(\d{3} .*)$", text, re.M)
        refused = [r for r in replies if r[0] in "45"]
        said = refused[0] if refused else (replies[-2] if len(replies) > 1 else text[-300:])
        good = bool(re.match(expect, said))
        self.failed += not good
        if tell:
            print(f"  {'ok  ' if good else 'FAIL'} {title}\n       {said}")
        if not good:
            print(f"       expected: {expect}\n{text}")
        return data

    def delivered(self, recipient, data, title):
        """Did Postfix store exactly these octets (below the fields it and we added)?"""
        wanted = data.replace(b"\r\n", b"\n")
        try:
            found = any(m.endswith(wanted) for m in self.postfix.await_messages(recipient))
        except TimeoutError:
            found = False
        self.failed += not found
        print(f"  {'ok  ' if found else 'FAIL'} {title}")

    def run(self):
        print("Six messages through posternd to Postfix:")
        signed = sign(message("a@clean.test", "bob@example.org", "clean and signed"),
                      "clean.test", "s1", self.key)
        self.send("clean and signed", "a@clean.test", "bob@example.org", "250 ", GOOD,
                  data=signed)
        self.delivered("bob@example.org", signed, "  ... is in bob's mailbox, octet for octet")
        self.send("sent from where SPF forbids it", "a@clean.test", "bob@example.org",
                  r"550 5\.7\.23 ")
        broken = sign(message("a@signed.test", "bob@example.org", "altered on the way"),
                      "signed.test", "s1", self.key).replace(b"Hello", b"HELLO")
        self.send("signature broken, and the rules ask for one", "a@signed.test",
                  "bob@example.org", r"550 5\.7\.20 ", GOOD, data=broken)
        self.send("sender nobody has seen yet", "new@plain.test", "carol@example.org",
                  r"451 4\.7\.1 Greylisted")
        time.sleep(GREYLIST_DELAY + 0.5)  # what a mail server does between its tries
        data = self.send("  ... and its retry", "new@plain.test", "carol@example.org", "250 ")
        self.delivered("carol@example.org", data, "  ... is in carol's mailbox")
        for n in (1, 2):
            self.send(f"message {n} of an account", "alice@plain.test", "dave@example.org",
                      "250 ", login="alice", tell=False)
        self.send("third message of an account whose plan allows two", "alice@plain.test",
                  "dave@example.org", r"450 4\.7\.1 Plan tiny", login="alice")
        mime = self.mime()
        self.send("8-bit MIME message with an attachment", "a@clean.test", "erin@example.org",
                  "250 ", GOOD, data=mime)
        self.delivered("erin@example.org", mime, "  ... is in erin's mailbox, octet for octet")

    def mime(self):
        attachment = base64.encodebytes(os.urandom(300000)).decode()
        text = message("a@clean.test", "erin@example.org", "Grüße", more=(
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b1\"\n"), body=(
            "--b1\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
            "Schöne Grüße, ça va?\n.\n..dots\n\n--b1\n"
            "Content-Type: application/octet-stream; name=\"a.bin\"\n"
            f"Content-Transfer-Encoding: base64\n\n{attachment}\n--b1--\n"))
        return text

    def review(self):
        print("\n$ postern log")
        print(self.postern("log"))
        lines = self.postern("log", "--json", "--verdict", "reject").splitlines()
        if len(lines) != 2:
            print(f"  FAIL the journal has {len(lines)} rejections, not 2")
            self.failed += 1
            return
        entry = json.loads(lines[0])["id"]
        print(f"$ postern why {entry}")
        why = self.postern("why", entry)
        print(why)
        if "spf" not in why or "-all" not in why:
            print("  FAIL the explanation lacks the SPF record")
            self.failed += 1

def main():
    options = argparse.ArgumentParser(prog="quickstart")
    options.add_argument("--build", required=True)
    options.add_argument("--keep", action="store_true")
    args = options.parse_args()
    with Lab() as lab:
        demo = Demo(args.build, lab)
        demo.run()
        demo.review()
        print("All of it came out as it should." if not demo.failed else
              f"{demo.failed} of it did not come out as it should; posternd said:\n"
              f"{demo.posternd.process.text()}")
        if args.keep and not demo.failed:
            print(f"""
Still running, until you press Ctrl-C:
  posternd   127.0.0.1 port {demo.port}    (its folder: {demo.posternd.folder})
  Postfix    127.0.0.1 port {demo.postfix.port}    (its log: {demo.postfix.log})
  DNS        127.0.0.1 port {demo.dns.port}
Try:
  swaks --server 127.0.0.1 --port {demo.port} --from you@plain.test --to bob@example.org
  {demo.build}/postern -c {demo.posternd.config} log --follow""")
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            try:
                signal.pause()
            except KeyboardInterrupt:
                pass
    return 1 if demo.failed else 0

if __name__ == "__main__":
    sys.exit(main())
