# SPDX-License-Identifier: Apache-2.0
"""Holds real reports, and the ladders of `reachctl idle`, against config/schema/report.schema.json."""
import functools
import json

import jsonschema
from lab_site import TREE


@functools.cache
def of_report():
    return jsonschema.Draft7Validator(
        json.loads((TREE / "config" / "schema" / "report.schema.json").read_text(encoding="utf-8")))


@functools.cache
def of_ladder():
    return jsonschema.Draft7Validator({"$ref": "#/definitions/timer", "definitions": of_report().schema["definitions"]})
