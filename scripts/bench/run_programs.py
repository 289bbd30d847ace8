"""Runs the clients as whole processes beside the commands of curl that make the same calls.

A daemon without tokens listens on a loopback address and is used by nobody else. Every command is
started by posix_spawn, in turns, and is timed from there to its end; each has to succeed, and to
print what it should. Prints one JSON object.
"""

import argparse
import http.client
import json
import os
import pty
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

TITLE = "Deploy to production?"
# What `requester` sends when nothing else is said; the same key has to come with the same members.
LEASE_SECS = 120
# More than any of this takes, on a machine that is busy, too.
PATIENCE_SECS = 30


class Failed(Exception):
    """What was measured did not do what it should."""


class Daemon:
    """The calls that are not measured, on one connection."""

    def __init__(self, address):
        self.address = address
        self.http = http.client.HTTPConnection(address, timeout=PATIENCE_SECS)

    def call(self, method, path, body=None, headers=None):
        headers = {"Content-Type": "application/json", **(headers or {})}
        self.http.request(method, path, None if body is None else json.dumps(body), headers)
        response = self.http.getresponse()
        text = response.read()
        if response.status not in (200, 201):
            raise Failed(f"{method} {path}: {response.status} {text!r}")
        return json.loads(text)

    def ask(self, key=None):
        body = {"title": TITLE, "lease_secs": LEASE_SECS} if key else {"title": TITLE}
        return self.call("POST", "/v1/requests", body, {"Idempotency-Key": key} if key else None)["id"]

    def approve(self, request):
        self.call("POST", f"/v1/requests/{request}/decision", {"verdict": "approve"})


