// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/exposition.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

TEST(exposition, writes_help_type_and_samples)
{
    exposition out;
    out.family("reachd_x", metric_type::gauge, "What\nit \\is.");
    out.sample(1);
    out.sample({{"a", "b"}, {"c", "d"}}, 0.25);
    EXPECT_EQ(
        out.text(), "# HELP reachd_x What\\nit \\\\is.\n# TYPE reachd_x gauge\nreachd_x "
                    "1\nreachd_x{a=\"b\",c=\"d\"} 0.25\n"
    );
}

TEST(exposition, T15_label_values_cannot_end_their_line_or_quote)
{
    exposition out;
    out.family("x", metric_type::counter, "");
    out.sample({{"site", "a\"} 1\nfaked{b=\"\\"}}, 2);
    EXPECT_EQ(out.text(), "# HELP x \n# TYPE x counter\nx{site=\"a\\\"} 1\\nfaked{b=\\\"\\\\\"} 2\n");
}

TEST(exposition, numbers_read_back_as_they_were)
{
    exposition out;
    out.family("x", metric_type::gauge, "h");
    out.sample(1795000000.123);
    out.sample(4503599627370496.0);
    out.sample(0.000021);
    for (const auto* text : {"x 1795000000.123\n", "x 4503599627370496\n", "x 2.1e-05\n"}) {
        EXPECT_NE(out.text().find(text), std::string::npos) << out.text();
    }
}

TEST(duration_histogram, buckets_are_cumulative_and_end_with_all)
{
    duration_histogram lag;
    lag.observe(microseconds{500});
    lag.observe(milliseconds{60});
    lag.observe(seconds{60});
    exposition out;
    out.family("lag_seconds", metric_type::histogram, "h");
    lag.write(out);
    for (const auto* text :
         {"lag_seconds_bucket{le=\"0.001\"} 1\n", "lag_seconds_bucket{le=\"0.05\"} 1\n",
          "lag_seconds_bucket{le=\"0.1\"} 2\n", "lag_seconds_bucket{le=\"5\"} 2\n",
          "lag_seconds_bucket{le=\"+Inf\"} 3\n", "lag_seconds_sum 60.0605\n", "lag_seconds_count 3\n"}) {
        EXPECT_NE(out.text().find(text), std::string::npos) << text << out.text();
    }
}

} // namespace
} // namespace reachd
