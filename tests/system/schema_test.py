#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The shipped files obey their JSON schemas, and the schemas refuse what is wrong.

Needs python3-jsonschema. Editors complete and check files with these schemas; the programs have their own,
stricter reader. So this also replays tests/data: what a schema accepts there must be a fault that no schema
can state.

    /usr/bin/python3 tests/system/schema_test.py [-v]
"""

import copy
import json
import pathlib
import re
import sys
import unittest

import jsonschema

sys.dont_write_bytecode = True

SOURCE = pathlib.Path(__file__).resolve().parents[2]

# Rules that relate one value to another, or that look inside a text: only the programs' reader checks them.
BEYOND_CATALOGUE_SCHEMA = {
    "block-expect", "duplicate-key", "id-twice", "reference-type", "reference-unknown", "text-control",
    "tls-ports",
}
BEYOND_SITE_SCHEMA = {"check-catalogue", "check-inbound", "check-not-needed", "check-values", "http-remote", "http-zero-port"}


def without_comments(text):
    """Removes // comments that are not inside a string."""
    return re.sub(r'("(?:\\.|[^"\\])*")|//[^\n]*', lambda found: found.group(1) or "", text)


def load(path):
    return json.loads(without_comments(path.read_text(encoding="utf-8")))


def validator(name):
    schema = load(SOURCE / "config" / "schema" / name)
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def every_object(schema, where=""):
    """(pointer, object schema) of every schema inside a schema that describes an object."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield where, schema
        for key, value in schema.items():
            yield from every_object(value, f"{where}/{key}")
    elif isinstance(schema, list):
        for index, value in enumerate(schema):
            yield from every_object(value, f"{where}/{index}")


class Schemas(unittest.TestCase):
    def setUp(self):
        self.catalogue = validator("catalogue.schema.json")
        self.site = validator("reachd.schema.json")
        self.reflector = validator("reflector.schema.json")
        self.report = validator("report.schema.json")  # reports_test.py holds real ones against it

    def refuses(self, schema, document, change):
        changed = copy.deepcopy(document)
        change(changed)
        self.assertNotEqual(changed, document, "the change changed nothing")
        self.assertFalse(schema.is_valid(changed), "accepted a changed file")

    def test_accept_every_shipped_catalogue(self):
        paths = sorted((SOURCE / "config" / "catalogues").glob("*.json"))
        self.assertGreaterEqual(len(paths), 2)
        for path in paths:
            with self.subTest(path.name):
                document = load(path)
                self.catalogue.validate(document)
                self.assertEqual((path.parent / document["$schema"]).resolve(),
                                 SOURCE / "config" / "schema" / "catalogue.schema.json")

    def test_accept_the_shipped_site_configuration(self):
        path = SOURCE / "config" / "reachd.json"
        document = load(path)
        self.site.validate(document)
        self.assertEqual((path.parent / document["$schema"]).resolve(),
                         SOURCE / "config" / "schema" / "reachd.schema.json")

    def test_accept_the_shipped_configuration_of_the_reflector(self):
        path = SOURCE / "config" / "reflector.json"
        document = load(path)
        self.reflector.validate(document)
        self.assertEqual((path.parent / document["$schema"]).resolve(),
                         SOURCE / "config" / "schema" / "reflector.schema.json")
        for change in (lambda d: d.update(listne=[]), lambda d: d.update(listen=["localhost:3478"]),
                       lambda d: d.update(stun="all"), lambda d: d.update(limits={"appointments": 0}),
                       lambda d: d.update(limits={"delay_s": 86401})):
            self.refuses(self.reflector, document, change)

    def test_the_documented_limits_of_the_reflector_are_those_of_its_schema(self):
        page = (SOURCE / "docs" / "REFLECTOR.md").read_text(encoding="utf-8")
        for key, member in self.reflector.schema["properties"]["limits"]["properties"].items():
            rows = [line for line in page.splitlines() if line.startswith("| `") and f"`{key}`" in line.split("|")[1]]
            self.assertEqual(len(rows), 1, key)
            names, values = (rows[0].split("|")[column].replace("`", "").split(",") for column in (1, 2))
            at = [name.strip() for name in names].index(key)
            self.assertEqual(int(values[at]), member["default"], key)

    def test_close_and_describe_every_object(self):
        for schema in (self.catalogue.schema, self.site.schema, self.reflector.schema, self.report.schema):
            for where, found in every_object(schema):
                with self.subTest(where):
                    self.assertIn("additionalProperties", found)
                    self.assertIsNot(found["additionalProperties"], True)
                    for key, member in found.get("properties", {}).items():
                        self.assertTrue("description" in member or "$ref" in member, f"{key} has no description")

    def test_catalogue_schema_refuses_changed_files(self):
        eschat = load(SOURCE / "config" / "catalogues" / "eschat-govcloud.json")
        rows = {row["id"]: index for index, row in enumerate(eschat["requirements"])}

        def row(document, row_id):
            return document["requirements"][rows[row_id]]

        changes = {
            "unknown key": lambda d: d.update(titel="x"),
            "unknown key in a row": lambda d: row(d, "apns").update(port=80),
            "no id": lambda d: d.pop("id"),
            "no rows": lambda d: d.update(requirements=[]),
            "bad id": lambda d: d.update(id="ESChat GovCloud"),
            "no transport": lambda d: row(d, "nlb").pop("transport"),
            "bad transport": lambda d: row(d, "nlb").update(transport="sctp"),
            "bad ports": lambda d: row(d, "nlb").update(ports="80 & 443"),
            "port out of range": lambda d: row(d, "nlb").update(ports=65536),
            "no destinations": lambda d: row(d, "nlb").update(destinations=[]),
            "destination twice": lambda d: row(d, "nlb").update(destinations=["192.0.2.1", "192.0.2.1"]),
            "bad expectation": lambda d: row(d, "nlb").update(expect="open"),
            "bad role": lambda d: row(d, "nlb").update(role="backup"),
            "two kinds": lambda d: row(d, "nlb").update(idle={"transport": "tcp", "hold_s": 1}),
            "no kind": lambda d: row(d, "tcp-idle").pop("idle"),
            "no time": lambda d: row(d, "tcp-idle")["idle"].update(hold_s=0),
            "bad value type": lambda d: d["values"]["data_ports"].update(type="range"),
            "default of the wrong type": lambda d: d["values"]["signaling_port"].update(default="4200"),
            "default of addresses": lambda d: d["values"]["data_primary"].update(default="192.0.2.1"),
            "text too long": lambda d: d.update(contact="x" * 1001),
        }
        for name, change in changes.items():
            with self.subTest(name):
                self.refuses(self.catalogue, eschat, change)

    def test_site_schema_refuses_changed_files(self):
        site = load(SOURCE / "config" / "reachd.json")
        changes = {
            "unknown key": lambda d: d.update(sites="x"),
            "unknown limit": lambda d: d["limits"].update(atempts=1),
            "limit out of range": lambda d: d["limits"].update(attempts=0),
            "limit as text": lambda d: d["limits"].update(in_flight="256"),
            "interval out of range": lambda d: d["schedule"].update(interval_s=0),
            "catalogue twice": lambda d: d.update(catalogues=["a", "a"]),
            "empty site": lambda d: d.update(site=""),
            "vantage without a way": lambda d: d.update(vantages=[{"name": "a"}]),
            "interface too long": lambda d: d.update(vantages=[{"name": "a", "interface": "x" * 16}]),
            "reflector without host": lambda d: d.update(reflectors=[{"port": 1}]),
            "listen without port": lambda d: d.update(http={"listen": "127.0.0.1"}),
            "listen on a name": lambda d: d.update(http={"listen": "localhost:80"}),
            "inbound service without a port": lambda d: d.update(inbound={"a/b": {"service": "10.0.0.5"}}),
            "inbound without a service": lambda d: d.update(inbound={"a/b": {"public": "203.0.113.9:1"}}),
            "rung of no time": lambda d: d.update(idle={"udp_rungs_s": [0]}),
            "value of the wrong type": lambda d: d.update(values={"a": {"b": True}}),
        }
        for name, change in changes.items():
            with self.subTest(name):
                self.refuses(self.site, site, change)

    def replay(self, schema, folder, beyond):
        """Of the invalid test files, exactly those whose rule no schema can state are accepted."""
        accepted = set()
        for path in (SOURCE / "tests" / "data" / folder).glob("invalid-*.json"):
            try:
                if schema.is_valid(load(path)):
                    accepted.add(path.stem.removeprefix("invalid-"))
            except (json.JSONDecodeError, UnicodeDecodeError):
                pass
        self.assertEqual(accepted, beyond)

    def test_catalogue_schema_refuses_what_the_reader_refuses(self):
        self.replay(self.catalogue, "catalogue", BEYOND_CATALOGUE_SCHEMA)

    def test_site_schema_refuses_what_the_reader_refuses(self):
        self.replay(self.site, "config", BEYOND_SITE_SCHEMA)


if __name__ == "__main__":
    unittest.main()
