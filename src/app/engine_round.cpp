// SPDX-License-Identifier: Apache-2.0
// One round of one row: look-ups, probes, and what they show.
#include "reachd/app/engine.hpp"
#include "reachd/core/at_exit.hpp"
#include "reachd/core/expand.hpp"
#include "reachd/core/groups.hpp"
#include "reachd/core/nat64.hpp"
#include "reachd/core/older_answers.hpp"
#include "reachd/core/trace_keeping.hpp"
#include "reachd/core/unheard_names.hpp"
#include "reachd/net/wall_clock.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace reachd {

namespace asio = boost::asio;

namespace {

// A SYN is sent again after 1 s (RFC 6298 section 2.1) and few round trips take longer.
constexpr milliseconds doubted_after{1300};
constexpr unsigned lookup_repeats = 2;

} // namespace

asio::awaitable<void> engine::measure_row(std::size_t row, round_kind kind)
{
    const auto& what = std::get<outbound_row>(plan_->rows[row].what);
    co_await resolve_names(row);
    if (stopping_) {
        co_return;
    }
    auto& state = state_.rows[row];
    auto endpoints = expand(what, state.lookups, plan_->vantages, state.endpoints);
    if (state.checked && listener_.address_appeared) {
        for (const auto& one : new_addresses(state.endpoints, endpoints)) {
            listener_.address_appeared(row, one);
        }
    }
    state.endpoints = std::move(endpoints);
    tidy_traces(row);
    rotation whole{};
    const auto chosen =
        select_round(what.expect, state.endpoints, kind == round_kind::whole ? whole : work_[row].turn);
    const auto of = ask(row, chosen);
    co_await wait_for(of);
    if (!of->fell_silent.empty()) {
        co_await ask_neighbours_again(row, of->fell_silent);
    }
    if (stopping_) {
        co_return;
    }
    if (kind == round_kind::whole && !what.blocks.empty()) {
        sampler_.start(row);
    }
    auto addresses = addresses_of(state);
    co_await inquirer_.settled(std::move(addresses));
    if (stopping_) {
        co_return;
    }
    end_measuring(row, kind);
}

void engine::tidy_traces(std::size_t row)
{
    forget_old_traces(state_, state_.rows[row], wall_now());
    if (steady::now() >= gone_due_) {
        gone_due_ = steady::now() + trace_age;
        forget_gone(state_, wall_now());
    }
}

std::shared_ptr<engine::round> engine::ask(std::size_t row, const std::vector<std::size_t>& endpoints)
{
    const auto of = std::make_shared<round>(executor_);
    for (const auto index : endpoints) {
        if (!state_.rows[row].endpoints[index].without_probing) {
            ++of->left;
            ++progress_.known;
            probes_.spawn(plan_->rows[row].id, probe_endpoint(row, index, of));
        }
    }
    tell_progress();
    return of;
}

// A fault that began within the round, or since the last one of another row, leaves answers of before it.
asio::awaitable<void> engine::ask_neighbours_again(std::size_t row, std::vector<std::size_t> fell_silent)
{
    const auto& endpoints = state_.rows[row].endpoints;
    for (std::size_t other = 0; schedule_ && other < state_.rows.size(); ++other) {
        if (other != row &&
            has_answers_before_silence(state_.rows[other].endpoints, endpoints, fell_silent)) {
            schedule_->hurry(other, steady::now());
            wake_.cancel();
        }
    }
    const auto neighbours = answers_before_silence(endpoints, fell_silent);
    std::vector<std::size_t> some;
    for (const auto& each : neighbours) {
        some.push_back(each.front());
    }
    const auto first = ask(row, some);
    co_await wait_for(first);
    if (stopping_) {
        co_return;
    }
    std::vector<std::size_t> rest;
    for (const auto& each : neighbours) {
        if (look_at(endpoints[each.front()]) == first_look::silent) {
            rest.insert(rest.end(), each.begin() + 1, each.end());
        }
    }
    const auto all = ask(row, rest);
    co_await wait_for(all);
}

asio::awaitable<void> engine::wait_for(std::shared_ptr<round> of)
{
    while (of->left > 0 && !stopping_) {
        of->ended.expires_at(time_point::max());
        co_await of->ended.async_wait(asio::as_tuple(asio::use_awaitable));
    }
}

asio::awaitable<void> engine::look_up_into(
    std::string name, std::shared_ptr<std::vector<name_lookup>> into, std::size_t at,
    std::shared_ptr<round> of
)
{
    const auto leave = [of] {
        if (--of->left == 0) {
            of->ended.cancel();
        }
    };
    const at_exit count_down{leave};
    auto found = co_await look_up(std::move(name));
    (*into)[at] = std::move(found);
}

