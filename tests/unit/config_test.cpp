// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/config.hpp"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <sstream>

namespace reachd {
namespace {

using namespace std::chrono_literals;

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

config parsed_or_default(std::string_view text)
{
    auto parsed = parse_config(text, "reachd.json");
    EXPECT_TRUE(parsed) << to_lines(parsed.error());
    return parsed ? *parsed : config{};
}

std::vector<catalogue> shipped_catalogues()
{
    std::vector<catalogue> all;
    for (const char* id : {"eschat-govcloud", "helpdesk-buttons"}) {
        const auto name = std::string{id} + ".json";
        all.push_back(parse_catalogue(contents(source_dir / "config/catalogues" / name), name).value());
    }
    return all;
}

TEST(shipped_config, is_valid_switches_both_catalogues_on_and_fills_no_value)
{
    const auto text = contents(source_dir / "config/reachd.json");
    const auto site = parsed_or_default(text);
    EXPECT_EQ(site.catalogues, (std::vector<std::string>{"eschat-govcloud", "helpdesk-buttons"}));
    EXPECT_TRUE(site.values.empty() || site.values.begin()->second.empty());
    EXPECT_EQ(to_lines(check_against(site, shipped_catalogues(), text, "reachd.json")), "");
}

TEST(shipped_config, writes_out_the_defaults_and_changes_none)
{
    auto site = parsed_or_default(contents(source_dir / "config/reachd.json"));
    site.catalogues.clear();
    site.values.clear();
    EXPECT_EQ(site, config{});
}

TEST(shipped_config, is_still_valid_when_every_example_in_its_comments_is_uncommented)
{
    std::istringstream lines{contents(source_dir / "config/reachd.json")};
    std::string text;
    for (std::string line; std::getline(lines, line);) {
        const auto comment = line.find("// ");
        const auto code = comment == std::string::npos ? line : line.substr(comment + 3);
        const auto first = code.find_first_not_of(' ');
        const bool is_code = first != std::string::npos && std::string_view{"\"{]"}.contains(code[first]) &&
                             (code.find("\": ") != std::string::npos || code[first] == ']');
        text += (comment == std::string::npos ? line : is_code ? code : "") + "\n";
    }
    const auto site = parsed_or_default(text);
    EXPECT_EQ(site.vantages.size(), 2U);
    EXPECT_EQ(site.reflectors.size(), 1U);
    EXPECT_EQ(site.inbound.size(), 1U);
    EXPECT_EQ(site.http.listen, "127.0.0.1:9870");
    EXPECT_EQ(site.values.at("eschat-govcloud").size(), 4U);
    EXPECT_EQ(to_lines(check_against(site, shipped_catalogues(), text, "reachd.json")), "");
}

TEST(config, may_be_empty)
{
    EXPECT_EQ(parsed_or_default("{}"), config{});
}

TEST(config, http_may_listen_on_loopback_or_on_a_socket_of_the_file_system)
{
    for (const std::string where :
         {"127.0.0.1:9870", "127.8.9.1:80", "[::1]:9870", "unix:/run/reachd/http.sock"}) {
        EXPECT_EQ(parsed_or_default(R"({"http": {"listen": ")" + where + R"("}})").http.listen, where);
    }
    EXPECT_EQ(parse_listen_path("unix:/a"), "/a");
    for (const std::string path : {"unix:", "unix:/", "unix:a", "/run/a.sock", "unix:/a\nb"}) {
        EXPECT_FALSE(parse_listen_path(path)) << path;
    }
    EXPECT_TRUE(parse_listen_path("unix:/" + std::string(106, 'a')));
    EXPECT_FALSE(parse_listen_path("unix:/" + std::string(107, 'a')));
}

TEST(config, reads_every_key)
{
    const auto site = parsed_or_default(
        R"({
        "$schema": "schema/reachd.schema.json", "site": "denver-hq", "catalogues": ["a", "b-2"],
        "values": {"a": {"n": 4200, "t": "4200-4208", "l": ["192.0.2.1", "h.example"]}},
        "vantages": [{"name": "wired", "interface": "eth0"}, {"name": "voice", "source": "10.20.0.5"}],
        "schedule": {"interval_s": 1, "nat_interval_s": 2, "sweep_interval_s": 3},
        "limits": {"new_flows_per_s": 0, "new_flows_per_destination_per_s": 5, "in_flight": 6,
                   "connect_timeout_ms": 700, "attempts": 8, "samples_per_block": 9, "icmp_per_hop_per_s": 0,
                   "nat_entries": 11},
        "path": {"edge": "10.20.0.1", "site_networks": ["10.20.0.0/16", "2001:db8:7::/48"]},
        "reflectors": [{"host": "r.example", "port": 9, "secret_file": "/k"}, {"host": "2001:db8::1"}],
        "history": {"path": "/h.db", "keep_days": 10, "max_mb": 50},
        "idle": {"udp_rungs_s": [15, 30], "tcp_rungs_s": [], "longest_s": 600},
        "inbound": {"a/b": {"service": "10.0.0.5:8443", "public": "[2001:db8::9]:443"}, "c/d": {"service": "10.0.0.6:1"}},
        "not_needed": {"e/f": "the ticket system is cloud-hosted"},
        "tls": {"ca_file": "/ca.pem", "extra_ca_files": ["/a.pem", "/b.pem"]}, "http": {"listen": "0.0.0.0:9870", "hosts": ["status.example.net"], "allow_remote": true}})"
    );
    config expected;
    expected.site = "denver-hq";
    expected.catalogues = {"a", "b-2"};
    expected.values["a"] = {{"n", {"4200"}}, {"t", {"4200-4208"}}, {"l", {"192.0.2.1", "h.example"}}};
    expected.vantages = {{"wired", "eth0", std::nullopt}, {"voice", "", parse_address("10.20.0.5")}};
    expected.schedule = {1s, 2s, 3s};
    expected.limits = {0, 5, 6, 700ms, 8, 9, 0, 11};
    expected.path = {
        parse_address("10.20.0.1"),
        {parse_block("10.20.0.0/16").value(), parse_block("2001:db8:7::/48").value()}
    };
    expected.reflectors = {{"r.example", 9, "/k"}, {"2001:db8::1", 3478, ""}};
    expected.history = {"/h.db", 10, 50};
    expected.idle = {{15s, 30s}, {}, 600s};
    expected.inbound["a/b"] = {
        parse_socket_address("10.0.0.5:8443").value(), parse_socket_address("[2001:db8::9]:443")
    };
    expected.inbound["c/d"] = {parse_socket_address("10.0.0.6:1").value(), std::nullopt};
    expected.not_needed["e/f"] = "the ticket system is cloud-hosted";
    expected.tls_ca_file = "/ca.pem";
    expected.tls_extra_ca_files = {"/a.pem", "/b.pem"};
    expected.http = {"0.0.0.0:9870", {"status.example.net"}, true};
    EXPECT_EQ(site, expected);
}

