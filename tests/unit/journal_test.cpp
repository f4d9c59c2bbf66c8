// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/events.hpp"
#include "reachd/core/journal.hpp"

#include <gtest/gtest.h>
#include <set>

namespace reachd {
namespace {

TEST(journal, a_value_of_one_line_follows_an_equals_sign)
{
    EXPECT_EQ(to_journal_datagram({{"MESSAGE", "a=b"}, {"PRIORITY", "6"}}), "MESSAGE=a=b\nPRIORITY=6\n");
}

TEST(journal, T14_a_value_with_a_line_break_cannot_make_a_field_of_its_own)
{
    using namespace std::string_literals;
    EXPECT_EQ(
        to_journal_datagram({{"MESSAGE", "a\nPRIORITY=0"}}), "MESSAGE\n\x0c\0\0\0\0\0\0\0a\nPRIORITY=0\n"s
    );
}

TEST(journal, names_are_made_fit)
{
    EXPECT_EQ(to_journal_name("required_s"), "REQUIRED_S");
    EXPECT_EQ(to_journal_name("a-b c"), "A_B_C");
    EXPECT_EQ(to_journal_name("_pid"), "PID");
    EXPECT_EQ(to_journal_name("1st"), "ST");
    EXPECT_EQ(to_journal_name(""), "FIELD");
    EXPECT_EQ(to_journal_name(std::string(100, 'x')).size(), 64U);
}

TEST(journal, each_event_has_a_message_id_of_its_own)
{
    std::set<std::string> ids;
    for (const auto& one : all_events) {
        const std::string id = one.message_id;
        EXPECT_EQ(id.size(), 32U) << one.id;
        EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos) << one.id;
        EXPECT_TRUE(ids.insert(id).second) << one.id;
    }
}

} // namespace
} // namespace reachd
