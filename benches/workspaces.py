"""Writes a workspace of N generated APIs with five operations each."""

import pathlib
import shutil

WORKSPACE = """\
apiVersion: gatewright.io/v1alpha1
kind: Workspace
metadata:
  name: bench
spec:
  source:
    local: {}
  identities:
    staff:
      oidc:
        issuer: http://127.0.0.1:9
        audiences: [bench]
---
apiVersion: gatewright.io/v1alpha1
kind: Environment
metadata:
  name: dev
spec:
  targets:
    default:
      builtin: { listen: "127.0.0.1:0" }
  values:
    domain: bench.internal
  egress: ["*.bench.internal"]
  changes:
    - { actions: [view, plan, apply, rollback], identities: [local] }
"""

API = """\
apiVersion: gatewright.io/v1alpha1
kind: Api
metadata:
  name: api-{number}
spec:
  owner: team-{team}
  openapi: {{ file: apis/api-{number}/openapi.yaml }}
  upstream:
    url: http://api-{number}.${{env.domain}}
  access:
    - methods: [GET]
      identities: [staff]
    - methods: [POST, PUT, DELETE]
      identities: [staff]
      claims: {{ groups: [team-{team}] }}
  limits:
    - {{ rate: {rate}/1m, per: caller }}
"""

OPENAPI = """\
openapi: 3.0.3
info: {{ title: Api {number}, version: 1.0.0 }}
paths:
  /things-{number}:
    get:
      operationId: list
      responses: {{ "200": {{ description: A page }} }}
    post:
      operationId: create
      responses: {{ "201": {{ description: Created }} }}
  /things-{number}/{{id}}:
    parameters:
      - {{ name: id, in: path, required: true, schema: {{ type: string }} }}
    get:
      operationId: read
      responses: {{ "200": {{ description: One }} }}
    put:
      operationId: replace
      responses: {{ "200": {{ description: Replaced }} }}
    delete:
      operationId: remove
      responses: {{ "204": {{ description: Removed }} }}
"""


def api(number, rate=100):
    return API.format(number=number, team=number % 50, rate=rate)


def write(folder, count):
    """Makes the folder anew; `gatewright init --id` gives it its id afterwards."""
    folder = pathlib.Path(folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "gatewright.yaml").write_text(WORKSPACE)
    for number in range(count):
        place = folder / "apis" / f"api-{number}"
        place.mkdir(parents=True)
        (place / "api.yaml").write_text(api(number))
        (place / "openapi.yaml").write_text(OPENAPI.format(number=number))
    return folder


def change_one(folder):
    """Another limit for one API in the middle."""
    places = sorted(pathlib.Path(folder, "apis").iterdir())
    place = places[len(places) // 2]
    number = int(place.name.removeprefix("api-"))
    (place / "api.yaml").write_text(api(number, rate=99))
