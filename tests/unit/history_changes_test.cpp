// SPDX-License-Identifier: Apache-2.0
// What is written anew and what is not: over the hours, after a restart, and when the clock is set back.
#include "history_scene.hpp"

#include <algorithm>
#include <gtest/gtest.h>

namespace reachd {
namespace {

using namespace test;
using std::chrono::hours;
using std::chrono::minutes;

// A row of a name with two ports, of which one is silent.
scene one_of_two()
{
    auto it = make_scene();
    it.add(
        "row", expectation::service,
        {make_named("a.example", server_text, 443, {make_seen(connected{})}),
         make_named("a.example", server_text, 4200, make_silence())}
    );
    it.evaluate();
    it.site.rows[0].checked = now;
    return it;
}

history_batch finished(history_watch& watch, const scene& it, wall_time at)
{
    return watch.round_finished(it.what, it.site, 0, at);
}

std::vector<history_record> endpoints_in(const history_batch& batch)
{
    std::vector<history_record> out;
    std::ranges::copy_if(batch.records, std::back_inserter(out), [](const history_record& one) {
        return one.kind == record_kind::endpoint;
    });
    return out;
}

// As often as one hour holds, and `more` beyond.
void flap(history_watch& watch, scene& it, std::size_t endpoint, unsigned more, wall_time from)
{
    for (unsigned i = 0; i < most_endpoint_changes + more; ++i) {
        auto& kind = it.site.rows[0].endpoints[endpoint].judged.kind;
        kind = kind == verdict_kind::open ? verdict_kind::blocked : verdict_kind::open;
        changed(watch, it, from + minutes{i});
    }
}

// --- endpoints ---

TEST(history_watch, an_endpoint_that_nobody_has_looked_at_is_not_recorded)
{
    auto it = one_of_two();
    it.site.rows[0].endpoints[1].seen.clear();
    it.evaluate();
    history_watch watch;
    const auto first = endpoints_in(changed(watch, it, now));
    ASSERT_EQ(first.size(), 1U);
    EXPECT_EQ(to_text(first[0].target->ports), "443");
    answer(it, 1, false);
    const auto second = endpoints_in(changed(watch, it, now));
    ASSERT_EQ(second.size(), 1U) << "now it is";
    EXPECT_EQ(to_text(second[0].target->ports), "4200");
    EXPECT_EQ(second[0].before, "") << "it was not known before";
}

TEST(history_watch, a_name_without_an_address_is_recorded_without_a_probe)
{
    auto it = one_of_two();
    auto& one = it.site.rows[0].endpoints[1];
    one.address.reset();
    one.seen.clear();
    one.without_probing = verdict{.kind = verdict_kind::unresolved, .sentence = "no such name"};
    it.evaluate();
    history_watch watch;
    const auto found = endpoints_in(changed(watch, it, now));
    const auto unresolved = std::ranges::find(found, "unresolved", &history_record::state);
    ASSERT_NE(unresolved, found.end());
    EXPECT_EQ(unresolved->target->address, "");
    EXPECT_EQ(unresolved->target->name, "a.example");
    EXPECT_TRUE(finished(watch, it, now).sightings.size() == 1)
        << "of the other port alone: it has an address";
}

TEST(history_watch, every_hour_has_changes_of_its_own_to_list)
{
    auto it = one_of_two();
    history_watch watch;
    changed(watch, it, now);
    flap(watch, it, 1, 0, now); // one more than are listed, with the first sight
    auto& one = it.site.rows[0].endpoints[1];
    one.judged.kind = verdict_kind::closed;
    EXPECT_TRUE(endpoints_in(changed(watch, it, now + minutes{59})).empty());
    // Those that were left out are told before anything new is listed.
    one.judged.kind = verdict_kind::open;
    EXPECT_TRUE(endpoints_in(changed(watch, it, now + minutes{61})).empty());
    const auto sum = endpoints_in(finished(watch, it, now + minutes{62}));
    ASSERT_EQ(sum.size(), 1U);
    EXPECT_NE(sum[0].sentence.find("3 of these changes are not listed"), std::string::npos)
        << sum[0].sentence;
    one.judged.kind = verdict_kind::closed;
    EXPECT_EQ(endpoints_in(changed(watch, it, now + minutes{63})).size(), 1U);
}

TEST(history_watch, an_hour_that_listed_every_change_has_nothing_to_sum_up)
{
    auto it = one_of_two();
    history_watch watch;
    changed(watch, it, now);
    auto& one = it.site.rows[0].endpoints[1];
    for (unsigned hour = 1; hour <= 3; ++hour) {
        for (unsigned i = 0; i < most_endpoint_changes; ++i) {
            one.judged.kind = i % 2 == 0 ? verdict_kind::open : verdict_kind::blocked;
            EXPECT_EQ(endpoints_in(changed(watch, it, now + hours{hour} + minutes{i})).size(), 1U)
                << "hour " << hour << ", change " << i;
        }
        EXPECT_TRUE(endpoints_in(finished(watch, it, now + hours{hour + 1})).empty());
    }
}

TEST(history_watch, ports_of_an_address_that_flapped_are_summed_up_in_one_record)
{
    auto it = one_of_two();
    history_watch watch;
    changed(watch, it, now);
    flap(watch, it, 0, 5, now);
    flap(watch, it, 1, 0, now + minutes{20});
    const auto sum = endpoints_in(finished(watch, it, now + hours{1}));
    ASSERT_EQ(sum.size(), 1U);
    EXPECT_EQ(to_text(sum[0].target->ports), "443,4200");
    EXPECT_EQ(sum[0].target->name, "a.example");
    EXPECT_EQ(sum[0].sentence, "changed up to 18 times within the hour; 7 of these changes are not listed");
}

// --- after a restart ---

TEST(history_watch, a_restart_after_records_without_detail_records_every_endpoint)
{
    auto it = one_of_two();
    for (const char* detail : {"", "[]", "not json"}) {
        history_memory memory;
        memory.last[key] = {.state = to_string(it.site.rows[0].state), .detail = detail};
        history_watch watch{memory};
        EXPECT_EQ(endpoints_in(changed(watch, it, now)).size(), 2U)
            << "'" << detail << "' does not say what it was";
    }
}

TEST(history_watch, a_restart_that_finds_another_state_records_every_endpoint)
{
    auto it = one_of_two();
    history_watch before;
    history_memory memory;
    memory.last[key] = changed(before, it, now).records[0];
    memory.last[key].state = "pass"; // with the same runs
    history_watch watch{memory};
    const auto batch = changed(watch, it, now + hours{1});
    EXPECT_EQ(batch.records[0].before, "pass");
    EXPECT_EQ(endpoints_in(batch).size(), 2U);
}

TEST(history_watch, what_was_before_the_restart_counts_for_the_first_record_alone)
{
    auto it = one_of_two();
    history_memory memory;
    memory.last[key] = {.state = "pass", .detail = ""};
    history_watch watch{memory};
    EXPECT_EQ(changed(watch, it, now).records[0].before, "pass");
    EXPECT_EQ(changed(watch, it, now + minutes{1}).records[0].before, "unproven") << "as the engine says";
    history_memory of_others;
    of_others.last[{"cat", "another"}] = {.state = "pass", .detail = ""};
    history_watch other{of_others};
    EXPECT_EQ(changed(other, it, now).records[0].before, "unproven");
}

// --- rounds and rows at rest ---

TEST(history_watch, a_round_that_has_not_ended_is_neither_a_record_nor_a_sample)
{
    auto it = one_of_two();
    it.site.rows[0].checked.reset();
    history_watch watch;
    const auto batch = finished(watch, it, now);
    EXPECT_TRUE(batch.records.empty());
    EXPECT_TRUE(batch.samples.empty());
    EXPECT_EQ(batch.sightings.size(), 1U) << "its names have addresses all the same";
}

TEST(history_watch, rows_with_rounds_wait_for_these_and_others_do_not)
{
    auto it = one_of_two();
    it.what.rows.push_back(make_plan_row("idle", idle_timer{.hold = seconds{720}}));
    it.site.rows.emplace_back();
    it.evaluate();
    history_watch watch;
    const auto batch = watch.rows_at_rest(it.what, it.site, now);
    ASSERT_EQ(batch.records.size(), 1U);
    EXPECT_EQ(batch.records[0].requirement, "idle");
}

TEST(history_watch, a_clock_that_is_set_back_does_not_keep_sightings_and_visits_from_being_written)
{
    auto it = one_of_two();
    history_watch watch;
    ASSERT_EQ(finished(watch, it, now).sightings.size(), 1U);
    EXPECT_EQ(finished(watch, it, now - hours{5}).sightings.size(), 1U);
    EXPECT_TRUE(finished(watch, it, now - hours{5} + minutes{1}).sightings.empty());
    auto& visits = it.site.rows[0].inbound.visits;
    visits = {{make_address(server_text), now}};
    ASSERT_EQ(watch.visits_noted(it.what, it.site).visits.size(), 1U);
    visits[0].at = now - hours{5};
    EXPECT_EQ(watch.visits_noted(it.what, it.site).visits.size(), 1U);
}

TEST(history_watch, a_full_memory_of_sightings_gives_up_those_of_the_future_and_those_that_are_due)
{
    auto it = one_of_two();
    it.site.rows[0].endpoints.resize(1);
    history_watch watch;
    const auto sight = [&](std::size_t number, wall_time at) {
        it.site.rows[0].endpoints[0].name = "host" + std::to_string(number) + ".example";
        return finished(watch, it, at).sightings.size();
    };
    for (std::size_t i = 0; i < most_sighted; ++i) {
        sight(i, i == 0 ? now : now + hours{9}); // the clock was wrong
    }
    ASSERT_EQ(watch.sighted(), most_sighted);
    sight(most_sighted, now + minutes{1});
    EXPECT_EQ(watch.sighted(), 2U) << "the one that is not due, and the new one";
    EXPECT_EQ(sight(0, now + minutes{2}), 0U);
}

// --- the site, and notes ---

TEST(history_watch, the_site_changes_from_what_was_recorded_last)
{
    auto it = one_of_two();
    history_watch watch;
    const auto first = watch.site_drawn(it.site, now);
    ASSERT_EQ(first.records.size(), 1U);
    EXPECT_EQ(first.records[0].before, "") << "nothing is known of before";
    answer(it, 1, true);
    const auto second = watch.site_drawn(it.site, now + minutes{1});
    ASSERT_EQ(second.records.size(), 1U);
    EXPECT_EQ(second.records[0].before, "not_ready");
    EXPECT_EQ(second.records[0].state, "ready");
}

TEST(history_watch, the_site_that_is_decided_at_once_after_a_start_is_recorded)
{
    auto it = one_of_two();
    history_memory memory;
    memory.last[{"", ""}] = {.kind = record_kind::site, .state = "ready"};
    it.site.before_start = remembered<site_answer>{site_answer::ready, now};
    ASSERT_EQ(it.site.state, site_answer::not_ready);
    history_watch watch{memory};
    const auto batch = watch.site_drawn(it.site, now);
    ASSERT_EQ(batch.records.size(), 1U);
    EXPECT_EQ(batch.records[0].before, "ready");
}

TEST(history_watch, a_note_that_is_taken_away_while_the_row_fails_has_not_recovered)
{
    auto it = one_of_two();
    history_memory memory;
    memory.notes[key] = {"ticket 1", "somebody", now};
    it.site.rows[0].acknowledged = memory.notes[key];
    history_watch watch{memory};
    EXPECT_EQ(watch.notes_changed(it.what, it.site, now).size(), 0U) << "known since before the start";
    it.site.rows[0].acknowledged->note = "ticket 2";
    const auto another = watch.notes_changed(it.what, it.site, now);
    ASSERT_EQ(another.records.size(), 1U);
    EXPECT_EQ(another.records[0].sentence, "somebody: ticket 2");
    it.site.rows[0].acknowledged.reset();
    const auto gone = watch.notes_changed(it.what, it.site, now);
    ASSERT_EQ(gone.records.size(), 1U);
    EXPECT_EQ(gone.records[0].state, "cleared");
    EXPECT_EQ(gone.records[0].sentence, "the note was taken away");
    EXPECT_TRUE(watch.notes().empty());
    EXPECT_EQ(watch.notes_changed(it.what, it.site, now).size(), 0U);
}

} // namespace
} // namespace reachd
