// SPDX-License-Identifier: Apache-2.0
#include "history_scene.hpp"
#include "reachd/core/history_record.hpp"

#include <algorithm>
#include <functional>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using namespace test;

// A row of four ports at one address: two answer, two do not.
scene half_blocked()
{
    auto it = make_scene();
    it.add(
        "row", expectation::service,
        {make_endpoint(server_text, 80, {make_seen(connected{})}),
         make_endpoint(server_text, 443, {make_seen(connected{})}),
         make_endpoint(server_text, 4200, make_silence()), make_endpoint(server_text, 4201, make_silence())}
    );
    it.evaluate();
    it.site.rows[0].checked = now;
    return it;
}

std::size_t count(const history_batch& batch, record_kind kind)
{
    return static_cast<std::size_t>(std::ranges::count(batch.records, kind, &history_record::kind));
}

TEST(history_watch, records_a_row_with_what_does_not_pass_and_its_evidence)
{
    auto it = half_blocked();
    history_watch watch;
    const auto batch = changed(watch, it, now);
    ASSERT_EQ(count(batch, record_kind::requirement), 1U);
    const auto& row = batch.records[0];
    EXPECT_EQ(row.state, "fail");
    EXPECT_EQ(row.before, "unproven");
    EXPECT_EQ(row.sentence, it.row("row").sentence);
    const auto detail = nlohmann::json::parse(row.detail);
    EXPECT_EQ(detail["counts"]["fail"], 2);
    ASSERT_EQ(detail["runs"].size(), 1U) << "runs that pass are left out";
    EXPECT_EQ(detail["runs"][0]["ports"], "4200-4201");
    EXPECT_EQ(detail["evidence"][0]["seen"][0]["outcome"], "no_reply") << detail["evidence"].dump();
}

TEST(history_watch, ports_of_an_address_that_change_alike_are_one_record)
{
    auto it = half_blocked();
    history_watch watch;
    const auto first = changed(watch, it, now);
    EXPECT_EQ(count(first, record_kind::endpoint), 2U) << "those that answer, and those that do not";
    answer(it, 2, true);
    answer(it, 3, true);
    const auto second = changed(watch, it, now + seconds{60});
    ASSERT_EQ(count(second, record_kind::endpoint), 1U);
    const auto& one = second.records[1];
    EXPECT_EQ(to_text(one.target->ports), "4200-4201");
    EXPECT_EQ(one.state, "open");
    EXPECT_EQ(one.before, "blocked");
    EXPECT_TRUE(changed(watch, it, now + seconds{120}).records.size() == 1) << "nothing changed but the row";
}

TEST(history_watch, a_restart_that_finds_the_same_repeats_no_endpoints)
{
    auto it = half_blocked();
    history_watch before;
    history_memory memory;
    memory.last[key] = changed(before, it, now).records[0];
    history_watch watch{memory};
    const auto batch = changed(watch, it, now + seconds{600});
    EXPECT_EQ(batch.records.size(), 1U);
    EXPECT_EQ(batch.records[0].before, "fail") << "as it was before the restart";
}

TEST(history_watch, a_restart_that_finds_something_else_records_every_endpoint)
{
    auto it = half_blocked();
    history_watch before;
    history_memory memory;
    memory.last[key] = changed(before, it, now).records[0];
    answer(it, 2, true);
    history_watch watch{memory};
    EXPECT_EQ(count(changed(watch, it, now + seconds{600}), record_kind::endpoint), 2U);
}

TEST(history_watch, a_flapping_endpoint_is_bounded_and_summed_up)
{
    auto it = half_blocked();
    history_watch watch;
    changed(watch, it, now);
    std::size_t endpoints = 0;
    std::size_t rows = 0;
    std::size_t with_detail = 0;
    for (int i = 1; i < 60; ++i) {
        answer(it, 2, i % 2 == 1);
        const auto batch = changed(watch, it, now + std::chrono::minutes{i});
        endpoints += count(batch, record_kind::endpoint);
        rows += count(batch, record_kind::requirement);
        with_detail += batch.records[0].detail.empty() ? 0U : 1U;
        EXPECT_EQ(
            count(
                watch.round_finished(it.what, it.site, 0, now + std::chrono::minutes{i}),
                record_kind::endpoint
            ),
            0U
        );
    }
    EXPECT_EQ(rows, 59U) << "every change of the row";
    EXPECT_EQ(with_detail, most_detailed - 1);
    EXPECT_EQ(endpoints, most_endpoint_changes - 1) << "the first sight counts as one";
    const auto sum = watch.round_finished(it.what, it.site, 0, now + std::chrono::minutes{61});
    ASSERT_EQ(count(sum, record_kind::endpoint), 1U);
    EXPECT_NE(sum.records[0].sentence.find("changed up to 60 times"), std::string::npos)
        << sum.records[0].sentence;
    EXPECT_NE(sum.records[0].sentence.find("48 of these"), std::string::npos) << sum.records[0].sentence;
    EXPECT_EQ(to_text(sum.records[0].target->ports), "4200");
    EXPECT_EQ(
        count(
            watch.round_finished(it.what, it.site, 0, now + std::chrono::minutes{62}), record_kind::endpoint
        ),
        0U
    );
    answer(it, 2, false);
    EXPECT_EQ(count(changed(watch, it, now + std::chrono::minutes{63}), record_kind::endpoint), 1U)
        << "a new hour";
}

