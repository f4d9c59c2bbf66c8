// SPDX-License-Identifier: Apache-2.0
// hostile_report.hpp: reports for the tests of what renders them: a plain one, one whose every text is an
// attack, and some that are no reports.
#pragma once

#include "reachd/core/render_html.hpp"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace reachd::test {

// Markup, a formula, a table cell, a new line, escape sequences, a direction override, broken UTF-8.
inline const std::string attack =
    "=cmd|' /C calc'!A0 <script>alert(1)</script> \"><img src=x onerror=y> `|` [l](http://x) "
    "a|b\nREADY\r\x1b[2J\x1b]0;t\x07 \xc2\x9b"
    "31m \xe2\x80\xae \xff ]]> --> </style>";

inline nlohmann::json seen(const char* at, const char* text, nlohmann::json more = nlohmann::json::object())
{
    nlohmann::json out = {
        {"at", at},
        {"attempt", 1},
        {"outcome", "no_reply"},
        {"probe", "tcp_connect"},
        {"source", "10.77.1.2:40088"},
        {"text", text},
        {"took_us", 500536}
    };
    out.update(more);
    return out;
}

inline nlohmann::json icmp_seen(int hop, const char* sender)
{
    return seen(
        "2026-11-22T04:17:28.022Z", "ICMP time to live exceeded",
        {{"hop_limit", hop}, {"outcome", "icmp"}, {"icmp", {{"type", 11}, {"code", 0}, {"sender", sender}}}}
    );
}

inline nlohmann::json endpoint_of(const char* address, int port, const char* verdict, const char* sentence)
{
    return {
        {"address", address},
        {"name", nullptr},
        {"port", port},
        {"transport", "tcp"},
        {"verdict", verdict},
        {"stage", "connect"},
        {"blame", "unknown"},
        {"where", nullptr},
        {"sentence", sentence},
        {"rtt_us", nullptr},
        {"since", "2026-11-22T04:17:31.685Z"},
        {"evidence", {seen("2026-11-22T04:17:27.468Z", "connected")}}
    };
}

inline nlohmann::json run_of(const char* to, const char* ports, const char* result, const char* verdict)
{
    return {{"destination", to},     {"addresses", {to}},  {"vantage", nullptr}, {"ports", ports},
            {"verdict", verdict},    {"stage", "connect"}, {"blame", "unknown"}, {"where", nullptr},
            {"sentence", "answers"}, {"result", result}};
}

inline nlohmann::json row_of(const char* id, const char* kind, const char* state, const char* sentence)
{
    return {
        {"id", id},
        {"about", id},
        {"kind", kind},
        {"role", "primary"},
        {"state", state},
        {"sentence", sentence},
        {"advice", nullptr},
        {"note", nullptr},
        {"ask", "Vendor Support"},
        {"since", "2026-11-22T04:17:31.685Z"},
        {"checked", "2026-11-22T04:17:31.684Z"},
        {"counts", {{"total", 1}, {"pass", 1}, {"fail", 0}, {"unproven", 0}}},
        {"findings", nlohmann::json::array()},
        {"runs", nlohmann::json::array()},
        {"endpoints", nlohmann::json::array()},
        {"transport", "tcp"}
    };
}

