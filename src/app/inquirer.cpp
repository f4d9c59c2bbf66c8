// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/inquirer.hpp"

#include "reachd/app/check_endpoint.hpp"
#include "reachd/core/at_exit.hpp"
#include "reachd/net/deadline.hpp"
#include "reachd/net/hop_probe.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <utility>

namespace reachd {

namespace asio = boost::asio;

namespace {

// Longer than a round trip, and than a Linux router's interval between two ICMP errors to one client.
constexpr milliseconds hop_wait{1100};
// An answer with too low a TTL is discarded here: what it takes to come is known from others of that address,
// and a long range asks two such questions a port, each of which keeps a descriptor.
constexpr milliseconds spare_wait{200};
constexpr unsigned slowest_times = 4;
constexpr seconds decoy_wait{3};
using spare_steps = std::chrono::duration<std::int64_t, std::deci>;
// Descriptors come back as other probes end: wait this often, this long, before giving up.
constexpr unsigned descriptor_waits = 50;
constexpr milliseconds descriptor_wait{100};
constexpr unsigned voids_at_most = 3;
// Between two times that nothing is asked; then they begin anew.
constexpr std::size_t flows_known = 16384;
constexpr std::size_t answers_known = 1024;
// Between two looks: what comes back together is looked at together.
constexpr milliseconds look_spacing{25};
// A look is to cost a small part of a core where waiting for it costs nobody anything, and no more than a
// fifth of one where the site is so large that it would.
constexpr unsigned look_rest = 25;
constexpr milliseconds look_rest_at_most{150};
constexpr unsigned look_rest_at_least = 4;

bool is_out_of_descriptors(const observation& seen)
{
    const auto* failure = std::get_if<not_measured>(&seen.what);
    return failure && failure->cause == local_cause::no_descriptors;
}

bool is_stalled(const observation& seen)
{
    const auto* failure = std::get_if<not_measured>(&seen.what);
    return failure && *failure == stalled_outcome();
}

limits_config for_repeats(limits_config limits)
{
    limits.new_flows_per_s *= repeats_faster;
    limits.new_flows_per_destination_per_s *= repeats_faster;
    return limits;
}

// Another socket of this machine got the flow's port meanwhile: asked again, from a new one.
bool is_taken(const observation& seen)
{
    const auto* failure = std::get_if<not_measured>(&seen.what);
    return failure && (failure->error_number == EADDRINUSE || failure->error_number == EADDRNOTAVAIL);
}

} // namespace

inquirer::inquirer(
    asio::any_io_executor executor, std::shared_ptr<const plan> what, site_state& state, task_group& tasks,
    flow_gate& flows, std::uint64_t seed, handlers told, std::shared_ptr<self_watch> self
)
    : executor_{std::move(executor)},
      plan_{std::move(what)},
      state_{state},
      tasks_{tasks},
      told_{std::move(told)},
      self_{std::move(self)},
      flows_{flows},
      repeats_{executor_, for_repeats(plan_->config.limits), state_.sent, seed},
      hops_{plan_->config.limits.icmp_per_hop_per_s},
      look_{executor_},
      clock_steps_{self_ ? self_->clock_steps() : 0}
{
}

void inquirer::wake()
{
    dirty_ = true;
    stir();
}

void inquirer::stir()
{
    // Not at once: what comes back together is looked at together.
    const auto soon = steady::now() + spacing_;
    if (working_ && look_.expiry() > soon) {
        look_.expires_at(soon);
    }
    if (!working_ && !closed_) {
        working_ = true;
        tasks_.spawn("inquiry", work());
    }
}

void inquirer::close()
{
    closed_ = true;
    look_.cancel();
    repeats_.close();
    for (const auto& one : questions_) {
        one->ready.cancel();
    }
    tell_waiters();
}

void inquirer::inherit(const inquirer& older)
{
    hops_.inherit(older.hops_);
    clock_steps_ = older.clock_steps_;
    repeats_.inherit(older.repeats_);
    allowance_since_ = older.allowance_since_;
    allowance_used_ = older.allowance_used_;
}

bool inquirer::asks_about(const std::set<ip_address>& addresses) const
{
    const auto concerns = [&](const hop_order& order) {
        return addresses.contains(order.which.target.address);
    };
    const auto is_deferred = [&](const ip_address& one) { return deferred_.contains(one); };
    return std::ranges::any_of(wanted_, concerns) || std::ranges::any_of(under_way_, concerns) ||
           std::ranges::any_of(addresses, is_deferred);
}

bool inquirer::is_pending(const std::set<ip_address>& addresses) const
{
    if (closed_ || dirty_) {
        return !closed_;
    }
    return std::ranges::any_of(wanted_, &hop_order::shared) ||
           std::ranges::any_of(under_way_, &hop_order::shared) || asks_about(addresses);
}

// Judged at the look itself: by the time that a waiter goes on, other answers may have come.
void inquirer::tell_waiters()
{
    for (const auto& one : waiters_) {
        if (!is_pending(one->addresses)) {
            one->done = true;
            one->ready.cancel();
        }
    }
}

asio::awaitable<void> inquirer::settled(std::set<ip_address> addresses)
{
    const auto mine = std::make_shared<waiter>(executor_);
    mine->addresses = std::move(addresses);
    waiters_.push_back(mine);
    const auto go = [this, mine] { std::erase(waiters_, mine); };
    const at_exit forget{go};
    wake(); // the look may be over when this returns: the waiter is in the list before
    while (!closed_ && !mine->done) {
        mine->ready.expires_at(time_point::max());
        co_await mine->ready.async_wait(asio::as_tuple(asio::use_awaitable));
    }
}

void inquirer::start(const hop_order& order)
{
    under_way_.insert(order);
    if (order.hop_limit) {
        state_.sent.opened(steady::now()); // a repeat does so where it waits
    }
    ++allowance_used_;
    told_.progressed(1, 0);
    tasks_.spawn("inquiry", carry_out(order));
}

void inquirer::renew_allowance()
{
    if (steady::now() - allowance_since_ >= inquiry_allowance_time) {
        allowance_since_ = steady::now();
        allowance_used_ = 0;
    }
}

asio::awaitable<void> inquirer::work()
{
    const auto go = [this] { working_ = false; };
    const at_exit ended{go};
    auto known = shared_hops_of(*plan_, state_);
    while (!closed_) {
        ++looks_;
        if (std::exchange(dirty_, false)) {
            forget_other_clock();
            known = shared_hops_of(*plan_, state_);
            const auto begun = steady::now();
            auto orders = next_orders(*plan_, state_, under_way_);
            wanted_ = std::move(orders.now);
            deferred_ = std::move(orders.deferred);
            const auto took = steady::now() - begun;
            spacing_ = std::max<duration>(
                {look_spacing, std::min<duration>(look_rest_at_most, look_rest * took),
                 look_rest_at_least * took}
            );
            renew_allowance();
            if (allowance_used_ >= inquiry_probes_at_most) {
                state_.sent.left_out(wanted_.size());
                wanted_.clear();
                deferred_.clear();
            }
        }
        auto chosen = hops_.choose(next_of_each_flow(), known, allowance(), steady::now());
        for (const auto& one : chosen.now) {
            start(one);
        }
        std::erase_if(wanted_, [this](const hop_order& one) { return under_way_.contains(one); });
        tell_waiters();
        grant_questions(known, chosen);
        if (wanted_.empty() && under_way_.empty() && !dirty_ && questions_.empty()) {
            if (std::exchange(learnt_, false)) {
                told_.idle();
            }
            forget_many();
            co_return;
        }
        auto next = chosen.look_again.value_or(time_point::max());
        if (dirty_) {
            next = std::min(next, steady::now() + spacing_);
        }
        look_.expires_at(std::max(next, steady::now() + spacing_));
        while (!closed_ && steady::now() < look_.expiry()) { // stir() may bring it forward, which ends a wait
            co_await look_.async_wait(asio::as_tuple(asio::use_awaitable));
        }
    }
}

// Ages and order of traces go by the wall clock.
void inquirer::forget_other_clock()
{
    if (self_ && std::exchange(clock_steps_, self_->clock_steps()) != self_->clock_steps()) {
        state_.traces.clear();
    }
}

// Samples of a block go to new addresses for as long as the process runs.
void inquirer::forget_many()
{
    if (ports_.size() > flows_known) {
        ports_.clear();
    }
    if (slowest_answer_.size() > answers_known) {
        slowest_answer_.clear();
    }
}

// What may go beside what is under way: of a flow that keeps its source port, one at a time.
std::vector<hop_order> inquirer::next_of_each_flow() const
{
    std::set<flow> busy;
    for (const auto& one : under_way_) {
        if (one.keeps_port) {
            busy.insert(one.which);
        }
    }
    std::vector<hop_order> out;
    for (const auto& one : wanted_) {
        if (!one.keeps_port || busy.insert(one.which).second) {
            out.push_back(one);
        }
    }
    return out;
}

hop_pacer::allowance inquirer::allowance() const
{
    const auto room = state_.sent.room(plan_->config.limits.nat_entries, steady::now());
    return {.room = room, .flows = flows_.rates()};
}

void inquirer::grant_questions(unsigned shared_hops, hop_pacer::choice& chosen)
{
    std::vector<hop_order> asked;
    for (const auto& one : questions_) {
        asked.push_back(one->order);
    }
    const auto more = hops_.choose(asked, shared_hops, allowance(), steady::now());
    for (const auto& order : more.now) {
        const auto found =
            std::ranges::find_if(questions_, [&](const auto& one) { return one->order == order; });
        state_.sent.opened(steady::now());
        (*found)->granted = true;
        (*found)->ready.cancel();
        questions_.erase(found);
    }
    if (more.look_again) {
        chosen.look_again = std::min(chosen.look_again.value_or(time_point::max()), *more.look_again);
    }
}

asio::awaitable<observation> inquirer::ask(hop_order order)
{
    const auto mine = std::make_shared<question>(executor_);
    mine->order = order;
    mine->ready.expires_at(time_point::max());
    questions_.push_back(mine);
    const auto go = [this, mine] { std::erase(questions_, mine); };
    const at_exit forget{go};
    stir();
    while (!mine->granted && !closed_) {
        co_await mine->ready.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    if (closed_) {
        observation never;
        never.what = not_measured{.cause = local_cause::cancelled, .detail = "cancelled"};
        co_return never;
    }
    auto seen = co_await send(std::move(order), sent_for::block);
    co_return seen;
}

duration inquirer::wait_for(const hop_order& order) const
{
    if (order.decoy > 0) {
        return decoy_wait;
    }
    const auto known = slowest_answer_.find({order.which.vantage, order.which.target.address});
    if (!order.min_ttl || known == slowest_answer_.end()) {
        return hop_wait;
    }
    // In steps, so that equal silences read the same.
    return std::min<duration>(
        hop_wait, spare_wait + std::chrono::ceil<spare_steps>(slowest_times * known->second)
    );
}

asio::awaitable<observation> inquirer::send(hop_order order, sent_for why)
{
    hop_options options{
        .hop_limit = order.hop_limit,
        .min_ttl = order.min_ttl,
        .on_link = order.on_link,
        .payload = order.payload,
        .source_port = order.keeps_port ? ports_[order.which] : order.source_port,
        .decoy = order.decoy > 0,
    };
    bool open = true; // for the NATs on the way
    const auto give_up = [this, &open] {
        if (open) {
            state_.sent.dropped();
        }
    };
    const at_exit given_up{give_up};
    const auto way = way_of(*plan_, order.which.vantage);
    const auto wait = wait_for(order);
    observation seen;
    for (unsigned waits = 0; waits <= descriptor_waits && !closed_; ++waits) {
        const auto begun = steady::now();
        auto again = co_await hop_probe(order.which.target, way, options, begun + wait);
        seen = std::move(again);
        if (std::holds_alternative<no_reply>(seen.what) && self_ && self_->cut_into(begun, wait)) {
            self_->voided();
            seen.what = stalled_outcome();
        }
        if (const auto* failure = std::get_if<not_measured>(&seen.what); failure && self_) {
            self_->failed(failure->cause);
        }
        if (order.source_port != 0 && is_taken(seen)) {
            options.source_port = 0; // another port is better than none
        } else if (!is_out_of_descriptors(seen)) {
            break;
        }
        co_await sleep_until(steady::now() + descriptor_wait);
    }
    if (order.keeps_port) {
        seen.keeps_port = true;
        ports_[order.which] = source_port_of(seen);
    }
    seen.unpaced = order.hop_limit && !order.needs_icmp && plan_->config.limits.icmp_per_hop_per_s == 0;
    state_.sent.ended(order.which.target, seen, why, steady::now());
    open = false;
    if (is_answer(seen.what, order.which.target.address) && order.decoy == 0) {
        auto& slowest = slowest_answer_[{order.which.vantage, order.which.target.address}];
        slowest = std::max(slowest, seen.took);
    }
    if (auto* silence = std::get_if<no_reply>(&seen.what)) {
        silence->waited = wait; // the limit that was meant: equal silences read the same
    }
    co_return seen;
}

asio::awaitable<void> inquirer::carry_out(hop_order order)
{
    const auto go = [this, order] {
        under_way_.erase(order);
        dirty_ = true;
        told_.progressed(0, 1);
        wake();
    };
    const at_exit ended{go};
    bool inside = false;
    const auto free = [this, &inside] {
        if (inside) {
            repeats_.leave();
        }
    };
    const at_exit free_place{free};
    if (!order.hop_limit) {
        inside = co_await repeats_.enter(order.which.target.address);
        if (!inside) {
            co_return;
        }
    }
    auto seen = co_await send(order, sent_for::inquiry);
    if (closed_ || (order.keeps_port && is_taken(seen))) {
        co_return;
    }
    // What was cut into is wanted again, in its turn; a few times, as some machines never have time.
    if (is_stalled(seen) && voids_[order]++ < voids_at_most) {
        co_return;
    }
    voids_.erase(order);
    learnt_ = true;
    state_.traces[order.which].push_back(std::move(seen));
}

} // namespace reachd
