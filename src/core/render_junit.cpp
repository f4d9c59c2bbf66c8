// SPDX-License-Identifier: Apache-2.0
// The report as build servers read test results: a catalogue is a suite, a requirement a test case. What is
// unproven or not configured is skipped: it is neither a success nor a failure.
#include "reachd/core/escape.hpp"
#include "reachd/core/report_formats.hpp"
#include "report_words.hpp"

#include <fmt/format.h>

namespace reachd {

using namespace reading;

namespace {

std::string runs_text(const json& row)
{
    std::string out;
    for (const auto& run : list_at(row, "runs")) {
        const bool needed = !run.contains("needed") || is_true(run, "needed");
        out += fmt::format(
            "{}: {}: {}\n", needed ? text_at(run, "result") : "not_needed",
            xml_text(run_target(run, text_at(row, "transport"))), xml_text(text_at(run, "sentence"))
        );
    }
    for (const auto& finding : texts_at(row, "findings")) {
        out += "note: " + xml_text(finding) + '\n';
    }
    return out;
}

std::string failure_text(const json& row)
{
    std::string out = xml_text(text_at(row, "sentence")) + '\n';
    if (const auto advice = text_at(row, "advice"); !advice.empty()) {
        out += "What to do: " + xml_text(advice) + '\n';
    }
    if (const auto ask = ask_words(row); !ask.empty()) {
        out += "Whom to ask: " + xml_text(ask) + '\n';
    }
    return out;
}

std::string case_of(const row_view& which)
{
    const auto& row = *which.row;
    const auto state = text_at(row, "state");
    auto out = fmt::format(
        "    <testcase classname=\"{}\" name=\"{}\">\n", xml_text(text_at(*which.catalogue, "id")),
        xml_text(text_at(row, "id"))
    );
    const auto sentence = xml_text(text_at(row, "sentence"));
    if (state == "fail") {
        out += fmt::format(
            "      <failure type=\"{}\" message=\"{}\">{}</failure>\n", xml_text(text_at(row, "kind")),
            sentence, failure_text(row)
        );
    } else if (state != "pass") {
        out += fmt::format("      <skipped message=\"{}: {}\"/>\n", state_word(state), sentence);
    }
    if (const auto runs = runs_text(row); !runs.empty()) {
        out += "      <system-out>" + runs + "</system-out>\n";
    }
    return out + "    </testcase>\n";
}

struct tally {
    std::size_t tests = 0;
    std::size_t failures = 0;
    std::size_t skipped = 0;

    void count(const json& row)
    {
        const auto state = text_at(row, "state");
        ++tests;
        failures += state == "fail" ? 1U : 0U;
        skipped += state != "fail" && state != "pass" ? 1U : 0U;
    }
    [[nodiscard]] std::string text() const
    {
        return fmt::format(
            "tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\"", tests, failures, skipped
        );
    }
};

// "2026-11-22T04:17:42.000Z" -> "2026-11-22T04:17:42": the schema has no time zone and no fraction.
std::string timestamp(const json& report)
{
    return xml_text(text_at(report, "generated").substr(0, 19));
}

} // namespace

std::string render_junit(const json& report)
{
    tally all;
    std::string suites;
    for (const auto& one : list_at(report, "catalogues")) {
        tally here;
        std::string cases;
        for (const auto& row : list_at(one, "requirements")) {
            here.count(row);
            all.count(row);
            cases += case_of({&one, &row});
        }
        suites += fmt::format(
            "  <testsuite name=\"{}\" {} timestamp=\"{}\" hostname=\"{}\" time=\"0\">\n    <properties>\n    "
            "  <property "
            "name=\"site\" value=\"{}\"/>\n      <property name=\"site_state\" value=\"{}\"/>\n    "
            "</properties>\n{}  </testsuite>\n",
            xml_text(text_at(one, "id")), here.text(), timestamp(report), xml_text(text_at(report, "site")),
            xml_text(text_at(report, "site")), xml_text(text_at(report, "state")), cases
        );
    }
    return fmt::format(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"reachd {}\" {}>\n{}</testsuites>\n",
        xml_text(text_at(report, "site")), all.text(), suites
    );
}

} // namespace reachd
