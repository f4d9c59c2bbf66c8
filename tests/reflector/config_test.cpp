// SPDX-License-Identifier: Apache-2.0
#include "reachd/reflector/config.hpp"

#include "reachd/core/json.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <iterator>

namespace reachd::reflector {
namespace {

std::string fault_of(std::string_view text)
{
    const auto got = parse_config(text, "c.json");
    return got ? "" : to_text(got.error().at(0));
}

TEST(reflector_config, an_empty_file_is_the_defaults)
{
    const auto got = parse_config("{}", "c.json");
    ASSERT_TRUE(got);
    EXPECT_EQ(got->limits, limits{});
    EXPECT_EQ(got->stun, stun_access::keyed);
    EXPECT_TRUE(got->stun_padding_required);
    EXPECT_FALSE(got->connect_back || got->allow_unauthenticated_echo);
}

TEST(reflector_config, every_key_is_read)
{
    const auto got = parse_config(
        R"({"listen": ["192.0.2.1:3478", "[2001:db8::1]:3478"], "alternate": "192.0.2.2:3479", // the second
            "key_file": "/k", "metrics_file": "/m", "allow_unauthenticated_echo": true, "connect_back": true,
            "stun": "discovery", "stun_padding": "not_required",
            "limits": {"source_packets_per_s": 1, "source_burst": 2, "total_packets_per_s": 3, "total_bytes_per_s": 4,
              "appointments": 5, "appointments_per_key": 6, "appointments_per_address": 7, "delay_s": 8,
              "report_kept_s": 9, "nonces_per_key": 10, "tcp_connections": 11, "tcp_connections_per_address": 12,
              "tcp_idle_s": 13, "connect_backs": 14}})",
        "c.json"
    );
    ASSERT_TRUE(got) << to_text(got.error()[0]);
    EXPECT_EQ(got->listen.size(), 2U);
    EXPECT_EQ(to_text(*got->alternate), "192.0.2.2:3479");
    EXPECT_EQ(got->stun, stun_access::discovery);
    EXPECT_TRUE(!got->stun_padding_required && got->connect_back && got->allow_unauthenticated_echo);
    const limits wanted{
        .source_packets_per_s = 1,
        .source_burst = 2,
        .total_packets_per_s = 3,
        .total_bytes_per_s = 4,
        .appointments = 5,
        .appointments_per_key = 6,
        .appointments_per_address = 7,
        .delay = seconds{8},
        .report_kept = seconds{9},
        .nonces_per_key = 10,
        .tcp_connections = 11,
        .tcp_connections_per_address = 12,
        .tcp_idle = seconds{13},
        .connect_backs = 14
    };
    EXPECT_EQ(got->limits, wanted);
}

// The defaults of the schema, read as a configuration, change nothing.
TEST(reflector_config, the_defaults_of_the_schema_are_those_of_the_program)
{
    std::ifstream file{REACHD_SOURCE_DIR "/config/schema/reflector.schema.json"};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    const auto schema = parse_json(text, "schema", comments::refused);
    ASSERT_TRUE(schema);
    json defaults = json::object();
    for (const auto& [key, member] : schema->value["properties"]["limits"]["properties"].items()) {
        defaults["limits"][key] = member["default"];
    }
    EXPECT_EQ(defaults["limits"].size(), 14U);
    const auto got = parse_config(dump(defaults), "c.json");
    ASSERT_TRUE(got) << to_text(got.error()[0]);
    EXPECT_EQ(got->limits, limits{});
}

TEST(reflector_config, faults_name_the_line_and_the_nearest_key)
{
    EXPECT_EQ(fault_of("{\n\"lisen\": []}"), "c.json:2: /lisen: unknown key 'lisen'; did you mean 'listen'?");
    EXPECT_NE(fault_of(R"({"limits": {"appointments": 0}})").find("/limits/appointments"), std::string::npos);
    EXPECT_NE(fault_of(R"({"limits": {"delay_s": 4000}})").find("/limits/tcp_idle_s"), std::string::npos);
    EXPECT_NE(fault_of(R"({"listen": ["localhost:1"]})").find("/listen/0"), std::string::npos);
    EXPECT_NE(fault_of(R"({"stun": "all"})").find("keyed, open or discovery"), std::string::npos);
    EXPECT_NE(fault_of(R"({"stun_padding": true})").find("/stun_padding"), std::string::npos);
    EXPECT_NE(fault_of("[]"), "");
}

} // namespace
} // namespace reachd::reflector
