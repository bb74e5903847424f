"""Processes of a test cluster. Their ids are recorded together with their start times, so that an id that was given to
another process is never signalled."""

import os
import signal
import subprocess
import time


def started(pid):
    """When a process started, in ticks since boot; None if it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


class Processes:
    """The processes of the cluster in a folder, by name."""

    def __init__(self, folder):
        self.records = folder / "run"
        self.logs = folder / "log"

    def pid(self, name):
        """The id of a process that runs; None otherwise."""
        try:
            pid, birth = map(int, (self.records / f"{name}.process").read_text().split())
        except (OSError, ValueError):
            return None
        return pid if started(pid) == birth else None

    def lives(self, name):
        return self.pid(name) is not None

    def names(self):
        return sorted(file.stem for file in self.records.glob("*.process"))

    def start(self, name, command):
        if self.lives(name):
            return
        with open(self.logs / f"{name}.out", "ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        (self.records / f"{name}.process").write_text(f"{process.pid} {started(process.pid) or 0}")

    def end(self, name, patience):
        """Asks a process to end, and kills it if it does not within `patience` seconds."""
        deadline = time.monotonic() + patience
        wanted = signal.SIGTERM
        while (pid := self.pid(name)) is not None:
            if time.monotonic() > deadline:
                wanted = signal.SIGKILL
            if wanted is not None:
                try:
                    os.kill(pid, wanted)
                except ProcessLookupError:
                    break
                wanted = None
            time.sleep(0.02)
        (self.records / f"{name}.process").unlink(missing_ok=True)
