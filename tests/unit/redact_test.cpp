// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/redact.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using nlohmann::json;

TEST(redaction, T13_leaves_out_every_value_whose_key_speaks_of_a_secret)
{
    const json config = {
        {"site", "lab"},
        {"reflectors", {{{"host", "r.example"}, {"secret_file", "/etc/k"}, {"Secret", {{"a", "hush"}}}}}},
        {"http", {{"apiKey", "hush"}, {"password", "hush"}, {"tokens", {"hush"}}}},
    };
    const auto told = without_secrets(config);
    EXPECT_EQ(told.dump().find("hush"), std::string::npos);
    EXPECT_EQ(told.dump().find("/etc/k"), std::string::npos);
    EXPECT_EQ(told["reflectors"][0]["host"], "r.example");
    EXPECT_EQ(told["reflectors"][0]["secret_file"], "(left out)");
}

TEST(redaction, names_addresses_of_the_site_and_leaves_public_ones)
{
    address_mask mask;
    EXPECT_EQ(
        mask.apply("from 10.77.1.2:40088 to 54.215.171.160:443."),
        "from site-address-1:40088 to 54.215.171.160:443."
    );
    EXPECT_EQ(mask.apply("\"[fd77:1::2]:9\", at 10.77.1.2"), "\"[site-address-2]:9\", at site-address-1");
    EXPECT_EQ(mask.apply("10.77.1.2. 10.77.1.20"), "site-address-1. site-address-3");
    EXPECT_EQ(mask.count(), 3U);
    EXPECT_EQ(mask.apply("at 17:42:01.123 face: add 1.2 feed::"), "at 17:42:01.123 face: add 1.2 feed::");
}

TEST(redaction, names_addresses_behind_a_colon)
{
    address_mask mask;
    EXPECT_EQ(
        mask.apply("src:10.77.1.2 addr:fe80::1, a:54.215.171.160 b:1:10.77.1.2"),
        "src:site-address-1 addr:site-address-2, a:54.215.171.160 b:1:site-address-1"
    );
}

} // namespace
} // namespace reachd
