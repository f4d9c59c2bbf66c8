// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/block_bound.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

TEST(block_bound, without_failure_is_the_known_table)
{
    const struct {
        std::uint64_t n;
        double bound;
        const char* text;
    } rows[] = {{1, 0.95, "95 %"},         {59, 0.049508, "5.0 %"},  {149, 0.019905, "2.0 %"},
                {256, 0.011634, "1.2 %"},  {299, 0.009969, "1.0 %"}, {598, 0.004997, "0.50 %"},
                {1000, 0.002991, "0.30 %"}};
    for (const auto& row : rows) {
        SCOPED_TRACE(row.n);
        EXPECT_NEAR(upper_share(0, row.n, doubt), row.bound, 5e-7);
        EXPECT_EQ(percent_above(upper_share(0, row.n, doubt)), row.text);
    }
}

// References: the binomial tail summed with exact integers (Python's math.comb) and halved a hundred times.
TEST(block_bound, with_failures_is_that_of_clopper_and_pearson)
{
    const struct {
        std::uint64_t blocked, n;
        double chance, bound;
    } rows[] = {{10, 100, 0.05, 0.163718}, {10, 100, 0.025, 0.176223}, {1, 256, 0.05, 0.018396},
                {5, 256, 0.05, 0.040626},  {128, 256, 0.05, 0.553153}, {255, 256, 0.05, 0.999800},
                {3, 1000, 0.05, 0.007735}, {1, 2, 0.05, 0.974679}};
    for (const auto& row : rows) {
        SCOPED_TRACE(row.n);
        EXPECT_NEAR(upper_share(row.blocked, row.n, row.chance), row.bound, 5e-7);
    }
}

TEST(block_bound, of_nothing_sampled_or_nothing_passed_is_the_whole_block)
{
    EXPECT_EQ(upper_share(0, 0, doubt), 1);
    EXPECT_EQ(upper_share(7, 7, doubt), 1);
}

TEST(block_bound, falls_with_every_clean_sample_and_rises_with_every_failure)
{
    for (std::uint64_t n = 2; n < 400; n += 23) {
        for (std::uint64_t blocked = 0; blocked + 1 < n; blocked += 5) {
            const auto bound = upper_share(blocked, n, doubt);
            EXPECT_GT(bound, static_cast<double>(blocked) / static_cast<double>(n));
            EXPECT_GT(bound, upper_share(blocked, n + 1, doubt));
            EXPECT_LT(bound, upper_share(blocked + 1, n, doubt));
        }
    }
}

TEST(block_bound, stands_years_of_samples)
{
    EXPECT_NEAR(upper_share(500'000'000, 1'000'000'000, doubt), 0.500026, 1e-6);
    EXPECT_NEAR(upper_share(1, 1'000'000'000, doubt), 4.7439e-9, 1e-12);
}

TEST(block_bound, is_rounded_up_so_that_less_than_stays_true)
{
    EXPECT_EQ(percent_above(0.01101), "1.2 %");
    EXPECT_EQ(percent_above(0.05), "5.0 %");
    EXPECT_EQ(percent_above(0.0995), "10 %");
    EXPECT_EQ(percent_above(0.551), "56 %");
    EXPECT_EQ(percent_above(0.0000123), "0.0013 %");
    EXPECT_EQ(percent_above(0), "0 %");
    EXPECT_EQ(percent_above(1), "100 %");
}

} // namespace
} // namespace reachd
