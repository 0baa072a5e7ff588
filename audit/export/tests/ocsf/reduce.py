#!/usr/bin/env python3
"""Checks events against the published OCSF schema, or cuts it down to the attributes that the events use.

    reduce.py check EVENTS          prints every error; exit code 1 if there is one
    reduce.py reduce EVENTS > schema.json

Needs the packages ocsf-json-schema (1.2.0: the schema as published, and its JSON Schema) and jsonschema.
"""

import json
import sys
from collections import Counter

import jsonschema
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

VERSION = "1.5.0"
PROFILES = ["host", "security_control"]
CLASSES = {
    1001: "file_activity", 1007: "process_activity", 2004: "detection_finding", 3004: "entity_management",
    4001: "network_activity", 4002: "http_activity", 4003: "dns_activity", 6002: "application_lifecycle",
    6003: "api_activity",
}  # fmt: skip


def full():
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=VERSION))
    return {uid: schema.get_class_schema(name, PROFILES) for uid, name in CLASSES.items()}


def check(events):
    validators = {uid: jsonschema.Draft202012Validator(schema) for uid, schema in full().items()}
    errors, seen = 0, Counter()
    for number, event in enumerate(events, 1):
        seen[event["class_uid"]] += 1
        for error in validators[event["class_uid"]].iter_errors(event):
            errors += 1
            print(f"event {number}: {'.'.join(map(str, error.absolute_path))}: {error.message[:300]}")
    print(f"{sum(seen.values())} events of {dict(sorted(seen.items()))}: {errors} errors")
    return 1 if errors else 0


def used(schema, root, values, kept):
    """The schema with only the properties that the values have, or must have."""
    if "$ref" in schema:
        # Each once: an object may hold others of its own kind.
        kept.setdefault(schema["$ref"].rsplit("/", 1)[1], {}).update((id(value), value) for value in values)
        return schema
    slim = {key: value for key, value in schema.items() if key in ("type", "enum", "pattern", "required",
            "anyOf", "additionalProperties", "const", "maxLength", "minimum", "maximum")}
    if "items" in schema:
        slim["items"] = used(schema["items"], root, [item for value in values for item in value], kept)
    if "properties" in schema:
        names = {name for value in values for name in value} | set(schema.get("required", ()))
        slim["properties"] = {
            name: used(inner, root, [value[name] for value in values if name in value], kept)
            for name, inner in schema["properties"].items() if name in names
        }
    return slim


def reduce(events):
    classes = full()
    objects, kept, out = {}, {}, {}
    for uid, schema in classes.items():
        objects.update(schema["$defs"])
        mine = [event for event in events if event["class_uid"] == uid]
        out[f"class_{uid}"] = used(schema, schema, mine, kept)
    done = {}
    while any(len(values) != done.get(name, -1) for name, values in kept.items()):
        name = next(name for name, values in kept.items() if len(values) != done.get(name, -1))
        done[name] = len(kept[name])
        out[name] = used(objects[name], objects, list(kept[name].values()), kept)
    comment = f"Cut down from the OCSF schema {VERSION}, Apache-2.0, (c) the OCSF authors. See README.md."
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$comment": comment,
            "$defs": dict(sorted(out.items()))}


def main():
    command, path = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        events = [json.loads(line) for line in file]
    if command == "check":
        sys.exit(check(events))
    print(json.dumps(reduce(events), indent=1))


main()