TEST(history_watch, a_round_is_a_sample_with_its_round_trip_times)
{
    auto it = half_blocked();
    auto& endpoints = it.site.rows[0].endpoints;
    endpoints[0].seen[0].took = milliseconds{20};
    endpoints[1].seen[0].took = milliseconds{30};
    history_watch watch;
    const auto batch = watch.round_finished(it.what, it.site, 0, now);
    ASSERT_EQ(batch.samples.size(), 1U);
    const auto& one = batch.samples[0];
    EXPECT_EQ(one.pass, 2U);
    EXPECT_EQ(one.fail, 2U);
    EXPECT_EQ(one.rounds_fail, 1U);
    EXPECT_EQ(one.rtt_min, milliseconds{20});
    EXPECT_EQ(one.rtt_max, milliseconds{30});
    EXPECT_EQ(count(batch, record_kind::requirement), 1U) << "no change has told the row yet";
    EXPECT_EQ(count(watch.round_finished(it.what, it.site, 0, now), record_kind::requirement), 0U);
}

TEST(history_watch, an_address_of_a_name_is_sighted_once_an_hour)
{
    auto it = make_scene();
    it.add(
        "row", expectation::service, {make_named("a.example", server_text, 443, {make_seen(connected{})})}
    );
    it.evaluate();
    history_watch watch;
    const auto sightings = [&](std::chrono::minutes after) {
        return watch.round_finished(it.what, it.site, 0, now + after).sightings;
    };
    using std::chrono::minutes;
    ASSERT_EQ(sightings(minutes{0}).size(), 1U);
    EXPECT_EQ(sightings(minutes{30}).size(), 0U);
    EXPECT_EQ(sightings(minutes{61}).size(), 1U);
}

TEST(history_watch, addresses_that_keep_changing_do_not_fill_the_memory)
{
    auto it = make_scene();
    it.add(
        "row", expectation::service, {make_named("a.example", server_text, 443, {make_seen(connected{})})}
    );
    it.evaluate();
    history_watch watch;
    const auto sight = [&](std::uint32_t number, seconds after) {
        auto address = make_address("10.0.0.0");
        address.bytes[2] = static_cast<std::uint8_t>(number >> 8);
        address.bytes[3] = static_cast<std::uint8_t>(number);
        it.site.rows[0].endpoints[0].address = address;
        return watch.round_finished(it.what, it.site, 0, now + after).sightings.size();
    };
    constexpr std::uint32_t many = 3 * most_sighted;
    for (std::uint32_t i = 0; i < many; ++i) {
        ASSERT_EQ(sight(i, seconds{i / 10}), 1U) << "each is written";
        ASSERT_LE(watch.sighted(), most_sighted);
    }
    EXPECT_EQ(sight(many - 1, seconds{many / 10}), 0U) << "it still knows the last ones";
    // An hour later the old ones are forgotten, and none of those that are not due.
    const auto later = seconds{many / 10 + 3600};
    EXPECT_EQ(sight(0, later), 1U);
    EXPECT_EQ(sight(0, later + seconds{60}), 0U);
}

TEST(history_watch, visits_are_written_at_first_sight_and_now_and_then)
{
    auto it = make_scene();
    it.add("row", expectation::service, {});
    auto& visits = it.site.rows[0].inbound.visits;
    const auto source = make_address(server_text);
    history_watch watch;
    const auto noted = [&] { return watch.visits_noted(it.what, it.site).visits; };
    EXPECT_TRUE(noted().empty());
    visits = {{source, now}};
    EXPECT_EQ(noted(), (std::vector<row_visit>{{"cat", "row", source, now}}));
    visits[0].at = now + seconds{60};
    EXPECT_TRUE(noted().empty()) << "it lasts";
    visits[0].at = now + seconds{300};
    EXPECT_EQ(noted().size(), 1U);
    history_memory memory;
    memory.visits = {{"cat", "row", source, now + seconds{300}}};
    history_watch restarted{memory};
    EXPECT_TRUE(restarted.visits_noted(it.what, it.site).visits.empty()) << "it is written already";
}

