// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/catalogue.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

namespace reachd {
namespace {

const std::filesystem::path source_dir{REACHD_SOURCE_DIR};

std::string contents(const std::filesystem::path& path)
{
    std::ifstream file{path, std::ios::binary};
    EXPECT_TRUE(file) << path;
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::string to_lines(const file_faults& faults)
{
    std::string lines;
    for (const auto& fault : faults) {
        lines += to_text(fault) + "\n";
    }
    return lines;
}

catalogue parsed_or_empty(std::string_view text)
{
    auto parsed = parse_catalogue(text, "c.json");
    EXPECT_TRUE(parsed) << to_lines(parsed.error());
    return parsed ? *parsed : catalogue{};
}

catalogue shipped(const std::string& id)
{
    return parsed_or_empty(contents(source_dir / "config/catalogues" / (id + ".json")));
}

const requirement& row_of(const catalogue& from, std::string_view id)
{
    const auto found = std::ranges::find(from.requirements, id, &requirement::id);
    EXPECT_NE(found, from.requirements.end()) << id;
    return found == from.requirements.end() ? from.requirements.front() : *found;
}

std::vector<std::string> ids_of(const catalogue& from)
{
    std::vector<std::string> ids;
    for (const auto& row : from.requirements) {
        ids.push_back(row.id);
    }
    return ids;
}

// "tcp 54.215.171.160 54.219.138.108 ports 80,443 service": one row of a document as a line.
std::string to_line(const outbound& row)
{
    std::string line = to_string(row.transport);
    for (const auto& entry : row.destinations) {
        const auto* reference = std::get_if<value_ref>(&entry);
        line += " " +
                (reference != nullptr ? "{" + reference->name + "}" : to_text(std::get<destination>(entry)));
    }
    const auto* reference = std::get_if<value_ref>(&row.ports);
    line += " ports " +
            (reference != nullptr ? "{" + reference->name + "}" : to_text(std::get<port_set>(row.ports)));
    return line + " " + to_string(row.expect);
}

std::string line_of(const catalogue& from, std::string_view id)
{
    const auto& row = row_of(from, id);
    const auto* flows = std::get_if<outbound>(&row.what);
    return flows == nullptr ? "no outbound row" : to_line(*flows);
}

TEST(shipped_catalogues, hold_every_row_of_the_eschat_document)
{
    const auto eschat = shipped("eschat-govcloud");
    EXPECT_EQ(eschat.id, "eschat-govcloud");
    EXPECT_EQ(eschat.document.title, "Firewall Exceptions GovCloud");
    EXPECT_EQ(eschat.document.revised, "January 2023");
    EXPECT_EQ(eschat.contact, "ESChat Support");
    EXPECT_EQ(
        ids_of(eschat), (std::vector<std::string>{
                            "provisioning", "provisioning-dr", "signaling", "signaling-dr", "data", "data-dr",
                            "nlb", "apns", "maps", "tcp-idle", "udp-idle"
                        })
    );
    const std::pair<const char*, const char*> rows[] = {
        {"provisioning", "tcp 54.215.171.160 54.219.138.108 ports 80,443 service"},
        {"provisioning-dr", "tcp 35.153.48.78 ports 80,443 service"},
        {"signaling", "tcp {signaling_primary} ports {signaling_port} service"},
        {"signaling-dr", "tcp 18.252.105.80 ports {signaling_port} service"},
        {"data", "udp {data_primary} ports {data_ports} path"},
        {"data-dr", "udp 18.252.105.80 ports {data_ports} path"},
        {"nlb", "tcp 15.200.134.197 15.200.227.26 3.30.250.187 ports 80,443 service"},
        {"apns", "tcp 17.0.0.0/8 ports 80,5223 path"},
        {"maps", "tcp maps.googleapis.com ports 80,443 service"},
    };
    for (const auto& [id, line] : rows) {
        EXPECT_EQ(line_of(eschat, id), line) << id;
    }
    const auto tcp = std::get<idle_timer>(row_of(eschat, "tcp-idle").what);
    EXPECT_EQ(tcp, (idle_timer{transport::tcp, std::chrono::minutes{12}, {"signaling", "signaling-dr"}}));
    const auto udp = std::get<idle_timer>(row_of(eschat, "udp-idle").what);
    EXPECT_EQ(udp, (idle_timer{transport::udp, std::chrono::minutes{1}, {"data", "data-dr"}}));
}

TEST(shipped_catalogues, mark_exactly_the_disaster_recovery_rows_as_such)
{
    for (const auto& row : shipped("eschat-govcloud").requirements) {
        EXPECT_EQ(row.role == role::disaster_recovery, row.id.ends_with("-dr")) << row.id;
    }
}

TEST(shipped_catalogues, leave_open_what_the_eschat_document_leaves_to_each_customer)
{
    const auto values = shipped("eschat-govcloud").values;
    ASSERT_EQ(values.size(), 4U);
    EXPECT_EQ(values.at("signaling_primary").type, value_type::addresses);
    EXPECT_EQ(values.at("signaling_primary").default_text, "");
    EXPECT_EQ(values.at("data_primary").type, value_type::addresses);
    EXPECT_EQ(values.at("data_primary").default_text, "{signaling_primary}");
    EXPECT_EQ(values.at("signaling_port").type, value_type::port);
    EXPECT_EQ(values.at("signaling_port").default_text, "4200");
    EXPECT_EQ(values.at("data_ports").type, value_type::ports);
    EXPECT_EQ(values.at("data_ports").default_text, "4200-4208");
    for (const auto& [name, value] : values) {
        EXPECT_EQ(value.ask, "ESChat Support") << name;
        EXPECT_NE(value.about, "") << name;
    }
}

TEST(shipped_catalogues, probe_apns_by_the_names_that_devices_use)
{
    const auto names = std::get<outbound>(row_of(shipped("eschat-govcloud"), "apns").what).names;
    EXPECT_GE(names.size(), 3U);
    for (const auto& name : names) {
        EXPECT_TRUE(name.ends_with("courier.push.apple.com")) << name;
    }
    const auto apns = std::get<outbound>(row_of(shipped("eschat-govcloud"), "apns").what);
    EXPECT_EQ(to_text(apns.tls_ports), "443,5223");
    EXPECT_EQ(to_text(apns.fallback_ports), "443");
    EXPECT_EQ(apns.tls_roots, (std::vector<std::string>{"Apple Inc."}));
}

TEST(shipped_catalogues, hold_every_row_of_the_helpdesk_document)
{
    const auto helpdesk = shipped("helpdesk-buttons");
    EXPECT_EQ(helpdesk.document.revised, "") << "the document carries no date";
    EXPECT_EQ(
        ids_of(helpdesk),
        (std::vector<std::string>{"getconf", "upload", "request-slot", "session", "inbound-api"})
    );
    EXPECT_EQ(
        line_of(helpdesk, "getconf"), "tcp cfjex255ag.execute-api.us-east-1.amazonaws.com ports 443 service"
    );
    EXPECT_EQ(line_of(helpdesk, "upload"), "tcp apc-button.s3.amazonaws.com ports 443 service");
    EXPECT_EQ(line_of(helpdesk, "request-slot"), "tcp connect.helpdeskbuttons.com ports 443 service");
    EXPECT_EQ(line_of(helpdesk, "session"), "tcp connect.helpdeskbuttons.com ports 2001-2500 path");
    const auto rule = std::get<inbound>(row_of(helpdesk, "inbound-api").what);
    EXPECT_EQ(
        rule.sources,
        (std::vector<ip_address>{*parse_address("174.129.157.90"), *parse_address("54.146.159.96")})
    );
}

TEST(shipped_catalogues, explain_themselves)
{
    for (const char* id : {"eschat-govcloud", "helpdesk-buttons"}) {
        const auto catalogue = shipped(id);
        EXPECT_NE(catalogue.contact, "") << id;
        EXPECT_NE(catalogue.document.note, "") << id;
        for (const auto& row : catalogue.requirements) {
            EXPECT_NE(row.about, row.id) << "every row has a sentence of its own";
        }
    }
}

// Every file tests/data/catalogue/invalid-<rule>.json breaks one rule; the .expected file beside it holds
// what a person is told, line by line.
class invalid_catalogue : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(invalid_catalogue, T29_is_refused_in_words_that_name_the_line_and_the_remedy)
{
    const auto& path = GetParam();
    const auto parsed = parse_catalogue(contents(path), path.filename().string());
    ASSERT_FALSE(parsed);
    auto expected = path;
    EXPECT_EQ(to_lines(parsed.error()), contents(expected.replace_extension(".expected")));
}

std::vector<std::filesystem::path> invalid_files()
{
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator{source_dir / "tests/data/catalogue"}) {
        if (entry.path().extension() == ".json") {
            files.push_back(entry.path());
        }
    }
    std::ranges::sort(files);
    return files;
}

INSTANTIATE_TEST_SUITE_P(files, invalid_catalogue, testing::ValuesIn(invalid_files()), [](const auto& one) {
    auto name = one.param.stem().string().substr(std::string_view{"invalid-"}.size());
    std::ranges::replace(name, '-', '_');
    return name;
});

TEST(catalogue, needs_no_more_than_an_id_and_a_row)
{
    const auto minimal = parsed_or_empty(R"({"id": "t", "requirements": [
        {"id": "a", "transport": "udp", "destinations": ["host.example"], "ports": 53}]})");
    EXPECT_EQ(minimal.title, "t");
    const auto& row = minimal.requirements.at(0);
    EXPECT_EQ(row.about, "a");
    EXPECT_EQ(row.role, role::primary);
    const auto& flows = std::get<outbound>(row.what);
    EXPECT_EQ(to_line(flows), "udp host.example ports 53 service");
    EXPECT_FALSE(flows.private_answers);
    EXPECT_TRUE(flows.names.empty());
}