// A dropped port, a range with a part that is dropped and a block with a hole, a timer that is too short but
// not proven for the row, a row that passes.
inline nlohmann::json plain_report()
{
    const nlohmann::json where = {
        {"after", {{"hop", 1}, {"address", "10.77.1.1"}}}, {"before", {{"hop", 2}, {"address", "100.64.0.1"}}}
    };
    auto web = row_of("web", "outbound", "fail", "tcp 443 to 54.215.171.160: dropped");
    web["advice"] = "allow outbound tcp 443 to 54.215.171.160 in the site's firewall";
    web["ports"] = "443";
    web["destinations"] = "54.215.171.160";
    web["runs"] = {run_of("54.215.171.160", "443", "fail", "blocked")};
    web["endpoints"] = {endpoint_of("54.215.171.160", 443, "blocked", "answers")};
    for (auto* one : {&web["runs"][0], &web["endpoints"][0]}) {
        (*one)["where"] = where;
        (*one)["blame"] = "edge";
    }
    web["endpoints"][0]["evidence"].push_back(icmp_seen(1, "10.77.1.1"));
    auto range = row_of("range", "outbound", "fail", "tcp 2001-2100 to 17.1.1.1: dropped");
    range["ports"] = "2001-2500";
    range["destinations"] = "17.1.1.1";
    range["runs"] = {
        run_of("17.1.1.1", "2001-2100", "fail", "blocked"), run_of("17.1.1.1", "2101-2500", "pass", "open")
    };
    range["samples"] = {
        {{"block", "17.0.0.0/8"},
         {"port", 80},
         {"strata", 4},
         {"covered", "f"},
         {"n", 9},
         {"sentence", "half of it"},
         {"holes", {{{"block", "17.64.0.0/10"}, {"how", "silent"}}}}}
    };
    auto timer = row_of("timer", "idle", "unproven", "an idle flow is gone after 10 s");
    auto line = row_of("line", "outbound", "pass", "answers, and takes data");
    line["ports"] = "4200-4202";
    line["destinations"] = "198.51.100.7";
    for (const int port : {4200, 4201, 4202}) {
        line["endpoints"].push_back(endpoint_of("198.51.100.7", port, "open", "answers"));
    }
    line["endpoints"][1]["evidence"].push_back(
        seen("2026-11-22T04:17:27.500Z", "the peer acknowledged data")
    );
    return {
        {"schema", 1},
        {"site", "lab"},
        {"generated", "2026-11-22T04:17:42.000Z"},
        {"state", "not_ready"},
        {"sentence", "2 of 4 requirements fail: web, range."},
        {"findings", nlohmann::json::array()},
        {"since", "2026-11-22T04:17:31.685Z"},
        {"vantage", nullptr},
        {"path",
         {{"edge", {{"hop", 1}, {"address", "10.77.1.1"}}},
          {"hops",
           {{{"hop", 1}, {"address", "10.77.1.1"}, {"rtt_us", 76}, {"site", true}},
            {{"hop", 2}, {"address", "100.64.0.1"}, {"rtt_us", 84}, {"site", false}}}}}},
        {"nat64", nullptr},
        {"catalogues",
         {{{"id", "cat"},
           {"title", "Vendor"},
           {"document", {{"title", "Firewall rules"}, {"revised", "2023-01"}}},
           {"requirements", {web, timer, line, range}}}}},
        {"idle",
         {{{"requirement", "timer"},
           {"catalogue", "cat"},
           {"transport", "tcp"},
           {"class", nullptr},
           {"via", "reflector 203.0.113.6"},
           {"required_s", 12},
           {"held_s", 8},
           {"answered_s", nullptr},
           {"lost_s", 10},
           {"grade", "inbound_lost"},
           {"state", "unproven"},
           {"sentence", "gone after 10 s"},
           {"rungs",
            {{{"idle_s", 8}, {"outcome", "held"}, {"grade", "inbound"}},
             {{"idle_s", 10}, {"outcome", "lost"}, {"grade", "inbound_lost"}},
             {{"idle_s", 4.5}, {"outcome", "unproven"}, {"grade", nullptr}, {"reason", "closed"}}}}}}},
        {"traffic", {{"packets", 12}}},
    };
}

// Words that renderers branch on stay; every other text is the attack.
inline void poison(nlohmann::json& value, const std::string& key)
{
    static const std::vector<std::string> kept{"id",     "state",       "kind",     "role",
                                               "result", "outcome",     "ports",    "covered",
                                               "block",  "requirement", "catalogue"};
    if (value.is_string() && std::find(kept.begin(), kept.end(), key) == kept.end()) {
        value = attack;
    }
    if (value.is_object()) {
        for (auto& [name, member] : value.items()) {
            poison(member, name);
        }
    } else if (value.is_array()) {
        for (auto& member : value) {
            poison(member, key);
        }
    }
}

inline nlohmann::json hostile_report()
{
    auto report = plain_report();
    for (auto& row : report["catalogues"][0]["requirements"]) {
        row["findings"] = {"x"};
        row["note"] = "x";
        row["names"] = {{{"name", "x"}, {"answers", {{{"server", "x"}, {"text", "x"}}}}}};
    }
    report["findings"] = {"x"};
    poison(report, "");
    return report;
}

inline std::vector<nlohmann::json> misshapen_reports()
{
    using nlohmann::json;
    std::vector<json> out{
        json(),
        json::array(),
        json("text"),
        json(7),
        json::object(),
        {{"catalogues", 7}},
        {{"catalogues", {1, nullptr, {{"requirements", {1, nullptr, json::object()}}}}}}
    };
    for (const json& wrong :
         {json(), json(7), json(-1.5), json(1.7976931348623157e308), json("text"), json::array({1, nullptr}),
          json::object()}) {
        auto report = plain_report();
        for (auto& row : report["catalogues"][0]["requirements"]) {
            for (const char* key :
                 {"runs", "endpoints", "samples", "counts", "names", "inbound", "ports", "since"}) {
                row[key] = wrong;
            }
        }
        report["idle"][0]["rungs"] = wrong;
        report["idle"][0]["required_s"] = wrong;
        report["idle"].push_back(
            {{"rungs", {{{"idle_s", wrong}, {"outcome", "held"}}}}, {"required_s", wrong}}
        );
        report["path"] = wrong;
        out.push_back(report);
        report = plain_report();
        for (auto& row : report["catalogues"][0]["requirements"]) {
            for (const char* list : {"runs", "endpoints"}) {
                for (auto& one : row[list]) {
                    for (auto& member : one) {
                        member = wrong;
                    }
                    one["result"] = "fail";
                }
            }
        }
        out.push_back(report);
    }
    return out;
}

// plain_report() of this row alone.
inline nlohmann::json report_of(const nlohmann::json& row)
{
    auto report = plain_report();
    report["catalogues"][0]["requirements"] = {row};
    return report;
}

inline std::string html_of(const nlohmann::json& row)
{
    return render_html_row(report_of(row), "cat", row["id"].get<std::string>());
}

inline bool has(const std::string& text, std::string_view part)
{
    return text.find(part) != std::string::npos;
}

} // namespace reachd::test
