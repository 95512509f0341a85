"""Starts Node in a mount namespace of its own, where a function finds /var/task, /opt and a private /tmp as in Lambda."""

import os
import shutil
import subprocess
from pathlib import Path

NODE = os.environ["LAMBDA_PROCESS_NODE"]
RUNTIME = Path(__file__).parent / "runtime"
AUTHORITIES = os.environ["LAMBDA_PROCESS_AUTHORITIES"]
NAMESPACE = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-Urm"]

# Everything is bound below $T first: what it comes from may lie in /var or /tmp, which are then covered.
_SCRIPT = """set -e
mkdir -p "$T/mnt/task" "$T/mnt/opt" "$T/mnt/runtime" "$T/mnt/tmp" "$T/mnt/bin"
mount --bind "$NODE_DIRECTORY" "$T/mnt/bin"
mount --bind "$TASK" "$T/mnt/task"
mount --bind "$OPT" "$T/mnt/opt"
mount --bind "$RUNTIME" "$T/mnt/runtime"
mount --bind "$T/tmp" "$T/mnt/tmp"
mount -t tmpfs -o size=1m tmpfs /var
mkdir -p /var/task /var/runtime /var/tmp /var/lang/bin
if [ -f "$T/authorities.pem" ]; then cp "$T/authorities.pem" /var/authorities.pem; export NODE_EXTRA_CA_CERTS=/var/authorities.pem; fi
mount --bind "$T/mnt/bin" /var/lang/bin
mount --bind "$T/mnt/task" /var/task && mount -o remount,bind,ro /var/task
mount --bind "$T/mnt/runtime" /var/runtime && mount -o remount,bind,ro /var/runtime
mount --bind "$T/mnt/opt" /opt && mount -o remount,bind,ro /opt
mount --bind "$T/mnt/tmp" /tmp
cd /var/task
unset T TASK OPT RUNTIME NODE_DIRECTORY OLDPWD
exec "$@"
"""


def check_namespace() -> None:
    """Raises with a sentence where this machine gives no mount namespace."""
    tried = subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/var"], capture_output=True, text=True)
    if tried.returncode != 0:
        raise RuntimeError(
            "Lambda functions need a mount namespace, and this machine gives none: run the tests as root, or allow "
            f"unprivileged user namespaces ({' '.join(NAMESPACE)}: {tried.stderr.strip()})"
        )


def start_node(directory: Path, task: Path, opt: Path, memory: int, env: dict[str, str], output) -> subprocess.Popen:
    """The child ends when the pipe that is its standard input does, so it cannot outlive LocalStack."""
    if os.path.exists(AUTHORITIES):
        shutil.copyfile(AUTHORITIES, directory / "authorities.pem")
    binary = f"/var/lang/bin/{os.path.basename(NODE)}"
    heap = f"--max-old-space-size={max(64, int(memory * 0.9))}"
    return subprocess.Popen(
        [*NAMESPACE, "sh", "-c", _SCRIPT, "sh", binary, heap, "/var/runtime/bootstrap.mjs"],
        env={
            "LANG": "en_US.UTF-8",
            "NODE_PATH": "/opt/nodejs/node_modules:/var/runtime/node_modules:/var/runtime:/var/task",
            **env,
            "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin",
            "T": str(directory),
            "TASK": str(task),
            "OPT": str(opt),
            "RUNTIME": str(RUNTIME),
            "NODE_DIRECTORY": os.path.dirname(NODE),
        },
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