TEST(catalogue, accepts_every_form_of_ports_and_destinations)
{
    const auto all = parsed_or_empty(R"({"id": "t",
        "values": {"p": {"type": "port", "default": 1}, "ps": {"type": "ports"}, "as": {"type": "addresses"}},
        "requirements": [
        {"id": "a", "transport": "tcp", "destinations": ["192.0.2.1", "2001:db8::1", "h.example", "{as}"], "ports": "443,80"},
        {"id": "b", "transport": "tcp", "destinations": ["2001:db8::/32"], "ports": "{p}", "expect": "path",
         "names": ["h.example"], "private_answers": true},
        {"id": "c", "transport": "udp", "destinations": ["192.0.2.0/24"], "ports": "{ps}", "expect": "path",
         "payload": "hex:00ff", "expect_reply": "OK"},
        {"id": "d", "transport": "tcp", "destinations": ["192.0.2.1"], "ports": 23, "expect": "blocked"},
        {"id": "e", "idle": {"transport": "tcp", "hold_s": 60, "over": []}},
        {"id": "f", "role": "disaster_recovery", "idle": {"transport": "tcp", "hold_s": 60, "over": ["a"]}},
        {"id": "g", "inbound": {"transport": "udp", "sources": ["2001:db8::2"]}}]})");
    EXPECT_EQ(line_of(all, "a"), "tcp 192.0.2.1 2001:db8::1 h.example {as} ports 80,443 service");
    EXPECT_EQ(line_of(all, "b"), "tcp 2001:db8::/32 ports {p} path");
    EXPECT_EQ(line_of(all, "c"), "udp 192.0.2.0/24 ports {ps} path");
    EXPECT_EQ(line_of(all, "d"), "tcp 192.0.2.1 ports 23 blocked");
    EXPECT_TRUE(std::get<outbound>(row_of(all, "b").what).private_answers);
    EXPECT_EQ(std::get<outbound>(row_of(all, "c").what).payload, std::string("\0\xff", 2));
    EXPECT_EQ(std::get<outbound>(row_of(all, "c").what).expect_reply, "OK");
    EXPECT_TRUE(std::get<idle_timer>(row_of(all, "e").what).over.empty());
    EXPECT_EQ(row_of(all, "f").role, role::disaster_recovery);
}