TEST(config, accepts_both_ends_of_every_range)
{
    for (const char* limits :
         {R"("new_flows_per_s": 0)", R"("new_flows_per_s": 100000)",
          R"("new_flows_per_destination_per_s": 100000)", R"("in_flight": 1)", R"("in_flight": 10000)",
          R"("connect_timeout_ms": 100)", R"("connect_timeout_ms": 60000)", R"("attempts": 1)",
          R"("attempts": 10)"}) {
        EXPECT_TRUE(parse_config(std::string{"{\"limits\": {"} + limits + "}}", "f")) << limits;
    }
}

// A file of megabytes must not become a configuration of megabytes, nor a fault for each of its entries.
TEST(config, T29_refuses_lists_beyond_their_limit_in_one_sentence_and_takes_them_at_it)
{
    struct list {
        const char* before; // of its entries
        const char* entry;  // {} is its number
        const char* after;
        std::size_t most;
        const char* where;
    };
    const std::vector<list> lists = {
        {R"({"catalogues": [)", R"("a{}")", "]}", 256, "/catalogues"},
        {R"({"values": {"a": {"b": [)", R"("h{}.example")", "]}}}", max_destinations, "/values/a/b"},
        {R"({"path": {"site_networks": [)", R"("10.0.0.0/8")", "]}}", 256, "/path/site_networks"},
        {R"({"inbound": {)", R"("a/b{}": {{"service": "10.0.0.5:8443"}})", "}}", 256, "/inbound"},
        {R"({"not_needed": {)", R"("a/b{}": "not used here")", "}}", 256, "/not_needed"},
        {R"({"tls": {"extra_ca_files": [)", R"("/{}.pem")", "]}}", 64, "/tls/extra_ca_files"},
        {R"({"http": {"listen": "127.0.0.1:80", "hosts": [)", R"("h{}.example")", "]}}", 16, "/http/hosts"},
    };
    for (const auto& [before, entry, after, most, where] : lists) {
        std::string entries;
        for (std::size_t i = 0; i < most; ++i) {
            entries += (i == 0 ? "" : ",") + fmt::format(fmt::runtime(entry), i);
        }
        EXPECT_TRUE(parse_config(before + entries + after, "f")) << where;
        entries += "," + fmt::format(fmt::runtime(entry), most);
        const auto parsed = parse_config(before + entries + after, "f");
        ASSERT_FALSE(parsed) << where;
        EXPECT_EQ(
            to_lines(parsed.error()),
            fmt::format("f:1: {}: must have at most {} entries, not {}\n", where, most, most + 1)
        );
    }
}

