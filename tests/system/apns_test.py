# SPDX-License-Identifier: Apache-2.0
"""The APNs row by its courier names: TLS on 5223 under the vendor's own root, and the fallback to 443.

    sudo /usr/bin/python3 tests/system/apns_test.py [-v]
"""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab_site import GATEWAY, ISP, SystemTest, endpoints, main, row  # noqa: E402

COURIERS = [f"{prefix}courier.push.apple.com" for prefix in ("", "1-", "2-", "10-", "25-", "50-")]
WORKS = "from tcp 5223 clients fall back to 443, which works"
ROOT = "Lab Apple Root CA (Apple Inc.)"


class Apns(SystemTest):
    def without_root(self, *files):
        tls = {"ca_file": str(self.site.lab.ca_file)}
        return self.site.config({"tls": tls | ({"extra_ca_files": list(files)} if files else {})}, name="rootless.json")

    def apns(self, config=None):
        found = row(self.check("apns", config=config), "apns")
        self.assertEqual({port: len(endpoints(found, port=port)) for port in (80, 443, 5223)},
                         {80: 18, 443: 18, 5223: 18})
        return found

    def see(self, found, port, verdict, words="", **members):
        for one in endpoints(found, port=port):
            self.assert_verdict(one, verdict, **members)
            self.assertIn(words, one["sentence"])

    def test_names_are_verified_under_the_vendors_root_on_5223_and_on_the_fallback(self):
        found = self.apns()
        for port in (443, 5223):
            self.see(found, port, "open", "verified certificate, issued by Lab Apple Root CA", stage="handshake")
        self.see(found, 80, "open")
        # The block's sample is too small to prove it: every endpoint of the names passes.
        self.assertEqual(found["counts"], {"total": 38, "pass": 36, "fail": 0, "unproven": 2})
        self.assertEqual((found["fallback"]["ports"], found["fallback"]["state"]), ("443", "pass"))
        self.assertTrue(found["sentence"].endswith(WORKS), found["sentence"])

    def test_without_the_root_nothing_is_accused_and_nothing_passes(self):
        found = self.apns(self.without_root())
        for port in (443, 5223):
            self.see(found, port, "unproven", f"names the root {ROOT}", stage="handshake", blame="unknown", where=None)
            self.see(found, port, "unproven", "add the root's PEM file to tls.extra_ca_files")
        self.assertEqual(found["state"], "unproven")
        self.assertEqual((found["counts"]["pass"], found["counts"]["fail"]), (18, 0))
        self.assertEqual(found["fallback"]["state"], "unproven")
        tls = [seen["tls"] for seen in endpoints(found, port=5223)[0]["evidence"] if "tls" in seen]
        self.assertEqual((tls[0]["verified"], tls[0]["missing_root"]), (False, ROOT))

    def test_proxy_with_another_issuer_is_found_with_the_root_and_without_it(self):
        self.fault("redirect", port="5223", then="inspect")
        for config in (None, self.without_root()):
            found = self.apns(config)
            self.assertEqual(found["state"], "fail")
            self.see(found, 5223, "intercepted", "answered in its name", blame="site")
            self.assertIn("from TLS inspection", found["advice"])

    def test_issuer_is_judged_where_no_packet_shows_a_box(self):
        for name in COURIERS:
            self.fault("wrong-cert", name=name)
        for config in (None, self.without_root()):
            found = self.apns(config)
            self.assertEqual(found["state"], "fail")
            for port in (443, 5223):
                self.see(found, port, "intercepted", "certificate issued by Lab Inspection CA, not trusted",
                         stage="handshake", blame="unknown", where=None)
            self.assertEqual(found["fallback"]["state"], "fail")

    def test_dropped_5223_fails_although_devices_fall_back_to_443(self):
        self.fault("drop", port="5223")
        found = self.apns()
        self.assertEqual(found["state"], "fail")
        self.assertEqual((found["counts"]["fail"], found["fallback"]["state"]), (18, "pass"))
        self.see(found, 443, "open", needed=False)
        for one in endpoints(found, port=5223):
            self.assertEqual((one["verdict"], one["blame"]), ("blocked", "edge"), one["sentence"])
            if ":" not in one["address"]:
                self.assertEqual(one["where"], {"after": {"hop": 1, "address": GATEWAY},
                                                "before": {"hop": 2, "address": ISP}})
        self.assertIn(WORKS, found["sentence"])
        text = self.site.reachctl("check", "--only", "apns", "--fast").stdout
        self.assertIn(WORKS, " ".join(text.split()))

    def test_dropped_443_fails_nothing_and_is_told(self):
        self.fault("drop", port="443")
        found = self.apns()
        self.assertEqual((found["state"], found["counts"]["fail"]), ("unproven", 0))
        self.assertIn("from tcp 5223 clients fall back to 443, which fails as well: dropped between", found["sentence"])

    def test_file_of_roots_that_is_missing_is_a_warning_and_no_failure(self):
        config = self.without_root("/nowhere/apple.pem")
        done = self.site.reachctl("check", "--only", "maps", "--fast", "--format", "json", config=config)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("tls.extra_ca_files /nowhere/apple.pem: No such file", done.stderr)
        self.assertEqual(row(json.loads(done.stdout), "maps")["state"], "pass")
        told = self.findings(config)
        self.assertIn(("limited", "tls.extra_ca_files /nowhere/apple.pem: No such file or directory; certificates "
                                  "under its roots will not be trusted."), told)
        self.assertTrue(any(state == "limited" and "No root of Apple Inc." in words for state, words in told), told)
        with self.site.daemon(config=config) as daemon:
            self.assertIn("root.missing: tls.extra_ca_files /nowhere/apple.pem", daemon.log())

    def test_doctor_says_that_the_root_is_there(self):
        self.assertIn(("ok", "A root of Apple Inc. is trusted, as apns needs."), self.findings(None))

    def findings(self, config):
        done = self.site.reachctl("doctor", "--format", "json", config=config)
        return [(one["state"], one["sentence"]) for one in json.loads(done.stdout)["findings"] if one["topic"] == "tls"]


if __name__ == "__main__":
    main("apns")
