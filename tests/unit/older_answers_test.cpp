// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/older_answers.hpp"
#include "support/make.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

using namespace test;
using lists = std::vector<std::vector<std::size_t>>;

// Its observations began at these seconds, one after the other.
endpoint_state begun(endpoint_state one, seconds at)
{
    for (auto& seen : one.seen) {
        seen.at = make_wall(at);
        at += seconds{2};
    }
    return one;
}

endpoint_state silent(std::uint16_t port, seconds at)
{
    return begun(make_endpoint(server_text, port, make_silence()), at);
}

endpoint_state refusing(std::uint16_t port, seconds at)
{
    return begun(make_endpoint(server_text, port, {make_seen(refused{})}), at);
}

TEST(older_answers, of_before_the_silence_are_listed_by_port)
{
    const std::vector<endpoint_state> row{
        refusing(2002, seconds{98}), refusing(2001, seconds{99}), silent(2003, seconds{100})
    };
    EXPECT_EQ(answers_before_silence(row, {2}), (lists{{1, 0}}));
}

TEST(older_answers, nobody_is_asked_again_where_somebody_answered_since)
{
    const std::vector<endpoint_state> row{
        refusing(2001, seconds{98}), silent(2002, seconds{100}), refusing(2003, seconds{100})
    };
    EXPECT_EQ(answers_before_silence(row, {1}), lists{});
}

TEST(older_answers, of_several_silences_the_first_decides)
{
    const std::vector<endpoint_state> row{
        silent(2001, seconds{105}), refusing(2002, seconds{102}), silent(2003, seconds{100})
    };
    EXPECT_EQ(answers_before_silence(row, {0, 2}), lists{});
    EXPECT_EQ(answers_before_silence(row, {0}), (lists{{1}})) << "the other one was silent before";
}

TEST(older_answers, each_address_and_vantage_has_a_list_of_its_own)
{
    auto elsewhere = begun(make_endpoint(other_server_text, 2001, {make_seen(connected{})}), seconds{90});
    auto by_lte = refusing(2001, seconds{90});
    by_lte.vantage = "lte";
    auto lte_silent = silent(2002, seconds{95});
    lte_silent.vantage = "lte";
    const std::vector<endpoint_state> row{
        elsewhere, by_lte, lte_silent, silent(2003, seconds{100}), refusing(2004, seconds{99})
    };
    EXPECT_EQ(answers_before_silence(row, {2, 3}), (lists{{4}, {1}}));
    EXPECT_EQ(answers_before_silence(row, {3}), (lists{{4}}));
}

TEST(older_answers, datagrams_and_the_silent_are_no_witnesses)
{
    auto datagram = begun(
        make_endpoint(server_text, 4200, {make_seen(replied{.bytes = 4}, probe_kind::udp_send)}), seconds{90}
    );
    datagram.transport = transport::udp;
    const std::vector<endpoint_state> row{datagram, silent(2001, seconds{80}), silent(2002, seconds{100})};
    EXPECT_EQ(answers_before_silence(row, {2}), lists{});
}

TEST(older_answers, who_answers_again_meanwhile_fell_not_silent)
{
    const std::vector<endpoint_state> row{refusing(2001, seconds{90}), refusing(2002, seconds{110})};
    EXPECT_EQ(answers_before_silence(row, {1}), lists{});
}

TEST(older_answers, of_another_row_are_found_where_address_and_vantage_are_the_same)
{
    const std::vector<endpoint_state> row{silent(2001, seconds{100})};
    EXPECT_TRUE(has_answers_before_silence({refusing(443, seconds{50})}, row, {0}));
    EXPECT_FALSE(has_answers_before_silence({refusing(443, seconds{100})}, row, {0})) << "it answered since";
    EXPECT_FALSE(has_answers_before_silence({silent(443, seconds{50})}, row, {0}));
    EXPECT_FALSE(has_answers_before_silence({refusing(443, seconds{50})}, row, {}));
    auto elsewhere = begun(make_endpoint(other_server_text, 443, {make_seen(refused{})}), seconds{50});
    EXPECT_FALSE(has_answers_before_silence({elsewhere}, row, {0}));
}

} // namespace
} // namespace reachd
