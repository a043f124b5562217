"""lab: real servers for tests and for the demonstration, each in a folder of its own below one
temporary folder, on loopback, on ports that were free. Nothing of the system's own servers is
touched. Whatever was started is ended, by its process id, when the lab is closed.
"""

import email.utils
import json
import os
import pwd
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scenario"))

from play import free_port  # noqa: E402, F401  pylint: disable=wrong-import-position,unused-import

START_LIMIT = 60  # seconds for a server to come up on a busy machine


def until(true, limit=START_LIMIT, what="something", pause=0.02):
    """Watches true() until it says something true; its value, or an error after limit seconds."""
    end = time.monotonic() + limit
    while True:
        value = true()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"waited {limit} s for {what}")
        time.sleep(pause)


def answers(port, host="127.0.0.1"):
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


class Process:
    """A child whose output goes to a file."""

    def __init__(self, argv, log, env=None, **more):
        self.log = log
        with open(log, "ab") as out:
            self.child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env={**os.environ, **(env or {})}, **more)

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def running(self):
        return self.child.poll() is None

    def expect(self, pattern, limit=START_LIMIT):
        """Waits until the output matches; the match."""
        def look():
            found = re.search(pattern, self.text())
            if not found and not self.running():
                raise RuntimeError(f"{self.child.args[0]} ended: {self.text()[-2000:]}")
            return found
        return until(look, limit, f"{pattern!r} of {self.child.args[0]}")

    def stop(self, limit=START_LIMIT):
        if self.running():
            self.child.terminate()
            try:
                self.child.wait(limit)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        return self.child.returncode


class Lab:
    def __init__(self, keep=False):
        self.folder = tempfile.mkdtemp(prefix="postern-lab-")
        os.chmod(self.folder, 0o755)
        self.things = []
        self.keep = keep

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        return self.path(name)

    def add(self, thing):
        self.things.append(thing)
        return thing

    def close(self):
        for thing in reversed(self.things):
            thing.stop()
        self.things = []
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    # ---- servers ----

    def dns(self, records):
        return self.add(Dns(self, records))

    def postfix(self, **settings):
        return self.add(Postfix(self, **settings))

    def sendmail(self, **settings):
        return self.add(Sendmail(self, **settings))

    def posternd(self, program, config, name="postern"):
        return self.add(Posternd(self, program, config, name))


class Dns:
    """nsd with one zone, the root, that holds exactly the records given as lines of a zone file.
    Any other name does not exist."""

    def __init__(self, lab, records):
        self.lab = lab
        self.port = free_port()
        self.folder = lab.path("dns")
        os.makedirs(self.folder, exist_ok=True)
        self.write(records)
        with open(os.path.join(self.folder, "nsd.conf"), "w", encoding="utf-8") as f:
            f.write(f"""server:
  ip-address: 127.0.0.1@{self.port}
  username: ""
  zonesdir: "{self.folder}"
  zonelistfile: "{self.folder}/zone.list"
  database: ""
  pidfile: "{self.folder}/nsd.pid"
  xfrdfile: "{self.folder}/xfrd.state"
  xfrdir: "{self.folder}"
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: "."
  zonefile: "root.zone"
""")
        self.process = Process(
            ["/usr/sbin/nsd", "-d", "-c", os.path.join(self.folder, "nsd.conf")],
            os.path.join(self.folder, "nsd.log"))
        until(lambda: answers(self.port), what="nsd")

    def write(self, records):
        with open(os.path.join(self.folder, "root.zone"), "w", encoding="utf-8") as f:
            f.write(". 60 SOA ns.demo. admin.demo. 1 3600 600 86400 60\n. 60 NS ns.demo.\n"
                    "ns.demo. 60 A 127.0.0.1\n")
            for record in records:
                f.write(record + "\n")

    def stop(self):
        self.process.stop()


def txt(name, text):
    """A TXT record line; long text in several strings."""
    parts = [text[i:i + 250] for i in range(0, len(text), 250)] or [""]
    quoted = " ".join('"' + p.replace("\\", "\\\\").replace('"', '\\"') + '"' for p in parts)
    return f"{name}. 60 TXT {quoted}"