asio::awaitable<name_lookup> engine::look_up(std::string name)
{
    name_lookup found;
    for (unsigned again = 0; again <= lookup_repeats && !stopping_; ++again) {
        const auto now = steady::now();
        auto said =
            co_await resolver_.look_up(name, now + resolver::usual_wait, now + resolver::usual_system_wait);
        found = std::move(said);
        state_.sent.asked(found, steady::now());
        if (!lacks_answers(found) || !self_->cut_into(now, resolver::usual_wait)) {
            co_return found;
        }
        self_->voided();
    }
    blame_standstill(found);
    co_return found;
}

asio::awaitable<void> engine::resolve_names(std::size_t row)
{
    const auto& names = std::get<outbound_row>(plan_->rows[row].what).names;
    const bool wants_nat64 = !names.empty() && steady::now() >= nat64_due_;
    // Shared with the look-ups, which may outlive this round when the engine is stopped.
    const auto lookups = std::make_shared<std::vector<name_lookup>>(names.size() + (wants_nat64 ? 1 : 0));
    const auto of = std::make_shared<round>(executor_);
    of->left = lookups->size();
    for (std::size_t i = 0; i < names.size(); ++i) {
        probes_.spawn(names[i], look_up_into(names[i], lookups, i, of));
    }
    if (wants_nat64) {
        nat64_due_ = steady::now() + plan_->config.schedule.sweep_interval;
        probes_.spawn(nat64_probe_name, look_up_into(nat64_probe_name, lookups, names.size(), of));
    }
    co_await wait_for(of);
    if (!stopping_) {
        if (wants_nat64) {
            state_.nat64 = nat64_after(lookups->back(), state_.nat64);
            lookups->pop_back();
        }
        state_.rows[row].lookups = *lookups;
    }
}

asio::awaitable<void> engine::probe_endpoint(std::size_t row, std::size_t index, std::shared_ptr<round> of)
{
    const auto leave = [this, of] {
        ++progress_.done;
        tell_progress();
        if (--of->left == 0) {
            of->ended.cancel();
        }
    };
    const at_exit count_down{leave};
    const auto order =
        order_for(*plan_, std::get<outbound_row>(plan_->rows[row].what), state_.rows[row].endpoints[index]);
    bool inside = co_await gate_.enter(order.target.address);
    if (!inside) {
        co_return;
    }
    const auto free = [this, &inside] {
        if (inside) {
            gate_.leave();
        }
    };
    const at_exit free_place{free};
    const before_retry retry = [this, row, index, &inside, order] {
        suspect_silence(state_.rows[row].endpoints[index], order);
        state_.sent.lost(order.target, steady::now());
        return gate_.enter_again(order.target.address, &inside);
    };
    const auto doubt = doubt_soon(row, index, order, of);
    bool open = true; // for the NATs on the way
    const auto give_up = [this, &open] {
        if (open) {
            state_.sent.dropped();
        }
    };
    const at_exit given_up{give_up};
    auto seen = co_await check_endpoint(order, trust_, retry, self_);
    state_.sent.ended(order.target, seen, steady::now());
    open = false;
    if (!stopping_) {
        auto& one = state_.rows[row].endpoints[index];
        const bool spoke = look_at(one) != first_look::unknown;
        const bool is_new = take_in(state_, one, std::move(seen));
        if (is_new) { // else the round's end looks once
            inquirer_.wake();
        }
        if (is_new && spoke && one.transport == transport::tcp && look_at(one) == first_look::silent) {
            of->fell_silent.push_back(index);
        }
    }
}

// What is not answered soon will hardly be: its passage is looked at while it is still waited for.
std::shared_ptr<asio::steady_timer> engine::doubt_soon(
    std::size_t row, std::size_t index, const endpoint_order& order, const std::shared_ptr<round>& of
)
{
    auto timer = std::make_shared<asio::steady_timer>(executor_, doubted_after);
    timer->async_wait([this, row, index, order,
                       left = std::weak_ptr{of}](const boost::system::error_code& code) {
        if (!code && !left.expired() && !stopping_) { // the probe that holds the round is under way
            suspect_silence(state_.rows[row].endpoints[index], order);
        }
    });
    return timer;
}

// A new endpoint does not answer: while it is tried again, its passage is looked at.
void engine::suspect_silence(endpoint_state& one, const endpoint_order& order)
{
    if (one.seen.empty() && one.transport == transport::tcp) {
        one.seen.push_back({.at = wall_now(), .what = no_reply{order.timeout}});
        inquirer_.wake();
    }
}

} // namespace reachd
