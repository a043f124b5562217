"""exim: Exim from the folder that unpack.sh made, with configuration, spool and mailboxes of its own:
as for the other MTAs of lab.py, everybody in `domains` exists, but for those whose name begins with
"nobody". It runs as the user nobody once it has its port."""

import os
import pwd
import subprocess

from lab import Mailboxes, Process, answers, free_port, until

PROGRAM = "usr/sbin/exim4"
LIBRARIES = "usr/lib/x86_64-linux-gnu"

# The preloaded functions and the libraries have to be there when it runs itself again.
CONFIG = """exim_path = {program}
exim_user = nobody
exim_group = nogroup
deliver_drop_privilege
keep_environment = LD_PRELOAD : LD_LIBRARY_PATH
primary_hostname = mta.example.org
spool_directory = {folder}/spool
log_file_path = {folder}/log/%s
log_selector = +all
pid_file_path = {folder}/pid
local_interfaces = {host}
daemon_smtp_ports = {port} : {proxied}
hosts_proxy = ${{if eq{{$received_port}}{{{proxied}}}{{*}}}}
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 200
message_size_limit = 60M
dsn_advertise_hosts = *
smtputf8_advertise_hosts = *
acl_smtp_rcpt = rcpt
acl_smtp_data = data
{extra}
begin acl
rcpt:
  deny local_parts = ^nobody
       message = User unknown
  accept domains = {domains}
  accept authenticated = *
  deny message = Relaying denied
data:
  accept

begin routers
all:
  driver = accept
  transport = file

begin transports
file:
  driver = pipe
  command = {folder}/deliver
  user = nobody
  message_prefix =
  message_suffix =

begin authenticators
{authenticators}
"""


def start_with(unpacked, elsewhere):
    """The environment that it needs."""
    return {"LD_PRELOAD": os.path.abspath(elsewhere),
            "LD_LIBRARY_PATH": os.path.join(unpacked, LIBRARIES)}


def cannot_start(unpacked, elsewhere):
    """Why it would not start here: a library that is missing; None when all is well."""
    done = subprocess.run([os.path.join(unpacked, PROGRAM), "-C", "/dev/null", "-bV"], check=False,
                          env={**os.environ, **start_with(unpacked, elsewhere)},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return None if done.returncode == 0 else done.stdout.decode("utf-8", "replace").strip()


class Exim(Mailboxes):
    """proxied: another port, at which it takes the PROXY protocol. extra, authenticators: more lines
    of its configuration."""

    def __init__(self, lab, unpacked, elsewhere, domains=("example.org",), host="127.0.0.1", extra="",
                 authenticators=""):
        self.host, self.port, self.proxied = host, free_port(), free_port()
        self.folder = lab.path("exim")
        os.makedirs(self.folder)
        self.make_mailboxes()
        user = pwd.getpwnam("nobody")
        for name in ("spool", "log"):
            os.makedirs(os.path.join(self.folder, name))
            os.chown(os.path.join(self.folder, name), user.pw_uid, user.pw_gid)
        program = os.path.join(unpacked, PROGRAM)
        config = self.write("exim.conf", CONFIG.format(
            program=program, folder=self.folder, host=host, port=self.port, proxied=self.proxied,
            domains=" : ".join(domains), extra=extra, authenticators=authenticators))
        self.process = lab.add(Process([program, "-C", config, "-bdf"],
                                       os.path.join(self.folder, "exim.log"),
                                       env=start_with(unpacked, elsewhere)))
        until(lambda: answers(self.port, host) or not self.process.running(), what="Exim")
        if not self.process.running():
            raise RuntimeError(f"Exim ended: {self.text()}")

    def text(self):
        """Its log, and what it printed."""
        found = self.process.text()
        for name in ("main", "reject", "panic"):
            path = os.path.join(self.folder, "log", name)
            if os.path.exists(path):
                with open(path, encoding="utf-8", errors="replace") as f:
                    found += f.read()
        return found

    def stop(self):
        self.process.stop()