class Mailboxes:
    """Mailboxes as folders, self.mail/DOMAIN/NAME/new/*, and the program that delivers to them."""

    PROGRAM = """#!/bin/sh
# deliver [DOMAIN NAME]: a message into a file of its own, whole or not at all. Exim names them in the
# environment.
folder="{mail}/${{1-$DOMAIN}}/${{2-$LOCAL_PART}}"
mkdir -p "$folder/tmp" "$folder/new" || exit 75
file=$(date +%s.%N).$$
cat >"$folder/tmp/$file" && mv "$folder/tmp/$file" "$folder/new/$file" || exit 75
"""

    def make_mailboxes(self):
        self.mail = os.path.join(self.folder, "mail")
        user = pwd.getpwnam("nobody")
        os.makedirs(self.mail)
        os.chown(self.mail, user.pw_uid, user.pw_gid)
        self.write("deliver", self.PROGRAM.format(mail=self.mail), mode=0o755)

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def messages(self, address):
        """The delivered messages of a mailbox, oldest first, as octets with LF line ends."""
        local, domain = address.split("@")
        folder = os.path.join(self.mail, domain, local, "new")
        if not os.path.isdir(folder):
            return []
        found = []
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), "rb") as f:
                found.append(f.read())
        return found

    def await_messages(self, address, n=1, limit=START_LIMIT):
        until(lambda: len(self.messages(address)) >= n, limit, f"{n} messages for {address}")
        return self.messages(address)


