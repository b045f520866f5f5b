"""Prints the shell steps of a GitHub workflow or an Azure pipeline as JSON.

{"env": {name: value}, "steps": [{"name": ..., "shell": ...}]}; a YAML file that is neither fails.
"""

import json
import sys

import yaml

with open(sys.argv[1]) as file:
    document = yaml.safe_load(file)

if "jobs" in document:
    env = document.get("env", {})
    steps = [step for job in document["jobs"].values() for step in job["steps"]]
    for job in document["jobs"].values():
        env = {**env, **job.get("env", {})}
else:
    env = document.get("variables", {})
    steps = document["steps"]

shell = [
    {
        "name": step.get("name") or step.get("displayName") or "",
        "shell": step.get("run") or step.get("bash") or step.get("script"),
    }
    for step in steps
]
shell = [step for step in shell if step["shell"]]
assert shell, "no shell steps"
json.dump({"env": {k: str(v) for k, v in env.items()}, "steps": shell}, sys.stdout)