class Decider(threading.Thread):
    """Approves all that is asked, at once: it reads the stream of events."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.stream = http.client.HTTPConnection(address)
        self.stream.request("GET", "/v1/events", headers={"Accept": "application/x-ndjson"})
        self.events = self.stream.getresponse()
        self.to = Daemon(address)

    def run(self):
        for line in self.events:
            event = json.loads(line) if line.strip() else {}
            request = event.get("data", event)
            if isinstance(request, dict) and request.get("status") == "pending":
                self.to.approve(request["id"])


class Runner:
    """Starts commands, one at a time, and reads what they have used."""

    def __init__(self, work):
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(work)}
        self.out = str(work / "programs.out")
        self.err = str(work / "programs.err")

    def run(self, *command, expected):
        """Wall time and CPU time in ms; `expected` has to be in what is printed."""
        write = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, self.out, write, 0o600),
            (os.POSIX_SPAWN_OPEN, 2, self.err, write, 0o600),
        ]
        begun = time.perf_counter()
        pid = os.posix_spawn(command[0], command, self.environment, file_actions=actions)
        _, status, used = os.wait4(pid, 0)
        wall = (time.perf_counter() - begun) * 1000
        text = Path(self.out).read_text()
        said = text + Path(self.err).read_text()
        if os.waitstatus_to_exitcode(status) != 0 or expected not in said:
            raise Failed(f"{' '.join(command)}: {status}: {said}")
        return wall, (used.ru_utime + used.ru_stime) * 1000, text

    def peak(self, *command):
        """Peak memory in KiB, by time(1); this process would count its own, too."""
        tool = shutil.which("time")
        if tool is None:
            return None
        line = [tool, "-f", "%M", "-o", self.err, *command]
        subprocess.run(line, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, check=True)
        return int(Path(self.err).read_text())


def summary(values):
    tenths = statistics.quantiles(values, n=10, method="inclusive") if len(values) > 1 else values * 9
    return {"p10": tenths[0], "p50": statistics.median(values), "p90": tenths[8], "least": min(values)}


class Bench:
    """The pairs of commands: by our clients, and by curl."""

    def __init__(self, directory, address, work):
        self.url = f"http://{address}"
        self.daemon = Daemon(address)
        self.address = address
        self.runner = Runner(work)
        self.requester = str(directory / "requester")
        self.approver = str(directory / "approver")
        self.curl = shutil.which("curl") or sys.exit("run_programs.py: there is no curl")
        self.number = 0
        self.key = self.fresh()
        self.known = self.daemon.ask(self.key)
        self.daemon.approve(self.known)

    def fresh(self):
        self.number += 1
        return f"bench-{os.getpid()}-{self.number}"

    def ours(self, program, *arguments, expected=""):
        return self.runner.run(program, "--url", self.url, *arguments, expected=expected)

    def curled(self, path, *arguments, expected):
        return self.runner.run(self.curl, "-fsS", *arguments, self.url + path, expected=expected)

    def posted(self, path, body, *arguments, expected):
        json_type = ["-H", "Content-Type: application/json"]
        return self.curled(path, *json_type, *arguments, "-d", json.dumps(body), expected=expected)

    # What each of these gives is a list of measured commands, which count together.

    def answered_ours(self):
        """The answer is there already: an ask that was made before, under the same key."""
        return [self.ours(self.requester, "-m", TITLE, "--key", self.key, expected="approved")]

    def answered_curl(self):
        body = {"title": TITLE, "lease_secs": LEASE_SECS}
        key = ["-H", f"Idempotency-Key: {self.key}"]
        return [self.posted("/v1/requests", body, *key, expected='"status":"approved"')]

    def asked_ours(self):
        """A new ask, which somebody approves at once."""
        return [self.ours(self.requester, "-m", TITLE, expected="approved")]

    def asked_curl(self):
        """The same two calls: the ask, and the poll."""
        body = {"title": TITLE, "lease_secs": LEASE_SECS}
        first = self.posted("/v1/requests", body, expected='"status":"pending"')
        request = json.loads(first[2])["id"]
        wait = ["-H", "Prefer: wait=30"]
        return [first, self.curled(f"/v1/requests/{request}", *wait, expected='"status":"approved"')]

    def asked_curl_once(self):
        """One call that asks and waits, which knows no id when it breaks."""
        body = {"title": TITLE, "lease_secs": LEASE_SECS}
        wait = ["-H", "Prefer: wait=30"]
        return [self.posted("/v1/requests", body, *wait, expected='"status":"approved"')]

    def status_ours(self):
        return [self.ours(self.requester, "status", self.known, expected="approved")]

    def status_curl(self):
        return [self.curled(f"/v1/requests/{self.known}", expected='"status":"approved"')]

    def approve_ours(self):
        request = self.daemon.ask()
        return [self.ours(self.approver, "approve", request, expected="approved")]

    def approve_curl(self):
        path = f"/v1/requests/{self.daemon.ask()}/decision"
        return [self.posted(path, {"verdict": "approve"}, expected='"status":"approved"')]

    def list_ours(self):
        return [self.ours(self.approver, "list", "--status", "all", "--limit", "20", expected=TITLE)]

    def list_curl(self):
        return [self.curled("/v1/requests?limit=20", expected=TITLE)]

    def nothing(self):
        """What it costs to start any process at all."""
        return [self.runner.run(shutil.which("true"), expected="")]

    def measure(self, times):
        """Each of them so many times, in turns."""
        ways = {
            "nothing": {"true": self.nothing},
            "answered": {"ours": self.answered_ours, "curl": self.answered_curl},
            "status": {"ours": self.status_ours, "curl": self.status_curl},
            "approve": {"ours": self.approve_ours, "curl": self.approve_curl},
            "list": {"ours": self.list_ours, "curl": self.list_curl},
        }
        told = self.in_turns(ways, times)
        Decider(self.address).start()
        asked = {"ours": self.asked_ours, "curl": self.asked_curl, "one curl": self.asked_curl_once}
        return told | self.in_turns({"asked": asked}, times)

    def in_turns(self, ways, times):
        taken = {(case, who): [] for case, both in ways.items() for who in both}
        # The first run of each brings its files into memory.
        for turn in range(times + 1):
            order = list(taken)
            order = order if turn % 2 else order[::-1]
            for case, who in order:
                runs = ways[case][who]()
                if turn:
                    taken[case, who].append((sum(run[0] for run in runs), sum(run[1] for run in runs)))
        told = {}
        for (case, who), runs in taken.items():
            figures = {"wall_ms": summary([wall for wall, _ in runs]), "cpu_ms": summary([cpu for _, cpu in runs])}
            told.setdefault(case, {})[who] = figures
        return told

    def peaks(self):
        """Peak memory of processes that end by themselves, in KiB."""
        ours = ["--url", self.url]
        pending = self.daemon.ask()
        return {
            "requester, answered": self.runner.peak(self.requester, *ours, "-m", TITLE, "--key", self.key),
            "requester status": self.runner.peak(self.requester, *ours, "status", self.known),
            "approver approve": self.runner.peak(self.approver, *ours, "approve", pending),
            "approver list": self.runner.peak(self.approver, *ours, "list", "--status", "all"),
            "curl": self.runner.peak(self.curl, "-fsS", f"{self.url}/v1/requests/{self.known}"),
        }

    def waiting(self):
        """Peak memory in KiB and threads of those that stay, read while they wait."""
        pending = self.daemon.ask()
        return {
            "requester, waiting": self.held(pending, [self.requester, "--url", self.url, "wait", pending]),
            "approver, with a question": self.held(pending, [self.approver, "--url", self.url]),
            "approver watch": self.held(pending, [self.approver, "--url", self.url, "watch", "--json"]),
        }

    def held(self, shown, command):
        """Starts it at a terminal of its own, where people use it, until it shows the request."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(command[0], command, {**self.runner.environment, "TERM": "xterm"})
        try:
            wait_for(terminal, (shown[:8].encode(), TITLE.encode()))
            about = Path(f"/proc/{pid}/status").read_text()
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(terminal)
        facts = dict(line.split(":", 1) for line in about.splitlines())
        return {"peak_kib": int(facts["VmHWM"].split()[0]), "threads": int(facts["Threads"])}


