"""lab: real servers for tests and for the demonstration, each in a folder of its own below one
temporary folder, on loopback, on ports that were free. Nothing of the system's own servers is
touched. Whatever was started is ended, by its process id, when the lab is closed.
"""

import email.utils
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

USERS = ["alice", "bob", "carol", "dave", "erin", "frank", "postmaster"] + [
    f"user{n}" for n in range(40)]
START_LIMIT = 30  # seconds for a server to come up


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


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

    def stop(self, limit=20):
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
    """Mailboxes as folders: self.mail/DOMAIN/NAME/new/*."""

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

    def await_messages(self, address, n=1, limit=20):
        until(lambda: len(self.messages(address)) >= n, limit, f"{n} messages for {address}")
        return self.messages(address)


class Postfix(Mailboxes):
    """A Postfix instance with its own configuration, queue and mailboxes: everybody in
    `domains` exists, but for those whose name begins with "nobody"."""

    def __init__(self, lab, domains=("example.org",), milters="", name="postfix", extra="",
                 xclient=True, greeting_port=None):
        self.port = greeting_port or free_port()
        self.folder = lab.path(name)
        self.conf = os.path.join(self.folder, "conf")
        self.mail = os.path.join(self.folder, "mail")
        self.log = os.path.join(self.folder, "maillog")
        self.name = name
        owner = pwd.getpwnam("postfix")
        for folder in (self.folder, self.conf, os.path.join(self.folder, "queue")):
            os.makedirs(folder)
            os.chmod(folder, 0o755)
        for folder, user in ((os.path.join(self.folder, "data"), owner.pw_uid),
                             (self.mail, pwd.getpwnam("nobody").pw_uid)):
            os.makedirs(folder)
            os.chown(folder, user, -1)
        with open(os.path.join(self.conf, "mailboxes"), "w", encoding="utf-8") as f:
            for domain in domains:
                for user in USERS:
                    f.write(f"{user}@{domain} {domain}/{user}/\n")
        with open(os.path.join(self.conf, "main.cf"), "w", encoding="utf-8") as f:
            f.write(self.main_cf(domains, milters, xclient) + extra)
        with open(os.path.join(self.conf, "master.cf"), "w", encoding="utf-8") as f:
            f.write(self.master_cf())
        open(os.path.join(self.conf, "dynamicmaps.cf"), "w", encoding="utf-8").close()
        subprocess.run(["postfix", "-c", self.conf, "start"], check=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        until(lambda: answers(self.port), what="Postfix")

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
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtp_dns_support_level = disabled
smtputf8_enable = yes
smtpd_peername_lookup = no
smtpd_recipient_restrictions = reject_unlisted_recipient, permit_mynetworks, reject_unauth_destination
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
virtual_mailbox_domains = {', '.join(domains)}
virtual_mailbox_base = {self.mail}
virtual_mailbox_maps = texthash:{self.conf}/mailboxes
virtual_uid_maps = static:{pwd.getpwnam('nobody').pw_uid}
virtual_gid_maps = static:{pwd.getpwnam('nobody').pw_gid}
virtual_minimum_uid = 1
smtpd_authorized_xclient_hosts = {'127.0.0.0/8' if xclient else ''}
smtpd_milters = {milters}
milter_default_action = tempfail
message_size_limit = 60000000
mailbox_size_limit = 0
virtual_mailbox_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_connection_count_limit = 0
"""

    def master_cf(self):
        return f"""127.0.0.1:{self.port} inet n - n - 100 smtpd
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
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def stop(self):
        subprocess.run(["postfix", "-c", self.conf, "stop"], stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, check=False)


SENDMAIL_MC = """divert(-1)
define(`_CF_DIR_', `{unpacked}/usr/share/sendmail/cf/')
include(`{unpacked}/usr/share/sendmail/cf/m4/cf.m4')
OSTYPE(`linux')
define(`confDOMAIN_NAME', `mta.example.org')
define(`confTRUSTED_USERS', `root')
define(`confPID_FILE', `{folder}/pid')
define(`confSERVICE_SWITCH_FILE', `{folder}/service.switch')
define(`confDONT_BLAME_SENDMAIL', `groupwritabledirpathsafe')
define(`confEIGHT_BIT_HANDLING', `pass8')
define(`confTO_IDENT', `0')
define(`confMILTER_LOG_LEVEL', `9')
define(`confCONNECTION_RATE_THROTTLE', `0')
define(`confBAD_RCPT_THROTTLE', `0')
undefine(`ALIAS_FILE')
define(`QUEUE_DIR', `{folder}/queue')
define(`STATUS_FILE', `{folder}/statistics')
define(`HELP_FILE', `{folder}/help')
FEATURE(`no_default_msa')
FEATURE(`nocanonify')
FEATURE(`accept_unresolvable_domains')
FEATURE(`accept_unqualified_senders')
DAEMON_OPTIONS(`Name=MTA,Addr=127.0.0.1,Port={port},Family=inet')
{domains}
{filters}
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

SENDMAIL_DELIVER = """#!/bin/sh
# deliver DOMAIN NAME: a message into a file of its own, whole or not at all
folder="{mail}/$1/$2"
mkdir -p "$folder/tmp" "$folder/new" || exit 75
file=$(date +%s.%N).$$
cat >"$folder/tmp/$file" && mv "$folder/tmp/$file" "$folder/new/$file" || exit 75
"""


class Sendmail(Mailboxes):
    """Sendmail from the folder that unpack-sendmail.sh made, with configuration, queue and
    mailboxes of its own: as for Postfix, everybody but nobody* exists. milters: where they listen,
    in libmilter's notation."""

    def __init__(self, lab, unpacked, dotted_hostname, domains=("example.org",), milters=(),
                 name="sendmail", port=None):
        self.port = port or free_port()
        self.folder = lab.path(name)
        self.mail = os.path.join(self.folder, "mail")
        user = pwd.getpwnam("nobody")
        for folder in (self.folder, os.path.join(self.folder, "queue"), self.mail):
            os.makedirs(folder)
        os.chown(self.mail, user.pw_uid, user.pw_gid)
        self.write("service.switch", "hosts files\naliases files\n")
        self.write("deliver", SENDMAIL_DELIVER.format(mail=self.mail), mode=0o755)
        config = self.write("sendmail.cf", self.compile(self.write(
            "sendmail.mc", SENDMAIL_MC.format(
                unpacked=unpacked, folder=self.folder, port=self.port,
                user=f"{user.pw_uid}:{user.pw_gid}",
                domains="\n".join(f"LOCAL_DOMAIN(`{d}')" for d in domains),
                filters="\n".join(self.filter(i, at) for i, at in enumerate(milters))))))
        self.process = Process(
            [os.path.join(unpacked, "usr/libexec/sendmail/sendmail"), "-bD", "-q1s", "-C", config,
             "-X", os.path.join(self.folder, "transcript")],
            os.path.join(self.folder, "sendmail.log"), env={"RES_OPTIONS": "timeout:1 attempts:1",
                 "LD_PRELOAD": os.path.abspath(dotted_hostname)})
        until(lambda: answers(self.port) or not self.process.running(), what="Sendmail")
        if not self.process.running():
            raise RuntimeError(f"Sendmail ended: {self.process.text()}")

    def write(self, name, text, mode=0o644):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

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


class Posternd:
    """posternd in the foreground with the configuration given; {folder} in it is a folder of its
    own."""

    def __init__(self, lab, program, config, name):
        self.folder = lab.path(name)
        os.makedirs(self.folder, exist_ok=True)
        self.config = os.path.join(self.folder, "postern.conf")
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(config.replace("{folder}", self.folder))
        self.process = Process([program, "-f", "-c", self.config],
                               os.path.join(self.folder, "posternd.log"))
        self.process.expect("event=ready")
        if "listen milter" in config:
            self.process.expect("event=listening front=milter")

    def reload(self, config):
        before = self.process.text().count("event=reload result=")
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(config.replace("{folder}", self.folder))
        self.process.child.send_signal(signal.SIGHUP)
        until(lambda: self.process.text().count("event=reload result=") > before,
              what="the reload")

    def stop(self):
        return self.process.stop()


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
             "--to", recipient, "--timeout", "30", "--no-data-fixup", "--data", "@" + f.name,
             *more], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.stdout.decode("utf-8", "replace"), done.returncode
