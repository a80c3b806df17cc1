"""Counts the operations of OpenAPI documents. Knows nothing but YAML, JSON and the eight methods."""

import json
import sys

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        if path.endswith(".json"):
            document = json.load(file)
        else:
            import yaml

            document = yaml.load(file, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    print(sum(key in METHODS for item in document["paths"].values() for key in item))