def stripped(program, work):
    """Bytes of a program without symbols, as it is released, whatever this build has kept."""
    tool, copy = shutil.which("strip"), work / "stripped"
    if tool is None:
        return program.stat().st_size
    subprocess.run([tool, "-o", str(copy), str(program)], check=True)
    size = copy.stat().st_size
    copy.unlink()
    return size


def wait_for(terminal, signs):
    """Reads until one of the signs is on the terminal."""
    seen, limit = b"", time.monotonic() + PATIENCE_SECS
    while not any(sign in seen for sign in signs):
        if time.monotonic() > limit:
            raise Failed(f"this is all that was shown: {seen!r}")
        seen += os.read(terminal, 65536)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=Path, required=True, help="where the programs are")
    parser.add_argument("--address", required=True, help="host and port of the daemon")
    parser.add_argument("--times", type=int, required=True)
    parser.add_argument("--work", type=Path, required=True, help="a directory for files that are thrown away")
    return parser.parse_args()


def main():
    args = arguments()
    bench = Bench(args.bin.resolve(), args.address, args.work.resolve())
    load = os.getloadavg()[0]
    try:
        told = {
            "workload": "programs",
            "load_average": load,
            "cores": os.cpu_count(),
            "times": args.times,
            "peak_kib": bench.peaks(),
            "waiting": bench.waiting(),
            # The last, as from here on all that is asked is approved at once.
            "cases": bench.measure(args.times),
            "binary_bytes": {
                name: stripped(args.bin / name, args.work) for name in ("pushd", "requester", "approver")
            },
        }
    except Failed as failure:
        sys.exit(f"run_programs.py: {failure}")
    print(json.dumps(told))


if __name__ == "__main__":
    main()
