# SPDX-License-Identifier: Apache-2.0
"""What answers on 443 and 80 in a host's name: foreign, expired and wrong certificates, portals, proxies, boxes that
let the handshake pass and cut what follows. Twins: the other names, the other port, bare addresses.

    sudo /usr/bin/python3 tests/system/tls_http_test.py [-v]
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lab_site import (GATEWAY, GATEWAY6, ISP, ISP6, MAPS, MAPS_AT, PRIMARY, SystemTest, endpoint,  # noqa: E402
                      endpoints, main, row)

BY_THE_BOX = ("between this machine ({client}) and hop 1 ({gateway}); it comes back with only 1 hop allowed, and the "
              "destination is more than 3 away")
NAMED_ROWS = ("maps", "getconf", "upload", "request-slot")
BARE_ROWS = ("provisioning", "nlb")


def first_hand(one):
    """An endpoint's evidence without what was sent to find out who answered, and from where."""
    return [seen for seen in one["evidence"] if not any(seen.get(key) for key in ("hop_limit", "min_ttl", "on_link"))]


class Certificates(SystemTest):
    def check_maps(self, verdict):
        """Every address of the one name has the verdict on 443; port 80, other names and bare addresses are fine."""
        report = self.check(*NAMED_ROWS, *BARE_ROWS)
        for name in (*NAMED_ROWS[1:], *BARE_ROWS):
            self.assert_rows(report, **{name: "pass"})
        maps = row(report, "maps")
        for address in MAPS_AT:
            self.assert_verdict(endpoint(maps, address, 443), verdict, stage="handshake", blame="unknown", where=None)
            self.assert_verdict(endpoint(maps, address, 80), "open")
        return maps

    def test_foreign_issuer_is_an_interception_that_names_the_issuer(self):
        self.fault("wrong-cert", name=MAPS)
        maps = self.check_maps("intercepted")
        self.assertEqual(maps["state"], "fail")
        self.assertIn("certificate issued by Lab Inspection CA, not trusted", maps["sentence"])
        self.assertIn(f"exempt {MAPS} from TLS inspection", maps["advice"])
        tls = first_hand(endpoint(maps, MAPS_AT[0], 443))[-1]["tls"]
        self.assertEqual((tls["verified"], tls["issuer"], tls["subject"]), (False, "Lab Inspection CA", MAPS))

    def test_certificate_for_another_name_is_an_interception_that_names_it(self):
        self.fault("wrong-name-cert", name=MAPS)
        maps = self.check_maps("intercepted")
        self.assertEqual(maps["state"], "fail")
        self.assertIn("its certificate is for wrong.lab.example", maps["sentence"])
        self.assertNotIn("Inspection", maps["sentence"])

    def test_expired_certificate_is_unproven_as_the_clock_may_be_wrong(self):
        self.fault("expired-cert", name=MAPS)
        maps = self.check_maps("unproven")
        self.assertEqual(maps["state"], "unproven")
        self.assertIn("certificate has expired", maps["sentence"])
        self.assertIn("this machine's clock", maps["sentence"])

    def test_issuer_of_the_sites_own_is_trusted_when_the_configuration_says_so(self):
        """The same fault and the same site, whose configuration names the inspecting authority."""
        self.fault("wrong-cert", name=MAPS)
        authorities = self.site.lab.directory / "certificates" / "authorities"
        own = self.site.write("own-ca.pem", (authorities / "inspection-ca.pem").read_text(encoding="ascii"))
        report = self.check("maps", "getconf", config=self.site.config({"tls": {"ca_file": str(own)}}))
        self.assert_rows(report, maps="pass", getconf="fail")

    def test_bare_addresses_are_not_judged_by_a_certificate(self):
        self.fault("wrong-cert", name="lab-default")
        self.assert_rows(self.check(*BARE_ROWS, "maps"), provisioning="pass", nlb="pass", maps="pass")