TEST(history_watch, rows_without_rounds_are_recorded_once)
{
    auto it = make_scene();
    it.add("row", expectation::service, {});
    it.what.rows[0].not_configured = "a value is missing";
    it.evaluate();
    history_watch watch;
    const auto batch = watch.rows_at_rest(it.what, it.site, now);
    ASSERT_EQ(batch.records.size(), 1U);
    EXPECT_EQ(batch.records[0].state, "not_configured");
    EXPECT_TRUE(watch.rows_at_rest(it.what, it.site, now).records.empty());
}

TEST(history_watch, the_site_is_recorded_when_its_answer_changes)
{
    auto it = half_blocked();
    history_memory memory;
    memory.last[{"", ""}] = {.kind = record_kind::site, .state = "ready"};
    history_watch watch{memory};
    const auto first = watch.site_drawn(it.site, now);
    ASSERT_EQ(first.records.size(), 1U);
    EXPECT_EQ(first.records[0].before, "ready");
    EXPECT_EQ(first.records[0].state, "not_ready");
    EXPECT_TRUE(watch.site_drawn(it.site, now).records.empty());
}

TEST(history_watch, a_note_is_kept_until_the_row_recovers)
{
    auto it = half_blocked();
    history_watch watch;
    it.site.rows[0].acknowledged = acknowledgement{"ticket 1", "somebody", now};
    const auto set = watch.notes_changed(it.what, it.site, now);
    ASSERT_EQ(set.notes.size(), 1U);
    EXPECT_EQ(set.notes[0].note->note, "ticket 1");
    EXPECT_EQ(set.records[0].state, "set");
    EXPECT_EQ(watch.notes_changed(it.what, it.site, now).size(), 0U);
    answer(it, 2, true);
    EXPECT_TRUE(it.row("row").acknowledged) << "it still fails";
    answer(it, 3, true);
    EXPECT_FALSE(it.row("row").acknowledged) << "evaluate() takes it away when the row passes";
    const auto gone = watch.notes_changed(it.what, it.site, now);
    ASSERT_EQ(gone.notes.size(), 1U);
    EXPECT_FALSE(gone.notes[0].note);
    EXPECT_EQ(gone.records[0].sentence, "the row has recovered: the note is gone");
}

TEST(history_watch, a_plan_is_recorded_with_its_rows)
{
    auto it = half_blocked();
    const auto detail = nlohmann::json::parse(plan_record(record_kind::start, it.what, "begun", now).detail);
    EXPECT_EQ(detail["rows"], nlohmann::json::parse(R"([["cat","row"]])"));
}

