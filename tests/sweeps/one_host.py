"""A SLURM of this machine alone, with one node, of Debian's packages slurm-wlm and munge.

It has its own settings, key, ports and folder, and touches no other SLURM.
"""

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from contextlib import closing, suppress

DAEMONS = ("munged", "slurmctld", "slurmd")
PROGRAMS = ("sbatch", "scancel", "scontrol", "squeue", "srun")
SETTINGS = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
ReturnToService=2
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdSpoolDir={folder}/spool
StateSaveLocation={folder}/state
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,batch_sched_delay=0
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""
SECONDS = 60.0  # that it may take to be ready


def missing():
    """The programs that this machine lacks; Debian keeps daemons out of the PATH of users."""
    return [p for p in (*DAEMONS, *PROGRAMS) if _found(p) is None]


def start(folder):
    """Starts it, with what it keeps in an empty folder; what its users' environment holds.

    Raises:
        RuntimeError: It is not ready in a minute; the message is what its daemons say.
    """
    for name in ("spool", "state"):
        (folder / name).mkdir()
    host, user = socket.gethostname().partition(".")[0], getpass.getuser()
    facts = {"host": host, "user": user, "folder": folder, "cpus": os.cpu_count()}
    (folder / "slurm.conf").write_text(SETTINGS.format(ports=_free(2), **facts))
    (folder / "munge.key").write_bytes(secrets.token_bytes(1024))
    (folder / "munge.key").chmod(0o400)
    folder.chmod(0o755)  # munge's clients pass it
    own = {name: f"{folder}/munge.{name}" for name in ("key", "socket", "log", "seed", "pid")}
    files = [f"--{n}-file={own[n]}" for n in ("key", "log", "seed", "pid")]
    environment = {"SLURM_CONF": f"{folder}/slurm.conf"}
    commands = [["munged", "--force", f"--socket={own['socket']}", *files]]
    commands += [["slurmctld"], ["slurmd"]]
    said = ""
    for name, *options in commands:
        done = subprocess.run(
            [_found(name), *options],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
        )
        said += done.stdout + done.stderr
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if "idle" in _output(["sinfo", "--noheader", "-o", "%T"], environment):
            return environment
        time.sleep(0.5)
    logs = [path.read_text()[-500:] for path in sorted(folder.glob("*.log"))]
    stop(folder)
    raise RuntimeError(" ".join([said, *logs]))


def stop(folder):
    """Ends its jobs and its daemons."""
    environment = {"SLURM_CONF": f"{folder}/slurm.conf"}
    _output(["scancel", "--quiet", f"--user={getpass.getuser()}"], environment)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and _output(["squeue", "--noheader"], environment):
        time.sleep(0.5)
    for name in ("slurmd", "slurmctld", "munge"):
        with suppress(OSError, ValueError):
            os.kill(int((folder / f"{name}.pid").read_text()), signal.SIGTERM)


def _found(program):
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")


def _output(command, environment):
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True)
    return done.stdout.decode()


def _free(count):
    """Ports that nothing listens at."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        with closing(one):
            continue
    return ports
