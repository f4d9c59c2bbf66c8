// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/report_then.hpp"

#include <gtest/gtest.h>

namespace reachd {
namespace {

json present()
{
    return {
        {"site", "denver"},
        {"state", "ready"},
        {"sentence", "All pass."},
        {"path", {{"edge", {{"hop", 1}}}, {"hops", {{{"hop", 1}}}}}},
        {"catalogues",
         {{{"id", "c"},
           {"title", "C"},
           {"requirements",
            {{{"id", "a"},
              {"about", "A server"},
              {"state", "pass"},
              {"sentence", "answers"},
              {"advice", "do"},
              {"endpoints", {1, 2}},
              {"samples", {1}}},
             {{"id", "young"}, {"state", "pass"}}}}},
          {{"id", "new"}, {"requirements", {{{"id", "a"}, {"state", "pass"}}}}}}},
        {"idle", {1}},
    };
}

json then()
{
    return {
        {"at", "2026-11-21T14:00:00.000Z"},
        {"running", true},
        {"site", {{"state", "not_ready"}, {"sentence", "1 fails."}, {"since", "2026-11-21T13:00:00.000Z"}}},
        {"requirements",
         {{{"catalogue", "c"},
           {"id", "a"},
           {"state", "fail"},
           {"sentence", "no reply"},
           {"recorded", "2026-11-21T13:59:00.000Z"},
           {"runs", {{{"verdict", "blocked"}}}}}}},
    };
}

TEST(report_then, has_the_states_of_then_and_what_rows_ask_for_of_now)
{
    const auto report = report_then(present(), then());
    EXPECT_EQ(report["state"], "not_ready");
    EXPECT_EQ(report["sentence"], "1 fails.");
    EXPECT_EQ(report["generated"], "2026-11-21T14:00:00.000Z");
    const auto& row = report["catalogues"][0]["requirements"][0];
    EXPECT_EQ(row["about"], "A server");
    EXPECT_EQ(row["state"], "fail");
    EXPECT_EQ(row["sentence"], "no reply");
    EXPECT_EQ(row["checked"], "2026-11-21T13:59:00.000Z");
    EXPECT_EQ(row["runs"][0]["verdict"], "blocked");
}

TEST(report_then, tells_nothing_of_now_as_if_it_had_been_so_then)
{
    const auto report = report_then(present(), then());
    const auto& row = report["catalogues"][0]["requirements"][0];
    EXPECT_TRUE(row["advice"].is_null());
    EXPECT_TRUE(row["endpoints"].empty());
    EXPECT_FALSE(row.contains("samples"));
    EXPECT_TRUE(report["idle"].empty());
    EXPECT_TRUE(report["path"]["hops"].empty());
}

TEST(report_then, leaves_out_rows_that_were_not_there)
{
    const auto report = report_then(present(), then());
    EXPECT_EQ(report["catalogues"].size(), 1U);
    EXPECT_EQ(report["catalogues"][0]["requirements"].size(), 1U);
}

TEST(report_then, says_where_nobody_looked_and_where_nothing_is_remembered)
{
    auto gone = then();
    gone["running"] = false;
    gone["last_alive"] = "2026-11-21T12:00:00.000Z";
    EXPECT_EQ(
        report_then(present(), gone)["findings"][0],
        "no daemon ran then: this is as it was known at 2026-11-21T12:00:00.000Z"
    );
    const auto nothing =
        report_then(present(), {{"at", "x"}, {"site", nullptr}, {"requirements", json::array()}});
    EXPECT_EQ(nothing["state"], "unproven");
    EXPECT_TRUE(nothing["catalogues"].empty());
}

TEST(report_then, has_rows_of_then_that_the_files_do_not_have_any_more)
{
    auto old = then();
    old["requirements"].push_back(
        {{"catalogue", "c"}, {"id", "gone"}, {"state", "fail"}, {"sentence", "no reply"}}
    );
    old["requirements"].push_back({{"catalogue", "old"}, {"id", "a"}, {"state", "pass"}});
    const auto report = report_then(present(), old);
    ASSERT_EQ(report["catalogues"].size(), 2U);
    EXPECT_EQ(report["catalogues"][0]["requirements"][1]["id"], "gone");
    EXPECT_EQ(report["catalogues"][0]["requirements"][1]["sentence"], "no reply");
    EXPECT_EQ(report["catalogues"][1]["id"], "old");
}

} // namespace
} // namespace reachd