TEST(history_watch, heavy_evidence_is_left_out_of_a_record)
{
    auto it = half_blocked();
    it.site.rows[0].endpoints[2].seen[0].source = std::string(20'000, 'x');
    history_watch watch;
    const auto batch = changed(watch, it, now);
    EXPECT_LT(batch.records[0].detail.size(), most_detail);
    EXPECT_TRUE(nlohmann::json::parse(batch.records[0].detail).contains("runs"));
}

// ---- what is so again after a restart has been so since before it

TEST(remembered, a_row_that_fails_again_has_failed_since_then)
{
    auto it = half_blocked();
    auto fresh = make_scene();
    fresh.what = it.what;
    fresh.site.rows.resize(1);
    fresh.evaluate(seconds{5000});
    fresh.site.rows[0].before_start = remembered<row_answer>{row_answer::fail, make_wall(seconds{77})};
    fresh.site.rows[0].endpoints = it.site.rows[0].endpoints;
    fresh.evaluate(seconds{6000});
    EXPECT_EQ(fresh.row("row").since, make_wall(seconds{77}));
    EXPECT_FALSE(fresh.row("row").before_start) << "decided: the next failure is another one";
}

TEST(remembered, a_row_that_passes_now_does_so_since_now)
{
    auto it = half_blocked();
    it.site.rows[0].state = row_answer::unproven;
    it.site.rows[0].before_start = remembered<row_answer>{row_answer::pass, make_wall(seconds{77})};
    it.evaluate(seconds{6000});
    EXPECT_EQ(it.row("row").since, make_wall(seconds{6000}));
    answer(it, 2, true);
    answer(it, 3, true);
    EXPECT_NE(it.row("row").since, make_wall(seconds{77}));
}

TEST(remembered, a_row_that_was_measured_and_is_undecided_has_no_earlier_failure)
{
    auto it = make_scene();
    it.add(
        "row", expectation::service,
        {make_endpoint(server_text, 80, {make_seen(make_unmeasured(local_cause::no_memory))})}
    );
    it.site.rows[0].before_start = remembered<row_answer>{row_answer::fail, make_wall(seconds{77})};
    it.site.before_start = remembered<site_answer>{site_answer::not_ready, make_wall(seconds{77})};
    it.site.rows[0].checked = std::nullopt;
    it.evaluate();
    EXPECT_TRUE(it.row("row").before_start) << "nobody has looked yet";
    EXPECT_TRUE(it.site.before_start);
    it.site.rows[0].checked = now;
    it.evaluate();
    EXPECT_FALSE(it.row("row").before_start);
    EXPECT_FALSE(it.site.before_start);
    answer(it, 0, false);
    EXPECT_NE(it.row("row").since, make_wall(seconds{77})) << "another failure";
    EXPECT_NE(it.site.since, make_wall(seconds{77}));
}

TEST(history_watch, the_sites_outage_goes_on_while_nobody_has_looked_after_a_start)
{
    auto it = make_scene();
    it.add("row", expectation::service, {});
    it.site.before_start = remembered<site_answer>{site_answer::not_ready, make_wall(seconds{77})};
    it.site.rows[0].checked = std::nullopt;
    it.evaluate();
    history_watch watch;
    EXPECT_TRUE(watch.site_drawn(it.site, now).records.empty());
    it.site.rows[0].checked = now;
    it.evaluate();
    EXPECT_EQ(watch.site_drawn(it.site, now).records.size(), 1U);
}

TEST(history_watch, records_an_endpoint_anew_when_any_part_of_its_verdict_is_another)
{
    const location gateway{
        .at = hop{.number = 1, .address = make_address(gateway_text)}, .after = {}, .before = {}
    };
    const std::vector<std::pair<const char*, std::function<void(verdict&)>>> parts = {
        {"kind", [](verdict& one) { one.kind = verdict_kind::closed; }},
        {"stage", [](verdict& one) { one.stage = stage::reply; }},
        {"blame", [](verdict& one) { one.blame = blame::isp; }},
        {"where", [&](verdict& one) { one.where = gateway; }},
    };
    for (const auto& [name, change] : parts) {
        auto it = half_blocked();
        history_watch watch;
        changed(watch, it, now);
        EXPECT_EQ(count(changed(watch, it, now), record_kind::endpoint), 0U) << name;
        change(it.site.rows[0].endpoints[2].judged);
        const auto batch = changed(watch, it, now);
        ASSERT_EQ(count(batch, record_kind::endpoint), 1U) << name;
        const auto found = std::ranges::find(batch.records, record_kind::endpoint, &history_record::kind);
        EXPECT_EQ(to_text(found->target->ports), "4200") << name;
    }
}

TEST(history_record, of_a_ladder_has_the_words_of_its_entry_and_survives_an_entry_without)
{
    const auto full = idle_record(
        {{"catalogue", "cat"}, {"requirement", "row"}, {"state", "fail"}, {"sentence", "gone after 10 s"}},
        now
    );
    EXPECT_EQ(full.kind, record_kind::idle);
    EXPECT_EQ(full.catalogue, "cat");
    EXPECT_EQ(full.requirement, "row");
    EXPECT_EQ(full.state, "fail");
    EXPECT_EQ(full.sentence, "gone after 10 s");
    EXPECT_EQ(idle_record({{"state", 7}}, now).state, "");
}

TEST(history_record, of_a_sample_leaves_out_what_only_its_sum_needs)
{
    block_result round;
    round.block = parse_block("17.0.0.0/8").value();
    round.port = 5223;
    round.ending = block_ending::no_control;
    const auto one = block_record(make_plan_row("apns", make_outbound(expectation::path)), round, now);
    EXPECT_EQ(one.kind, record_kind::block);
    EXPECT_EQ(one.state, to_string(block_ending::no_control));
    EXPECT_TRUE(one.sentence.starts_with("17.0.0.0/8 port 5223: ")) << one.sentence;
    const auto detail = nlohmann::json::parse(one.detail);
    EXPECT_FALSE(detail.contains("covered"));
    EXPECT_FALSE(detail.contains("seed"));
    EXPECT_EQ(detail["port"], 5223);
}

} // namespace
} // namespace reachd