class AfterTheHandshake(SystemTest):
    """The connection is made, and the answer does not come."""

    def cut(self, fault, words, **options):
        self.fault(fault, **options)
        report = self.check(*NAMED_ROWS, "signaling")
        self.site.lab.clear()
        port = int(options["port"])
        self.assert_rows(report, maps="fail", signaling="pass", getconf="fail" if port == 443 else "pass")
        for one in row(report, "maps")["endpoints"]:
            if one["port"] != port:
                self.assert_verdict(one, "open")
                continue
            self.assert_verdict(one, "blocked", stage="handshake" if port == 443 else "reply", blame="unknown",
                                where=None)
            self.assertIn("connects, but then: " + words, one["sentence"])
            self.assertEqual([seen["attempt"] for seen in first_hand(one)], [1, 1, 2, 2])
            self.assertEqual(one["evidence"][0]["outcome"], "connected")
        self.assertIn("from content inspection on the firewall; if it is exempt already, ask ESChat Support",
                      row(report, "maps")["advice"])

    def test_server_that_says_nothing_after_the_handshake_is_no_service(self):
        for port in ("443", "80"):
            with self.subTest(port=port):
                self.cut("slow-server", "no reply in", port=port)

    def test_box_that_drops_the_data_is_not_taken_for_an_open_port(self):
        for at in ("site", "isp"):
            for port in ("443", "80"):
                with self.subTest(at=at, port=port):
                    self.cut("data-drop", "no reply in", at=at, port=port)

    def test_only_the_address_whose_data_is_dropped_fails(self):
        self.fault("data-drop", port="443", address=MAPS_AT[0])
        maps = row(self.check("maps"), "maps")
        for address in MAPS_AT:
            self.assert_verdict(endpoint(maps, address, 443), "blocked" if address == MAPS_AT[0] else "open")

    def test_addresses_with_the_same_trouble_are_told_as_one(self):
        self.fault("slow-server", port="443")
        report = self.check(*NAMED_ROWS)
        for name in NAMED_ROWS:
            failing = [one for one in row(report, name)["runs"] if one["result"] == "fail"]
            self.assertEqual([sorted(one["addresses"]) for one in failing],
                             [sorted({one["address"] for one in row(report, name)["endpoints"]})])

    def test_server_that_resets_after_the_handshake_is_no_service_and_never_this_machines_fault(self):
        self.fault("reset-after-accept", port="80")
        self.fault("reset-after-accept", port="443")
        self.fault("reset-after-accept", port="4200")
        for _ in range(25):
            report = self.check("maps", "getconf", "provisioning", "nlb", "signaling", "signaling-dr")
            self.assert_rows(report, maps="fail", getconf="fail")
            for name in ("maps", "getconf"):
                for one in endpoints(row(report, name)):
                    # The reset may come before the greeting on 443 is sent: no stage but these two is true.
                    self.assertIn(one["stage"], ("handshake", "reply") if one["port"] == 443 else ("reply",))
                    self.assert_verdict(one, "blocked", blame="unknown", where=None)
                    self.assertIn("connects, but then: connection reset before the answer", one["sentence"])
            for name in ("provisioning", "nlb", "signaling", "signaling-dr"):
                for one in endpoints(row(report, name)):
                    self.assertNotEqual(one["blame"], "host", f"{one['port']}: {one['sentence']}")


