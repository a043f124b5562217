"""accounts: one account, for MTAs that ask Cyrus SASL and for one that has a list of its own."""

import os
import shutil
import subprocess

USER = "alice"
PASSWORD = f"kuckuck-{os.getpid()}"

CYRUS = """pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {db}
mech_list: PLAIN LOGIN
"""


def missing():
    """Why nobody can be put into Cyrus SASL's file."""
    return None if shutil.which("saslpasswd2") else "saslpasswd2 is missing"


def cyrus(lab):
    """What is to be in the configuration for Cyrus SASL; and a folder that has it for Sendmail."""
    folder = lab.path("sasl")
    db = os.path.join(folder, "sasldb2")
    os.makedirs(folder)
    if not missing():
        subprocess.run(["saslpasswd2", "-p", "-c", "-f", db, "-u", "mta.example.org", USER],
                       input=PASSWORD.encode(), check=True)
        os.chmod(db, 0o644)
    with open(os.path.join(folder, "Sendmail.conf"), "w", encoding="ascii") as f:
        f.write(CYRUS.format(db=db))
    return CYRUS.format(db=db), folder


POSTFIX = """smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
smtpd_sasl_local_domain = mta.example.org
smtpd_sasl_authenticated_header = yes
"""

SENDMAIL = """TRUST_AUTH_MECH(`PLAIN LOGIN')
define(`confAUTH_MECHANISMS', `PLAIN LOGIN')
define(`confAUTH_REALM', `mta.example.org')
LOCAL_CONFIG
ESASL_CONF_PATH={folder}
"""

EXIM = f"""plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and {{{{eq{{$auth2}}{{{USER}}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth2

login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = <| Username: | Password:
  server_condition = ${{if and {{{{eq{{$auth1}}{{{USER}}}}}{{eq{{$auth2}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth1
"""
