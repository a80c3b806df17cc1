"""The gateway beside nginx and HAProxy: CPU seconds per 100,000 requests, interleaved rounds.

One proxy, one worker, pinned to the first core; load generator and upstream share the second.
"""

import contextlib
import http.server
import json
import pathlib
import re
import shlex
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

import measure
import tokens

PROXY_CORE, LOAD_CORE = "0", "1"
CONNECTIONS = 32

NGINX_UPSTREAM = """\
worker_processes 1; daemon off; pid {home}/upstream.pid; error_log {home}/upstream.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {home}/body; proxy_temp_path {home}/p;
  fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
  keepalive_requests 100000000;
  server {{
    listen 127.0.0.1:{port};
    root {home}/www;
    location = /post {{ return 200 "ok"; }}
  }}
}}
"""

NGINX_PROXY = """\
worker_processes 1; daemon off; pid {home}/nginx.pid; error_log {home}/nginx.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {home}/nb; proxy_temp_path {home}/np;
  fastcgi_temp_path {home}/nf; uwsgi_temp_path {home}/nu; scgi_temp_path {home}/ns;
  keepalive_requests 100000000;
  upstream back {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://back; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $remote_addr;
    }}
  }}
}}
"""

HAPROXY = """\
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option http-keep-alive
frontend plain
  bind 127.0.0.1:{plain}
  option forwardfor
  default_backend back
{tokens}
backend back
  http-reuse always
  server up 127.0.0.1:{upstream}
"""

HAPROXY_TOKEN = """\
frontend {name}
  bind 127.0.0.1:{port}
  option forwardfor
  http-request set-var(txn.b) http_auth_bearer
  http-request set-var(txn.alg) var(txn.b),jwt_header_query('$.alg')
  http-request set-var(txn.exp) var(txn.b),jwt_payload_query('$.exp','int')
  http-request set-var(txn.now) date()
  http-request return status 401 if !{{ var(txn.alg) -m str {algorithm} }}
  http-request return status 401 if !{{ var(txn.b),jwt_verify(txn.alg,"{key}") -m int 1 }}
  http-request return status 401 if !{{ var(txn.b),jwt_payload_query('$.iss') -m str {issuer} }}
  http-request return status 403 if !{{ var(txn.b),jwt_payload_query('$.aud') -m str bench }}
  http-request return status 401 if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}
  default_backend back
"""

WORKSPACE = """\
apiVersion: gatewright.io/v1alpha1
kind: Workspace
metadata: {{ name: bench }}
spec:
  source: {{ local: {{}} }}
  identities:
    rs: {{ oidc: {{ issuer: "{issuer}", audiences: [bench], algorithms: [RS256, ES256] }} }}
---
apiVersion: gatewright.io/v1alpha1
kind: Environment
metadata: {{ name: bench }}
spec:
  targets: {{ default: {{ builtin: {{ listen: "127.0.0.1:{port}" }} }} }}
  changes:
    - {{ actions: [view, plan, apply], identities: [local] }}
---
apiVersion: gatewright.io/v1alpha1
kind: Api
metadata: {{ name: plain }}
spec:
  openapi: {{ file: plain.yaml }}
  upstream: {{ url: "http://127.0.0.1:{upstream}" }}
  access: [ {{ public: true }} ]
---
apiVersion: gatewright.io/v1alpha1
kind: Api
metadata: {{ name: signed }}
spec:
  openapi: {{ file: signed.yaml }}
  upstream: {{ url: "http://127.0.0.1:{upstream}" }}
  access: [ {{ identities: [rs], claims: {{ groups: [bench] }} }} ]
  limits: [ {{ rate: 1000000000/1h, per: api }} ]
"""

OPENAPI = """\
openapi: 3.0.3
info: {{ title: {title}, version: 1.0.0 }}
paths:
{paths}"""

OPERATION = '  {path}: {{ {method}: {{ responses: {{ "200": {{ description: ok }} }} }} }}\n'