TEST(catalogue, reads_where_named_hosts_speak_tls_and_what_they_fall_back_to)
{
    const auto all = parsed_or_empty(
        R"({"id": "t", "values": {"p": {"type": "ports"}}, "requirements": [
        {"id": "a", "transport": "tcp", "destinations": ["h.example"], "ports": "80,5223", "expect": "path",
         "tls_ports": "443,5223", "tls_names": ["c.example"], "tls_roots": ["Vendor Inc."], "fallback_ports": 443},
        {"id": "b", "transport": "tcp", "destinations": ["h.example"], "ports": "{p}", "tls_ports": 8443}]})"
    );
    const auto& one = std::get<outbound>(row_of(all, "a").what);
    EXPECT_EQ(to_text(one.tls_ports), "443,5223");
    EXPECT_EQ(one.tls_names, (std::vector<std::string>{"c.example"}));
    EXPECT_EQ(one.tls_roots, (std::vector<std::string>{"Vendor Inc."}));
    EXPECT_EQ(to_text(one.fallback_ports), "443");
    EXPECT_EQ(to_text(std::get<outbound>(row_of(all, "b").what).tls_ports), "8443");
}

// A catalogue of `rows` rows with `destinations` destinations each.
std::string large_catalogue(std::size_t rows, std::size_t destinations)
{
    std::string list;
    for (std::size_t number = 0; number < destinations; ++number) {
        list += fmt::format("{}\"h{}.example\"", number == 0 ? "" : ",", number);
    }
    std::string text = "{\"id\": \"t\", \"requirements\": [";
    for (std::size_t number = 0; number < rows; ++number) {
        text += fmt::format(
            "{}{{\"id\": \"r{}\", \"transport\": \"tcp\", \"destinations\": [{}], \"ports\": 1}}",
            number == 0 ? "" : ",", number, list
        );
    }
    return text + "]}";
}

