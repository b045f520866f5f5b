"""A Kubernetes API server for tests: the protocol as clients see it, with the job controller, the
scheduler and the kubelet behind it played by a script.

    kube_server.py SCRIPT.json

Speaks create, get, list (label selectors, pages), watch (resourceVersion, bookmarks, timeouts, 410),
server-side apply, delete and pod logs over HTTP/1.1, of Jobs, Pods, ConfigMaps and Events in one
namespace. A container runs the real program. Prints its port; ends when standard input does.

The script: {
  "program": the binary that a container's arguments are given to, "arguments": more of them,
  "environment": {…} for containers,
  "pods": {"TARGET/INDEX": [what happens to the first pod, to the second, …]}, the last for all after;
          "*" for the rest. What happens: ok, evict, evict-early, preempt, unschedulable, image, config,
          oom, crash, deadline, drain, no-log, spoil-log, cut-log, mute, node-slow
  "jobs": {"TARGET": no-pods | suspend | vanish},
  "faults": [{"method", "path": regular expression, "answers": [429, 503, "drop", "lost", …]}],
  "watch": {"drop_after": events a watch brings before its connection ends,
            "forget_after": events after which the past is forgotten (410) }
}
GET /_state tells the objects that are there, every request so far, and how many watches were dropped
or ended because the past was forgotten.
"""

import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

SCRIPT = json.load(open(sys.argv[1]))
NAMESPACE = "bench"
KINDS = {"jobs": ("batch/v1", "Job"), "pods": ("v1", "Pod"), "configmaps": ("v1", "ConfigMap"),
         "events": ("v1", "Event")}


def now():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Cluster:
    """Objects, their history, and those who wait for changes."""

    def __init__(self):
        self.change = threading.Condition(threading.RLock())
        self.objects = {kind: {} for kind in KINDS}
        self.history = []  # (version, kind, type, object as JSON)
        self.version = 100
        self.forgotten = 0
        self.logs = {}
        self.requests = []
        self.answered = {}
        self.told = {"dropped": 0, "forgotten": 0}

    def put(self, kind, obj, how="MODIFIED"):
        with self.change:
            self.version += 1
            obj["metadata"]["resourceVersion"] = str(self.version)
            name = obj["metadata"]["name"]
            if how == "DELETED":
                self.objects[kind].pop(name, None)
            else:
                self.objects[kind][name] = obj
            self.history.append((self.version, kind, how, json.dumps(obj)))
            limit = SCRIPT.get("watch", {}).get("forget_after")
            if limit and len(self.history) > limit:
                self.forgotten = self.history[-1][0] - 1
                self.history = self.history[-1:]
            self.change.notify_all()

    def create(self, kind, obj):
        version, name = KINDS[kind]
        obj.setdefault("apiVersion", version)
        obj.setdefault("kind", name)
        obj["metadata"].update(namespace=NAMESPACE, uid=str(uuid.uuid4()), creationTimestamp=now())
        self.put(kind, obj, "ADDED")

    def get(self, kind, name):
        with self.change:
            return self.objects[kind].get(name)


CLUSTER = Cluster()


def selected(obj, selector):
    labels = obj["metadata"].get("labels", {})
    pairs = [part.split("=", 1) for part in selector.split(",") if part]
    return all(labels.get(key) == value for key, value in pairs)