class Postfix(Mailboxes):
    """A Postfix instance with its own configuration, queue and mailboxes: everybody in
    `domains` exists, but for those whose name begins with "nobody"."""

    TELLS_ADDRESS = False  # "5.1.1 <address>... text" with the texts of a milter
    TELLS_UNKNOWN = True   # to milters: whom it refuses itself

    def __init__(self, lab, domains=("example.org",), milters="", name="postfix", extra="",
                 xclient=True, greeting_port=None, host="127.0.0.1", sasl=""):
        self.host, self.port = host, greeting_port or free_port()
        self.folder = lab.path(name)
        self.conf = os.path.join(self.folder, "conf")
        self.log = os.path.join(self.folder, "maillog")
        self.name = name
        for folder in (self.folder, self.conf, os.path.join(self.folder, "queue"),
                       os.path.join(self.folder, "data")):
            os.makedirs(folder)
            os.chmod(folder, 0o755)
        os.chown(os.path.join(self.folder, "data"), pwd.getpwnam("postfix").pw_uid, -1)
        self.make_mailboxes()
        self.write("conf/known", "!/^nobody/ yes\n")
        self.write("conf/main.cf", self.replaced(self.main_cf(domains, milters, xclient), extra) + extra)
        self.write("conf/master.cf", self.master_cf())
        self.write("conf/dynamicmaps.cf", "")
        # Where Debian's looks for it.
        os.makedirs(os.path.join(self.conf, "sasl"))
        self.write("conf/sasl/smtpd.conf", sasl)
        self.start()

    @staticmethod
    def replaced(settings, extra):
        """Without those that are in extra. Each process of Postfix warns of a setting that is there twice, and master waits
        for ever when it has warned of more than its log's socket holds before it has started who reads that."""
        names = re.findall(r"(?m)^(\w+) *=", extra)
        return "".join(line for line in settings.splitlines(True) if line.split(" =")[0] not in names)

    def main_cf(self, domains, milters, xclient):
        return f"""compatibility_level = 3.6
queue_directory = {self.folder}/queue
data_directory = {self.folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = /etc/postfix
multi_instance_name = postfix-{self.name}
multi_instance_enable = yes
maillog_file = {self.log}
maillog_file_prefixes = {self.folder}
myhostname = mta.example.org
mydestination =
local_recipient_maps =
inet_interfaces = {self.host}
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtp_dns_support_level = disabled
smtputf8_enable = yes
smtpd_peername_lookup = no
smtpd_recipient_restrictions = reject_unlisted_recipient, permit_mynetworks, reject_unauth_destination
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
virtual_mailbox_domains = {', '.join(domains)}
virtual_mailbox_maps = regexp:{self.conf}/known
virtual_transport = file
smtpd_authorized_xclient_hosts = {'127.0.0.0/8' if xclient else ''}
smtpd_milters = {milters}
milter_default_action = tempfail
message_size_limit = 60000000
mailbox_size_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_connection_count_limit = 0
"""

    def master_cf(self):
        return f"""{self.host}:{self.port} inet n - n - 100 smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
file unix - n n - - pipe user=nobody argv={self.folder}/deliver ${{domain}} ${{user}}
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def start(self):
        """Tried more than once: somebody's connection may have the port for a moment."""
        def started():
            done = subprocess.run(["postfix", "-c", self.conf, "start"], check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            said.append(done.stdout.decode("utf-8", "replace"))
            return done.returncode == 0
        said = []
        try:
            until(started, START_LIMIT, "Postfix", pause=1)
        except TimeoutError:
            raise RuntimeError(f"Postfix does not start: {said[-1]}{self.text()[-2000:]}") from None
        until(lambda: answers(self.port, self.host), what="Postfix")

    def master(self):
        """The pid of its master; 0: it has none."""
        try:
            with open(os.path.join(self.folder, "queue/pid/master.pid"), encoding="ascii") as f:
                pid = int(f.read())
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                return pid if b"postfix" in f.read() else 0
        except (OSError, ValueError):
            return 0

    def stop(self):
        """`postfix stop` waits for its master without an end; whatever became of that, none is left behind."""
        pid = self.master()
        try:
            subprocess.run(["postfix", "-c", self.conf, "stop"], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=False, timeout=START_LIMIT)
        except subprocess.TimeoutExpired:
            pass
        if pid and self.master() == pid:
            os.kill(pid, signal.SIGKILL)


SENDMAIL_MC = """divert(-1)
define(`_CF_DIR_', `{unpacked}/usr/share/sendmail/cf/')
include(`{unpacked}/usr/share/sendmail/cf/m4/cf.m4')
OSTYPE(`linux')
define(`confDOMAIN_NAME', `mta.example.org')
define(`confTRUSTED_USERS', `root')
define(`confPID_FILE', `{folder}/pid')
define(`confSERVICE_SWITCH_FILE', `{folder}/service.switch')
define(`confDONT_BLAME_SENDMAIL', `groupwritabledirpathsafe,TrustStickyBit')
define(`confEIGHT_BIT_HANDLING', `pass8')
define(`confTO_IDENT', `0')
define(`confMILTER_LOG_LEVEL', `9')
define(`confCONNECTION_RATE_THROTTLE', `0')
define(`confBAD_RCPT_THROTTLE', `0')
define(`confQUEUE_LA', `1000')
define(`confREFUSE_LA', `1000')
define(`confDELAY_LA', `1000')
undefine(`ALIAS_FILE')
define(`QUEUE_DIR', `{folder}/queue')
define(`STATUS_FILE', `{folder}/statistics')
define(`HELP_FILE', `{folder}/help')
FEATURE(`no_default_msa')
FEATURE(`nocanonify')
FEATURE(`accept_unresolvable_domains')
FEATURE(`accept_unqualified_senders')
DAEMON_OPTIONS(`Name=MTA,Addr={host},Port={port},Family=inet')
{domains}
{filters}
{extra}
MAILER(`local')
MAILER(`smtp')
MAILER_DEFINITIONS
Mfile,	P={folder}/deliver, F=lsDFMPn8, S=EnvFromL/HdrFromL, R=EnvToL/HdrToL,
	L=0, U={user}, T=DNS/RFC822/X-Unix, A=deliver $h $u
LOCAL_CONFIG
Kunknown regex -m -a@UNKNOWN ^nobody
LOCAL_RULE_0
R$+ < @ $=w . >	$: < $(unknown $1 $) > $1 < @ $2 . >
R< $* @UNKNOWN > $*	$#error $@ 5.1.1 $: "550 User unknown"
R< $* > $+ < @ $=w . >	$#file $@ $3 $: $2
"""

class Sendmail(Mailboxes):
    """Sendmail from the folder that unpack.sh made, with configuration, queue and
    mailboxes of its own: as for Postfix, everybody but nobody* exists. milters: where they listen,
    in libmilter's notation; extra: more lines of sendmail.mc."""

    TELLS_ADDRESS = True
    TELLS_UNKNOWN = False  # not built that way, although it says it can (SMFIP_RCPT_REJ)

    def __init__(self, lab, unpacked, elsewhere, domains=("example.org",), milters=(),
                 name="sendmail", port=None, host="127.0.0.1", extra=""):
        self.host, self.port = host, port or free_port()
        self.folder = lab.path(name)
        user = pwd.getpwnam("nobody")
        for folder in (self.folder, os.path.join(self.folder, "queue")):
            os.makedirs(folder)
        self.make_mailboxes()
        self.write("service.switch", "hosts files\naliases files\n")
        config = self.write("sendmail.cf", self.compile(self.write(
            "sendmail.mc", SENDMAIL_MC.format(
                unpacked=unpacked, folder=self.folder, host=host, port=self.port, extra=extra,
                user=f"{user.pw_uid}:{user.pw_gid}",
                domains="\n".join(f"LOCAL_DOMAIN(`{d}')" for d in domains),
                filters="\n".join(self.filter(i, at) for i, at in enumerate(milters))))))
        # Of the lab already now: whatever does not come up is stopped too.
        self.process = lab.add(Process(
            [os.path.join(unpacked, "usr/libexec/sendmail/sendmail"), "-bD", "-q1s", "-C", config,
             "-X", os.path.join(self.folder, "transcript")],
            os.path.join(self.folder, "sendmail.log"), env={"RES_OPTIONS": "timeout:1 attempts:1",
                 "LD_PRELOAD": os.path.abspath(elsewhere)}))
        until(lambda: answers(self.port, host) or not self.process.running(), what="Sendmail")
        if not self.process.running():
            raise RuntimeError(f"Sendmail ended: {self.process.text()}")

    @staticmethod
    def filter(number, address):
        return (f"INPUT_MAIL_FILTER(`filter{number}', "
                f"`S={address}, F=T, T=C:10s;S:10s;R:60s;E:60s')")

    @staticmethod
    def compile(source):
        done = subprocess.run(["m4", source], stdout=subprocess.PIPE, check=True)
        return done.stdout.decode()

    def text(self):
        """What was said on its connections, and what it printed."""
        with open(os.path.join(self.folder, "transcript"), encoding="utf-8",
                  errors="replace") as f:
            return self.process.text() + f.read()

    def stop(self):
        self.process.stop()


def journal_entries(program, config, *more):
    """The entries that `postern log` finds, by their ids."""
    done = subprocess.run([program, "-c", config, "log", "--json", *more], check=True,
                          stdout=subprocess.PIPE)
    found = [json.loads(line) for line in done.stdout.decode().splitlines()]
    return {entry["id"]: entry for entry in found}


class Posternd:
    """posternd in the foreground with the configuration given; {folder} in it is a folder of its
    own."""

    def __init__(self, lab, program, config, name):
        self.program = program
        self.folder = lab.path(name)
        os.makedirs(self.folder, exist_ok=True)
        self.config = os.path.join(self.folder, "postern.conf")
        self.log = os.path.join(self.folder, "posternd.log")
        self.listens = config.count("listen milter")
        self.write(config)
        self.start()

    def write(self, config):
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(config.replace("{folder}", self.folder))

    def start(self):
        ready, milters = (self.said(event) for event in ("ready", "listening front=milter"))
        self.process = Process([self.program, "-f", "-c", self.config], self.log)
        self.await_said("ready", ready + 1)
        self.await_said("listening front=milter", milters + self.listens)

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def said(self, event):
        """How often an event is in the log."""
        return self.text().count("event=" + event) if os.path.exists(self.log) else 0

    def await_said(self, event, times=1):
        def look():
            if not self.process.running():
                raise RuntimeError(f"posternd ended: {self.text()[-2000:]}")
            return self.said(event) >= times
        until(look, what=f"event={event} of posternd, {times} times")

    def reload(self, config):
        before = self.said("reload result=")
        self.write(config)
        self.process.child.send_signal(signal.SIGHUP)
        self.await_said("reload result=", before + 1)

    def postern(self, *args):
        """What the command line says, and its exit code."""
        done = subprocess.run([os.path.join(os.path.dirname(self.program), "postern"), "-c",
                               self.config, *args], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        return done.stdout.decode("utf-8", "replace"), done.returncode

    def entries(self, *more):
        return journal_entries(os.path.join(os.path.dirname(self.program), "postern"),
                               self.config, *more)

    def await_entries(self, recipient, n=1):
        """Those of messages for it: of what was accepted they come a little behind the reply."""
        def there():
            found = [e for e in self.entries().values() if e["recipients"] == [recipient]]
            return found if len(found) >= n else None
        return until(there, what=f"{n} entries for {recipient}")

    def children(self):
        found = []
        for name in os.listdir("/proc"):
            try:
                with open(f"/proc/{name}/stat", encoding="latin-1") as f:
                    fields = f.read().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z" and int(fields[1]) == self.process.child.pid:
                found.append(int(name))
        return found

    def worker(self):
        """The child that holds the journal; None when there is none at the moment."""
        for pid in self.children():
            try:
                held = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
            except OSError:
                continue
            if any(path.endswith("/journal.db") for path in held):
                return pid
        return None

    def milter_process(self):
        return next((pid for pid in self.children() if pid != self.worker()), None)

    def stop(self):
        return self.process.stop()

    def faults(self):
        """Lines of the log that no run should have."""
        bad = r"Sanitizer|runtime error|event=fault|panic|assert"
        return "\n".join(line for line in self.text().splitlines() if re.search(bad, line))


def sign(message, domain, selector, key_file):
    """The message (octets, CRLF) with a DKIM-Signature (rsa-sha256) in front."""
    done = subprocess.run(["/usr/bin/dkimsign", selector, domain, key_file], input=message,
                          stdout=subprocess.PIPE, check=True)
    return done.stdout.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def make_key(path):
    """A new RSA key; the text of its DKIM record."""
    subprocess.run(["openssl", "genrsa", "-out", path, "2048"], check=True,
                   stderr=subprocess.DEVNULL)
    public = subprocess.run(["openssl", "rsa", "-in", path, "-pubout"], check=True,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
    middle = "".join(line for line in public.splitlines() if not line.startswith("-"))
    return f"v=DKIM1; k=rsa; p={middle}"


def message(sender, recipient, subject, body="Hello\n", more=""):
    """A plain message, octets with CRLF."""
    text = (f"From: <{sender}>\nTo: <{recipient}>\nSubject: {subject}\n"
            f"Date: {email.utils.formatdate()}\n"
            f"Message-ID: {email.utils.make_msgid(domain='demo.test')}\n{more}\n{body}")
    return text.encode().replace(b"\n", b"\r\n")


def swaks(port, sender, recipient, data, more=()):
    """Sends the message (octets, CRLF) with swaks; the whole transcript, and its exit code."""
    with tempfile.NamedTemporaryFile() as f:
        # swaks would add a line; so it gets what goes over the wire,
        # but for the last line end.
        f.write(re.sub(rb"^\.", b"..", data, flags=re.M) + b".")
        f.flush()
        done = subprocess.run(
            ["swaks", "--server", "127.0.0.1", "--port", str(port), "--from", sender,
             "--to", recipient, "--timeout", "60", "--no-data-fixup", "--data", "@" + f.name,
             *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.stdout.decode("utf-8", "replace"), done.returncode