TEST(catalogue, bounds_its_rows_and_their_destinations)
{
    EXPECT_TRUE(parse_catalogue(large_catalogue(max_requirements, 1), "c"));
    EXPECT_TRUE(parse_catalogue(large_catalogue(1, max_destinations), "c"));
    const auto rows = parse_catalogue(large_catalogue(max_requirements + 1, 1), "c");
    ASSERT_FALSE(rows);
    EXPECT_EQ(to_lines(rows.error()), "c:1: /requirements: must have at most 1000 entries, not 1001\n");
    const auto destinations = parse_catalogue(large_catalogue(1, max_destinations + 1), "c");
    ASSERT_FALSE(destinations);
    EXPECT_EQ(
        to_lines(destinations.error()),
        "c:1: /requirements/0/destinations: must have at most 4096 entries, not 4097\n"
    );
}

TEST(catalogue, lists_its_faults_in_the_order_of_the_lines)
{
    const auto parsed = parse_catalogue("{\n\"requirements\": [],\n\"x\": 1,\n\"id\": 5\n}", "c");
    ASSERT_FALSE(parsed);
    EXPECT_TRUE(std::ranges::is_sorted(parsed.error(), {}, &file_fault::line));
    EXPECT_EQ(parsed.error().size(), 3U);
}

TEST(catalogue, tells_kinds_of_fault_apart)
{
    EXPECT_EQ(parse_catalogue("{", "c").error().front().code, errc::malformed);
    EXPECT_EQ(parse_catalogue("{\"x\": 1}", "c").error().front().code, errc::unknown_key);
    EXPECT_EQ(parse_catalogue("{\"id\": 1}", "c").error().front().code, errc::invalid);
}

TEST(destination, prints_what_it_parsed)
{
    for (const char* text :
         {"192.0.2.1", "2001:db8::1", "17.0.0.0/8", "2001:db8::/32", "maps.googleapis.com"}) {
        SCOPED_TRACE(text);
        const auto where = parse_destination(text);
        ASSERT_TRUE(where);
        EXPECT_EQ(to_text(*where), text);
        EXPECT_EQ(destination_fault(text), std::nullopt);
    }
    for (const char* text : {"", "10.1", "a b", "17.0.0.1/8", "https://a.example", "a.example:443"}) {
        SCOPED_TRACE(text);
        EXPECT_FALSE(parse_destination(text));
        EXPECT_TRUE(destination_fault(text));
    }
}

TEST(destination, is_never_multicast_broadcast_or_unspecified)
{
    for (const char* text :
         {"224.0.0.1", "239.1.2.3", "255.255.255.255", "0.0.0.0", "::", "ff02::1", "224.0.0.0/8"}) {
        SCOPED_TRACE(text);
        EXPECT_TRUE(destination_fault(text));
    }
    for (const char* text : {"10.0.0.1", "127.0.0.1", "::1", "fe80::1", "192.0.2.66", "0.0.0.0/0"}) {
        SCOPED_TRACE(text);
        EXPECT_FALSE(destination_fault(text));
    }
}

TEST(site_value, takes_only_texts_of_its_type)
{
    using enum value_type;
    EXPECT_FALSE(value_fault(port, "4200"));
    EXPECT_TRUE(value_fault(port, "4200-4208"));
    EXPECT_TRUE(value_fault(port, ""));
    EXPECT_FALSE(value_fault(ports, "80,4200-4208"));
    EXPECT_TRUE(value_fault(ports, "0"));
    EXPECT_FALSE(value_fault(addresses, "198.51.100.7"));
    EXPECT_FALSE(value_fault(addresses, "signaling.example.net"));
    EXPECT_TRUE(value_fault(addresses, "198.51.100.0/24"));
    EXPECT_TRUE(value_fault(addresses, "4200"));
}

TEST(id, is_made_of_small_letters_digits_and_dashes)
{
    for (const char* text : {"a", "4", "eschat-govcloud", "a-"}) {
        EXPECT_TRUE(is_id(text)) << text;
    }
    for (const char* text : {"", "-a", "A", "a_b", "a b", "a/b", "../a", "caf\xC3\xA9"}) {
        EXPECT_FALSE(is_id(text)) << text;
    }
    EXPECT_TRUE(is_id(std::string(64, 'a')));
    EXPECT_FALSE(is_id(std::string(65, 'a')));
}

} // namespace
} // namespace reachd