# What is asked, and of which frontend. The signed workloads ask another path of the gateway.
WORKLOADS = [
    ("plain 1 KB", "GET", "/1k", None),
    ("POST 4 KB", "POST", "/post", None),
    ("plain 64 KB", "GET", "/64k", None),
    ("RS256, repeated token", "GET", "/s/1k", "RS256"),
    ("ES256, repeated token", "GET", "/s/1k", "ES256"),
]


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def wait_for(url, headers, seconds=20):
    deadline = time.monotonic() + seconds
    last = None
    while time.monotonic() < deadline:
        try:
            request = urllib.request.Request(url, headers=headers)
            with urllib.request.urlopen(request, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError as error:
            last = error
        time.sleep(0.05)
    raise SystemExit(f"{url} does not answer 200: {last}")


class Parts(contextlib.ExitStack):
    """Everything that runs; whatever was started is stopped by its id."""

    def start(self, arguments, core, **options):
        process = subprocess.Popen(["taskset", "-c", core, *map(str, arguments)], **options)
        self.callback(self.stop, process)
        return process

    @staticmethod
    def stop(process):
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def issuer(parts, keys):
    """An OpenID Connect issuer: the two documents, and nothing else."""

    class Documents(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            base = f"http://127.0.0.1:{self.server.server_port}"
            known = {
                "/.well-known/openid-configuration": {"issuer": base, "jwks_uri": f"{base}/jwks"},
                "/jwks": {"keys": [key.jwk for key in keys]},
            }
            document = known.get(self.path)
            body = json.dumps(document or {}).encode()
            self.send_response(200 if document else 404)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Documents)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    parts.callback(server.shutdown)
    return f"http://127.0.0.1:{server.server_port}"


def upstream(parts, home):
    port = free_port()
    signed = home / "www" / "s"
    signed.mkdir(parents=True)
    for name, size in [("1k", 1024), ("64k", 65536)]:
        (home / "www" / name).write_bytes(b"x" * size)
        (signed / name).write_bytes(b"x" * size)
    settings = home / "upstream.conf"
    settings.write_text(NGINX_UPSTREAM.format(home=home, port=port))
    parts.start(["nginx", "-p", home, "-c", settings], LOAD_CORE)
    wait_for(f"http://127.0.0.1:{port}/1k", {})
    return port


def nginx(parts, home, back):
    port = free_port()
    settings = home / "nginx.conf"
    settings.write_text(NGINX_PROXY.format(home=home, port=port, upstream=back))
    process = parts.start(["nginx", "-p", home, "-c", settings], PROXY_CORE)
    wait_for(f"http://127.0.0.1:{port}/1k", {})
    workers = measure.children(process.pid)
    return {"pids": workers, "port": lambda _: port, "path": lambda path: path}


def haproxy(parts, home, back, command, issuer_url, keys):
    plain = free_port()
    ports = {None: plain}
    frontends = []
    for key in keys:
        ports[key.algorithm] = free_port()
        pem = home / f"{key.algorithm}.pem"
        pem.write_text(key.public_pem)
        frontends.append(
            HAPROXY_TOKEN.format(
                name=key.algorithm.lower(), port=ports[key.algorithm], algorithm=key.algorithm,
                key=pem, issuer=issuer_url,
            )
        )
    settings = home / "haproxy.cfg"
    settings.write_text(HAPROXY.format(plain=plain, upstream=back, tokens="".join(frontends)))
    process = parts.start([*shlex.split(command), "-f", settings, "-db"], PROXY_CORE)
    wait_for(f"http://127.0.0.1:{plain}/1k", {})
    return {"pids": [process.pid], "port": ports.get, "path": lambda path: path}


def gatewright(parts, home, back, binary, issuer_url, token):
    port = free_port()
    folder, state = home / "workspace", home / "state"
    folder.mkdir()
    (folder / "gatewright.yaml").write_text(
        WORKSPACE.format(issuer=issuer_url, port=port, upstream=back)
    )
    operations = {"plain": [("/1k", "get"), ("/64k", "get"), ("/post", "post")],
                  "signed": [("/s/1k", "get")]}
    for title, paths in operations.items():
        lines = "".join(OPERATION.format(path=path, method=method) for path, method in paths)
        (folder / f"{title}.yaml").write_text(OPENAPI.format(title=title, paths=lines))
    settings = home / "gatewright.toml"
    settings.write_text("[gateway]\nthreads = 1\n")
    run = [binary, "--no-input", "--workspace", folder, "--state", state]
    measure.command([*run, "init", "--id"])
    # No gateway runs yet: applied, not verified.
    measure.command([*run, "apply", "--env", "bench"], accepted=(6,))
    process = parts.start([*run, "gateway", "--env", "bench", "--config", settings], PROXY_CORE,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(f"http://127.0.0.1:{port}/1k", {})
    wait_for(f"http://127.0.0.1:{port}/s/1k", {"authorization": f"Bearer {token}"})
    return {"pids": [process.pid], "port": lambda _: port, "path": lambda path: path}


POST_SCRIPT = """\
wrk.method = "POST"
wrk.headers["content-type"] = "application/octet-stream"
wrk.body = string.rep("x", 4096)
"""


def load(home, subject, workload, token, seconds):
    """One run of wrk: bounded in time and connections; returns requests and errors."""
    _, method, path, algorithm = workload
    arguments = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency"]
    if algorithm:
        arguments += ["-H", f"Authorization: Bearer {token}"]
    if method == "POST":
        script = home / "post.lua"
        script.write_text(POST_SCRIPT)
        arguments += ["-s", str(script)]
    url = f"http://127.0.0.1:{subject['port'](algorithm)}{subject['path'](path)}"
    told = subprocess.run([*arguments, url], capture_output=True, text=True, check=True).stdout
    requests = int(re.search(r"(\d+) requests in", told)[1])
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", told)
    broken = re.search(r"Socket errors: (.*)", told)
    p99 = re.search(r"^\s+99%\s+(\S+)", told, re.MULTILINE)[1]
    if wrong or broken:
        raise SystemExit(f"{url}: {told}")
    return requests, p99


def run(binary, haproxy_command, rounds, seconds):
    samples = {}
    with Parts() as parts, tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        # The workers of nginx are another user.
        home.chmod(0o755)
        keys = [tokens.rsa(home), tokens.ecdsa(home)]
        issuer_url = issuer(parts, keys)
        signed = {key.algorithm: key.sign(issuer_url, home) for key in keys}
        back = upstream(parts, home)
        subjects = {
            "gatewright": gatewright(parts, home, back, binary, issuer_url, signed["RS256"]),
            "nginx": nginx(parts, home, back),
            "haproxy": haproxy(parts, home, back, haproxy_command, issuer_url, keys),
        }
        for number in range(rounds):
            for workload in WORKLOADS:
                for name, subject in subjects.items():
                    if name == "nginx" and workload[3]:
                        continue
                    before = measure.cpu_seconds(subject["pids"])
                    requests, p99 = load(home, subject, workload, signed.get(workload[3]), seconds)
                    used = (measure.cpu_seconds(subject["pids"]) - before) * 100_000 / requests
                    samples.setdefault((workload[0], name), []).append(used)
                    print(f"  round {number + 1}  {workload[0]:24} {name:12} "
                          f"{used:7.2f} CPU s/100k  {requests / seconds:9.0f}/s  p99 {p99}")
        memory = {name: measure.memory_mib(subject["pids"]) for name, subject in subjects.items()}
    return rows_of(samples), memory


def rows_of(samples):
    middle = {key: sorted(values)[len(values) // 2] for key, values in samples.items()}
    rows = []
    for (workload, subject), value in middle.items():
        peer = middle[(workload, "haproxy")]
        rows.append({"workload": workload, "subject": subject, "cpu_s_per_100k": round(value, 3),
                     "ratio_to_haproxy": round(value / peer, 3),
                     "samples": [round(sample, 3) for sample in samples[(workload, subject)]]})
    return rows