TEST(config, takes_a_port_as_a_number_or_as_text)
{
    const auto text = R"({"values": {"eschat-govcloud": {"signaling_port": "4300", "data_ports": 4300,
        "signaling_primary": "signaling.example.net", "data_primary": ["2001:db8::7"]}}})";
    const auto site = parsed_or_default(text);
    EXPECT_EQ(to_lines(check_against(site, shipped_catalogues(), text, "f")), "");
}

TEST(config, may_keep_values_of_a_catalogue_that_is_switched_off)
{
    const auto text = R"({"catalogues": [], "values": {"eschat-govcloud": {"signaling_port": 4300}}})";
    EXPECT_EQ(to_lines(check_against(parsed_or_default(text), shipped_catalogues(), text, "f")), "");
}

TEST(check_against, works_without_lines_when_it_gets_another_text)
{
    config site;
    site.catalogues = {"nothing"};
    const auto faults = check_against(site, shipped_catalogues(), "not json", "f");
    EXPECT_EQ(
        to_lines(faults),
        "f: /catalogues/0: there is no catalogue 'nothing'; known: eschat-govcloud, helpdesk-buttons\n"
    );
    EXPECT_EQ(faults.front().code, errc::not_found);
}

TEST(check_against, says_nothing_about_other_catalogues_when_there_is_none)
{
    config site;
    site.catalogues = {"x"};
    EXPECT_EQ(
        to_lines(check_against(site, {}, "{\"catalogues\":\n[\"x\"]}", "f")),
        "f:2: /catalogues/0: there is no catalogue 'x'\n"
    );
}

// Datagrams that arrive cannot be told from none: such a row is not measured, and the operator is told.
TEST(check_against, refuses_to_measure_an_inbound_row_about_udp)
{
    catalogue voice;
    voice.id = "voice";
    inbound media;
    media.transport = transport::udp;
    voice.requirements.push_back(requirement{.id = "media", .what = media});
    const std::string text = R"({"inbound": {"voice/media": {"service": "10.0.0.5:5004"}}})";
    EXPECT_EQ(
        to_lines(check_against(parsed_or_default(text), {voice}, text, "f")),
        "f:1: /inbound/voice~1media: is about UDP, which is not measured: leave it out\n"
    );
    std::get<inbound>(voice.requirements.front().what).transport = transport::tcp;
    EXPECT_EQ(to_lines(check_against(parsed_or_default(text), {voice}, text, "f")), "");
}

TEST(listen_address, is_an_address_and_a_port_and_nothing_else)
{
    EXPECT_EQ(parse_listen_address("127.0.0.1:80"), (listen_address{*parse_address("127.0.0.1"), 80}));
    EXPECT_EQ(parse_listen_address("[::1]:65535"), (listen_address{*parse_address("::1"), 65535}));
    for (const char* text :
         {"", ":", "127.0.0.1", ":80", "[::1]", "::1:80", "[127.0.0.1]:80", "localhost:80", "127.0.0.1:0",
          "127.0.0.1:65536", "127.0.0.1:8 0", "127.0.0.1:80-90", "[]:80", "[:80"}) {
        SCOPED_TRACE(text);
        EXPECT_FALSE(parse_listen_address(text));
    }
}

// Every file tests/data/config/invalid-<rule>.json breaks one rule, "check-..." one that only shows with
// the shipped catalogues at hand; the .expected file beside it holds what a person is told.
class invalid_config : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(invalid_config, T29_is_refused_in_words_that_name_the_line_and_the_remedy)
{
    const auto& path = GetParam();
    const auto name = path.filename().string();
    const auto text = contents(path);
    const auto parsed = parse_config(text, name);
    ASSERT_EQ(parsed.has_value(), name.starts_with("invalid-check-"));
    auto expected = path;
    EXPECT_EQ(
        to_lines(parsed ? check_against(*parsed, shipped_catalogues(), text, name) : parsed.error()),
        contents(expected.replace_extension(".expected"))
    );
}

std::vector<std::filesystem::path> invalid_files()
{
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator{source_dir / "tests/data/config"}) {
        if (entry.path().extension() == ".json") {
            files.push_back(entry.path());
        }
    }
    std::ranges::sort(files);
    return files;
}

INSTANTIATE_TEST_SUITE_P(files, invalid_config, testing::ValuesIn(invalid_files()), [](const auto& one) {
    auto name = one.param.stem().string().substr(std::string_view{"invalid-"}.size());
    std::ranges::replace(name, '-', '_');
    return name;
});

} // namespace
} // namespace reachd