class Controller(threading.Thread):
    """One job: makes pods for its indexes, counts what they come to."""

    def __init__(self, name):
        super().__init__(daemon=True)
        self.name_of_job = name
        self.completed, self.failed, self.attempts = set(), set(), {}

    def job(self):
        return CLUSTER.get("jobs", self.name_of_job)

    def run(self):
        job = self.job()
        self.target = job["metadata"]["labels"]["breakeven/target"]
        fate = SCRIPT.get("jobs", {}).get(self.target)
        job["status"] = {"startTime": now()}
        if fate == "suspend":
            job["spec"]["suspend"] = True
        CLUSTER.put("jobs", job)
        if fate == "vanish":
            CLUSTER.put("jobs", job, "DELETED")
        if fate == "no-pods":
            CLUSTER.create("events", {
                "metadata": {"name": "quota-event"}, "type": "Warning", "reason": "FailedCreate",
                "message": "pods is forbidden: exceeded quota: gpus",
                "involvedObject": {"kind": "Job", "name": self.name_of_job}})
        if fate:
            return
        indexes = list(range(job["spec"]["completions"]))
        room = threading.Semaphore(job["spec"]["parallelism"])
        threads = []
        for index in indexes:
            room.acquire()
            if self.job() is None:
                return
            thread = threading.Thread(target=self.one, args=(index, room), daemon=True)
            thread.start()
            threads.append(thread)
        for thread in threads:
            thread.join()
        self.count(end=True)

    def one(self, index, room):
        try:
            while self.job() is not None:
                result = self.pod(index)
                if result == "again":
                    continue
                (self.completed if result == "completed" else self.failed).add(index)
                self.count()
                return
        finally:
            room.release()

    def count(self, end=False):
        job = self.job()
        if job is None:
            return
        status = job.setdefault("status", {})
        status["completedIndexes"] = ",".join(map(str, sorted(self.completed)))
        status["failedIndexes"] = ",".join(map(str, sorted(self.failed)))
        if end:
            kind = "Failed" if self.failed else "Complete"
            reason = "FailedIndexes" if self.failed else "CompletionsReached"
            status["conditions"] = [{"type": kind, "status": "True", "reason": reason,
                                     "message": "Job has failed indexes" if self.failed else ""}]
        CLUSTER.put("jobs", job)

    def fate(self, index):
        scripts = SCRIPT.get("pods", {})
        fates = scripts.get(f"{self.target}/{index}", scripts.get("*", ["ok"]))
        attempt = self.attempts.get(index, 0)
        self.attempts[index] = attempt + 1
        return fates[min(attempt, len(fates) - 1)]

    def pod(self, index):
        """One pod from its creation to its end; completed, failed or again."""
        job, fate = self.job(), self.fate(index)
        template = job["spec"]["template"]
        name = f"{self.name_of_job}-{index}-{uuid.uuid4().hex[:5]}"
        labels = dict(template["metadata"]["labels"])
        labels["batch.kubernetes.io/job-name"] = self.name_of_job
        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": self.name_of_job,
                 "uid": job["metadata"]["uid"], "controller": True}
        pod = {"metadata": {"name": name, "labels": labels, "ownerReferences": [owner],
                            "annotations": {"batch.kubernetes.io/job-completion-index": str(index)}},
               "spec": json.loads(json.dumps(template["spec"])), "status": {"phase": "Pending"}}
        CLUSTER.create("pods", pod)
        time.sleep(0.05)
        if fate == "unschedulable":
            message = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
            pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "False",
                                            "reason": "Unschedulable", "message": message}]
            CLUSTER.put("pods", pod)
            return self.until_deleted(pod)
        pod["spec"]["nodeName"] = f"node-{self.target}-{index}"
        pod["status"]["startTime"] = now()
        state = {"image": {"waiting": {"reason": "ImagePullBackOff", "message": "manifest unknown"}},
                 "config": {"waiting": {"reason": "CreateContainerConfigError",
                                        "message": 'secret "store" not found'}}}.get(fate)
        if state:
            self.container(pod, state)
            return self.until_deleted(pod)
        if fate == "evict-early":
            return self.disrupted(pod, "EvictionByEvictionAPI", remove=True)
        pod["status"]["phase"] = "Running"
        self.container(pod, {"running": {"startedAt": now()}})
        early = {"evict": self.evicted, "preempt": lambda p: self.disrupted(p, "PreemptionByScheduler"),
                 "deadline": self.deadline, "oom": lambda p: self.died(p, 137, "OOMKilled"),
                 "crash": lambda p: self.died(p, 139, "Error"), "drain": self.drained}.get(fate)
        if early:
            return early(pod)
        return self.executed(pod, index, fate)

    def container(self, pod, state):
        pod["status"]["containerStatuses"] = [
            # A mesh puts its own container beside ours.
            {"name": "istio-proxy", "state": {"running": {"startedAt": now()}}, "ready": True,
             "image": "proxy", "imageID": "", "restartCount": 0},
            {"name": "breakeven", "state": state, "ready": False, "image": "breakeven",
             "imageID": "", "restartCount": 0}]
        CLUSTER.put("pods", pod)

    def until_deleted(self, pod):
        while CLUSTER.get("pods", pod["metadata"]["name"]) is not None:
            time.sleep(0.05)
        return "failed"

    def evicted(self, pod):
        pod["status"].update(phase="Failed", reason="Evicted",
                             message="The node was low on resource: ephemeral-storage.")
        return self.disrupted(pod, "TerminationByKubelet")

    def disrupted(self, pod, reason, remove=False):
        pod["status"]["phase"] = "Failed"
        pod["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True",
                                        "reason": reason, "lastTransitionTime": now()}]
        CLUSTER.put("pods", pod)
        if remove:
            CLUSTER.put("pods", pod, "DELETED")
        return "again"

    def drained(self, pod):
        """Deleted in the midst of it, without any last word."""
        CLUSTER.put("pods", pod, "DELETED")
        return "again"

    def deadline(self, pod):
        pod["status"].update(phase="Failed", reason="DeadlineExceeded",
                             message="Pod was active on the node longer than the specified deadline")
        CLUSTER.put("pods", pod)
        return "failed"

    def died(self, pod, code, reason):
        pod["status"]["phase"] = "Failed"
        self.container(pod, {"terminated": {"exitCode": code, "reason": reason, "finishedAt": now(),
                                            "message": ""}})
        return "failed"

    def executed(self, pod, index, fate):
        """The container's program, run for real."""
        container = pod["spec"]["containers"][0]
        with tempfile.TemporaryDirectory() as scratch:
            env = {"PATH": os.environ["PATH"], **SCRIPT.get("environment", {})}
            for variable in container.get("env", []):
                field = variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
                value = pod["spec"]["nodeName"] if field == "spec.nodeName" else variable.get("value")
                env[variable["name"]] = value.replace("/scratch", scratch)
            words = os.path.join(scratch, "last-words")
            env.update(JOB_COMPLETION_INDEX=str(index), BREAKEVEN_LAST_WORDS=words)
            arguments = [self.mounted(pod, argument, scratch) for argument in container["args"]]
            mock = SCRIPT.get("slow_arguments") if fate == "node-slow" else SCRIPT.get("arguments")
            done = subprocess.run([SCRIPT["program"], *arguments, *(mock or [])], env=env, cwd=scratch,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            said = open(words).read() if os.path.exists(words) else ""
        log = {"no-log": None, "cut-log": done.stdout[: len(done.stdout) // 2],
               "spoil-log": self.spoiled(done.stdout)}.get(fate, done.stdout)
        CLUSTER.logs[pod["metadata"]["name"]] = log
        if fate == "mute":
            said = ""
        pod["status"]["phase"] = "Failed" if done.returncode else "Succeeded"
        message = said if said or not done.returncode else done.stdout[-2048:]
        self.container(pod, {"terminated": {"exitCode": done.returncode, "finishedAt": now(),
                                            "reason": "Error" if done.returncode else "Completed",
                                            "message": message}})
        if fate == "no-log":
            # Long enough that a client who lists again, instead of watching on, has seen the end.
            time.sleep(2)
            CLUSTER.put("pods", pod, "DELETED")
        return "failed" if done.returncode else "completed"

    def mounted(self, pod, argument, scratch):
        if not argument.startswith("/suite/"):
            return argument
        volume = next(v for v in pod["spec"]["volumes"] if v["name"] == "suite")
        data = CLUSTER.get("configmaps", volume["configMap"]["name"])["data"]
        path = os.path.join(scratch, os.path.basename(argument))
        with open(path, "w") as file:
            file.write(data[os.path.basename(argument)])
        return path

    @staticmethod
    def spoiled(log):
        """Another record in the place of the true one: whole, but not what the pod spoke of."""
        import zlib
        packer = zlib.compressobj(wbits=-15)
        text = base64.b64encode(packer.compress(b"not what was said") + packer.flush()).decode()
        return f"breakeven-record 1 1 {text}\n"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, code, body, content_type="application/json", headers=()):
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, code, reason, message):
        headers = [("Retry-After", "1")] if code == 429 else []
        self.answer(code, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
                           "reason": reason, "message": message, "metadata": {}}, headers=headers)

    def handle_any(self):
        url = urlparse(self.path)
        self.query = {key: values[0] for key, values in parse_qs(url.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(length) if length else b""
        if url.path == "/_state":
            with CLUSTER.change:
                names = {kind: sorted(all) for kind, all in CLUSTER.objects.items()}
                return self.answer(200, {"objects": names, "requests": CLUSTER.requests,
                                     "watches": CLUSTER.told})
        watching = " watch" if self.query.get("watch") else ""
        CLUSTER.requests.append(f"{self.command} {url.path}{watching}")
        fault = self.fault(url.path)
        if fault == "drop":
            self.close_connection = True
            return self.connection.close()
        if isinstance(fault, int):
            return self.refuse(fault, "Injected", f"the server says {fault}")
        self.lost = fault == "lost"
        match = re.fullmatch(rf"/apis?/(?:batch/)?v1/namespaces/{NAMESPACE}/(\w+)(?:/([^/]+))?(/log)?",
                             url.path)
        if not match or match.group(1) not in KINDS:
            return self.refuse(404, "NotFound", f"{url.path}: no such resource")
        kind, name, log = match.groups()
        getattr(self, "do_" + self.command.lower())(kind, name, log)

    def fault(self, path):
        what = f"{path} watch" if self.query.get("watch") else path
        for number, fault in enumerate(SCRIPT.get("faults", [])):
            if fault["method"] == self.command and re.search(fault["path"], what):
                with CLUSTER.change:
                    at = CLUSTER.answered.get(number, 0)
                    CLUSTER.answered[number] = at + 1
                if at < len(fault["answers"]):
                    return fault["answers"][at]
        return None

    do_GET = do_POST = do_DELETE = do_PATCH = handle_any

    def found(self, kind, name):
        obj = CLUSTER.get(kind, name)
        if obj is None:
            self.refuse(404, "NotFound", f'{kind} "{name}" not found')
        return obj

    def do_get(self, kind, name, log):
        if log:
            if CLUSTER.get("pods", name) is None or CLUSTER.logs.get(name, "") is None:
                return self.refuse(404, "NotFound", f'pods "{name}" not found')
            return self.answer(200, CLUSTER.logs.get(name, ""), "text/plain")
        if name:
            obj = self.found(kind, name)
            return obj and self.answer(200, obj)
        if self.query.get("watch"):
            return self.watch(kind)
        with CLUSTER.change:
            every = [o for o in CLUSTER.objects[kind].values()
                     if selected(o, self.query.get("labelSelector", "")) and self.by_field(o)]
            version = CLUSTER.version
        begin, size = int(self.query.get("continue", 0)), int(self.query.get("limit", 500))
        meta = {"resourceVersion": str(version)}
        if begin + size < len(every):
            meta["continue"] = str(begin + size)
        group, single = KINDS[kind]
        self.answer(200, {"apiVersion": group, "kind": single + "List", "metadata": meta,
                          "items": every[begin:begin + size]})

    def by_field(self, obj):
        pairs = [p.split("=", 1) for p in self.query.get("fieldSelector", "").split(",") if p]
        values = {"involvedObject.name": obj.get("involvedObject", {}).get("name"),
                  "type": obj.get("type")}
        return all(values.get(key) == value for key, value in pairs)

    def watch(self, kind):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        after = int(self.query.get("resourceVersion", 0))
        end = time.monotonic() + min(int(self.query.get("timeoutSeconds", 60)), 60)
        limit, told = SCRIPT.get("watch", {}).get("drop_after"), 0
        while time.monotonic() < end:
            with CLUSTER.change:
                gone = after < CLUSTER.forgotten
                events = [(v, h, o) for v, k, h, o in CLUSTER.history if v > after and k == kind]
                if not events and not gone:
                    CLUSTER.change.wait(0.2)
            if gone:
                status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410,
                          "reason": "Expired", "message": "too old resource version", "metadata": {}}
                self.chunk({"type": "ERROR", "object": status})
                CLUSTER.told["forgotten"] += 1
                break
            for version, how, text in events:
                after = version
                obj = json.loads(text)
                if not selected(obj, self.query.get("labelSelector", "")):
                    continue
                self.chunk({"type": how, "object": obj})
                told += 1
                if limit and told >= limit:
                    # In the midst of it, without the last chunk.
                    CLUSTER.told["dropped"] += 1
                    self.close_connection = True
                    return self.connection.close()
        self.wfile.write(b"0\r\n\r\n")

    def chunk(self, event):
        data = (json.dumps(event) + "\n").encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def do_post(self, kind, _name, _log):
        obj = json.loads(self.body)
        name = obj["metadata"]["name"]
        if CLUSTER.get(kind, name) is not None:
            return self.refuse(409, "AlreadyExists", f'{kind} "{name}" already exists')
        CLUSTER.create(kind, obj)
        if kind == "jobs":
            Controller(name).start()
        if self.lost:
            self.close_connection = True
            return self.connection.close()
        self.answer(201, obj)

    @staticmethod
    def collect_garbage(job):
        """Pods go after their job, not with it."""
        time.sleep(0.5)
        uid = job["metadata"]["uid"]
        with CLUSTER.change:
            pods = [p for p in CLUSTER.objects["pods"].values()
                    if p["metadata"]["ownerReferences"][0]["uid"] == uid]
        for pod in pods:
            CLUSTER.put("pods", pod, "DELETED")

    def do_patch(self, kind, name, _log):
        assert self.headers["Content-Type"].startswith("application/apply-patch"), "server-side apply"
        obj = json.loads(self.body)
        if CLUSTER.get(kind, name) is None:
            CLUSTER.create(kind, obj)
        else:
            CLUSTER.put(kind, {**CLUSTER.get(kind, name), **obj})
        self.answer(200, CLUSTER.get(kind, name))

    def do_delete(self, kind, name, _log):
        obj = self.found(kind, name)
        if obj is None:
            return
        CLUSTER.put(kind, obj, "DELETED")
        if kind == "jobs":
            policy = json.loads(self.body or b"{}").get("propagationPolicy")
            assert policy in ("Background", "Foreground"), "pods would be left behind"
            threading.Thread(target=self.collect_garbage, args=(obj,), daemon=True).start()
        self.answer(200, {"kind": "Status", "apiVersion": "v1", "status": "Success", "metadata": {}})


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """Clients that went away."""


def main():
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