class Boxes(SystemTest):
    """A box on the way that answers in the destination's name."""

    def assert_answered_by_the_box(self, one, stage):
        """The site's router took the packets for itself: it answers where a hop limit of 1 ends."""
        client, gateway = ("fd77:1::2", GATEWAY6) if ":" in one["address"] else ("10.77.1.2", GATEWAY)
        self.assert_verdict(one, "intercepted", stage=stage, blame="site",
                            where={"after": {"hop": 0, "address": client}, "before": {"hop": 1, "address": gateway}})
        self.assertIn("answered in its name " + BY_THE_BOX.format(client=client, gateway=gateway), one["sentence"])

    def test_portal_is_seen_where_names_of_different_owners_are_sent_to_one_host(self):
        self.fault("http-portal")
        report = self.check("maps", "apns", "provisioning", "request-slot")
        self.assert_rows(report, maps="fail", apns="fail", request_slot="pass")
        for name in ("maps", "apns"):
            for one in row(report, name)["endpoints"]:
                if one["port"] == 80:
                    self.assert_answered_by_the_box(one, "reply")
                    self.assertIn("it sends to portal.lab.example", one["sentence"])
                    self.assertEqual(first_hand(one)[-1]["http"]["location"], "http://portal.lab.example/login")
                else:
                    self.assert_verdict(one, "open")
        for one in row(report, "provisioning")["endpoints"]:  # bare addresses, and the portal answers there as well
            if one["port"] == 80:
                self.assert_answered_by_the_box(one, "reply")
            else:
                self.assert_verdict(one, "open", blame="unknown", where=None)

    def test_redirect_of_one_owner_alone_is_the_boxs_where_it_comes_from_nearer(self):
        self.fault("http-portal")
        maps = row(self.check("maps"), "maps")
        self.assertEqual(maps["state"], "fail")
        for one in endpoints(maps, port=80):
            self.assert_answered_by_the_box(one, "reply")
            self.assertIn("it sends to portal.lab.example", one["sentence"])

    def test_redirect_of_one_owner_alone_may_be_its_own(self):
        """No ICMP comes in, so no distance is known. Over IPv4 an address that does not exist redirects as well."""
        self.fault("http-portal", at="internet")
        self.fault("icmp-filtered", at="site")
        maps = row(self.check("maps"), "maps")
        for one in endpoints(maps, port=80):
            if ":" in one["address"]:
                self.assert_verdict(one, "unproven", stage="reply", blame="unknown", where=None)
                self.assertIn("portal.lab.example: a captive portal, or the service's own redirect", one["sentence"])
            else:
                self.assert_verdict(one, "intercepted", stage="reply", blame="unknown")
                self.assertIn("the same answer comes for an address that does not exist", one["sentence"])

    def test_proxy_that_accepts_for_named_hosts_is_not_taken_for_them(self):
        for port in ("443", "80"):
            with self.subTest(port=port):
                self.fault("proxy", port=port)
                maps = row(self.check("maps"), "maps")
                self.site.lab.clear()
                self.assertEqual(maps["state"], "fail")
                for one in maps["endpoints"]:
                    if one["port"] == int(port):
                        self.assert_answered_by_the_box(one, "handshake" if port == "443" else "reply")
                    else:
                        self.assert_verdict(one, "open", blame="unknown")

    def test_proxy_that_accepts_for_a_bare_address_does_not_pass(self):
        self.fault("proxy", port="4200", address=PRIMARY)
        report = self.check("signaling")
        self.assert_rows(report, signaling="fail")
        self.assert_answered_by_the_box(endpoint(row(report, "signaling"), PRIMARY, 4200), "connect")

    def test_range_that_the_firewall_resets_does_not_pass(self):
        self.fault("rst", port="2100-2199")
        report = self.check("session")
        self.assert_rows(report, session="fail")
        for one in row(report, "session")["endpoints"]:
            if not 2100 <= one["port"] <= 2199:
                self.assertIn(one["verdict"], ("open", "closed"), one["sentence"])
                continue
            gateway, isp = (GATEWAY6, ISP6) if ":" in one["address"] else (GATEWAY, ISP)
            self.assert_verdict(one, "blocked", stage="connect", blame="edge",
                                where={"after": {"hop": 1, "address": gateway}, "before": {"hop": 2, "address": isp}})
            self.assertIn(f"reset between hop 1 ({gateway}) and hop 2 ({isp})", one["sentence"])

    def test_reset_of_the_firewall_that_no_walk_can_place_is_never_green(self):
        """No ICMP comes in: no control flow tells whose RST it is. The open ports say that they could not be checked."""
        self.fault("icmp-filtered", at="site")
        self.fault("rst", port="2100-2199")
        session = row(self.check("session"), "session")
        self.assertNotEqual(session["state"], "pass")
        for one in session["endpoints"]:
            if 2100 <= one["port"] <= 2199:
                self.assertIn(one["verdict"], ("unproven", "blocked"), one["sentence"])


if __name__ == "__main__":
    main("tlshttp")
