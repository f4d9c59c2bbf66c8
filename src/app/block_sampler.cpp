// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/block_sampler.hpp"

#include "reachd/core/at_exit.hpp"
#include "reachd/net/deadline.hpp"
#include "reachd/net/random_seed.hpp"
#include "reachd/net/wall_clock.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

namespace reachd {

namespace asio = boost::asio;

namespace {

// An address of the row's own names that is known to answer on this port: it passes.
std::optional<ip_address>
known_to_pass(const row_state& row, const std::string& vantage, family protocol, std::uint16_t port)
{
    for (const auto& one : row.endpoints) {
        const bool answers = one.judged.kind == verdict_kind::open || one.judged.kind == verdict_kind::closed;
        if (answers && one.address && one.address->family == protocol && one.port == port &&
            one.vantage == vantage) {
            return one.address;
        }
    }
    return std::nullopt;
}

// What the observation of a probe that was to die just past the edge means.
block_reply reply_of(const outcome& what, const ip_address& to, const path& way)
{
    if (is_in_transit(what)) {
        const auto& sender = std::get<icmp_error>(what).sender;
        const auto number = way.number_of(sender);
        const bool inside = number && *number <= way.edge;
        return {.answer = inside ? block_answer::not_measured : block_answer::passed, .by = sender};
    }
    if (is_rejection(what, to)) {
        const auto& sender = std::get<icmp_error>(what).sender;
        const auto number = way.number_of(sender);
        // A box past the edge got it: the site let it out, whatever that box thinks of it.
        const bool outside = number && *number > way.edge;
        return {.answer = outside ? block_answer::passed : block_answer::rejected, .by = sender};
    }
    if (std::holds_alternative<refused>(what)) {
        return {.answer = block_answer::reset, .by = {}};
    }
    if (is_answer(what, to)) {
        return {.answer = block_answer::answered, .by = {}};
    }
    return {.answer = is_silence(what) ? block_answer::silent : block_answer::not_measured, .by = {}};
}

} // namespace

block_sampler::block_sampler(
    asio::any_io_executor executor, std::shared_ptr<const plan> what, site_state& state, inquirer& inquiry,
    task_group& tasks, handlers told
)
    : executor_{std::move(executor)},
      plan_{std::move(what)},
      state_{state},
      inquiry_{inquiry},
      tasks_{tasks},
      told_{std::move(told)},
      done_{executor_}
{
}

void block_sampler::start(std::size_t row)
{
    if (!closed_ && running_.insert(row).second) {
        tasks_.spawn("samples of " + plan_->rows[row].id, sample_row(row));
    }
}

void block_sampler::close()
{
    closed_ = true;
    done_.cancel();
}

asio::awaitable<void> block_sampler::finished()
{
    while (!running_.empty() && !closed_) {
        done_.expires_at(time_point::max());
        co_await done_.async_wait(asio::as_tuple(asio::use_awaitable));
    }
}

void block_sampler::ended(std::size_t row)
{
    running_.erase(row);
    if (!closed_) {
        told_.finished(row);
    }
    done_.cancel();
}

std::vector<block_sampler::job> block_sampler::jobs_of(std::size_t row) const
{
    std::vector<job> jobs;
    const auto& need = std::get<outbound_row>(plan_->rows[row].what);
    const auto& own = state_.rows[row];
    for (const auto& from : plan_->vantages) {
        for (const auto& block : need.blocks) {
            const auto way =
                make_path(state_.traces, from.name, block.base.family, state_.local, plan_->config.path);
            if (way.beyond == 0) {
                continue; // nothing past the edge is seen: the row says so
            }
            for (const auto port : need.ports.ports()) {
                std::vector<ip_block> revisit;
                for (const auto& known : own.samples) {
                    for (const auto& hole : known.holes) {
                        if (known.block == block && known.port == port && known.vantage == from.name) {
                            revisit.push_back(hole.where);
                        }
                    }
                }
                jobs.push_back(
                    {.row = row,
                     .target =
                         {.block = block,
                          .port = port,
                          .vantage = from.name,
                          .edge = way.at(way.beyond),
                          .passes = known_to_pass(own, from.name, block.base.family, port),
                          .not_answered = canary_for(block.base.family, port).address,
                          .revisit = std::move(revisit)},
                     .hop_limit = way.beyond}
                );
            }
        }
    }
    return jobs;
}

asio::awaitable<void> block_sampler::sample_row(std::size_t row)
{
    std::exception_ptr broken;
    try {
        co_await sample_blocks(row);
    } catch (...) {
        broken = std::current_exception();
    }
    ended(row); // not in a destructor: it judges the site, and may throw
    if (broken) {
        std::rethrow_exception(broken);
    }
}

asio::awaitable<void> block_sampler::sample_blocks(std::size_t row)
{
    std::set<ip_address> nobody;
    co_await inquiry_.settled(std::move(nobody)); // the way out is known
    const auto jobs = jobs_of(row);
    const auto left = std::make_shared<std::size_t>(jobs.size());
    for (const auto& one : jobs) {
        tasks_.spawn("samples of " + to_text(one.target.block), sample_block(one, left));
    }
    asio::steady_timer pause{executor_};
    while (*left > 0 && !closed_) {
        pause.expires_after(milliseconds{100});
        co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
    }
}

asio::awaitable<void> block_sampler::sample_block(job what, std::shared_ptr<std::size_t> left)
{
    const auto go = [left] { --*left; };
    const at_exit at_end{go};
    block_sample_options options;
    options.strata = plan_->config.limits.samples_per_block;
    const auto began = wall_now();
    block_sample sample{what.target, random_seed(), options};
    auto way = make_path(
        state_.traces, what.target.vantage, what.target.block.base.family, state_.local, plan_->config.path
    );
    std::size_t done = 0;
    told_.progressed(options.strata, 0);
    const std::set<ip_address> none;
    while (!closed_) {
        const auto next = sample.next(none, steady::now());
        if (const auto* wait = std::get_if<block_sample::wait_until>(&next)) {
            co_await sleep_until(wait->when);
            continue;
        }
        const auto* probe = std::get_if<block_sample::probe>(&next);
        if (!probe) {
            break;
        }
        hop_order order;
        order.which = {what.target.vantage, {probe->to, what.target.port, transport::tcp}};
        order.hop_limit = what.hop_limit;
        order.needs_icmp = true;
        const auto to = probe->to;
        const auto seen = co_await inquiry_.ask(order);
        sample.record(to, reply_of(seen.what, to, way), steady::now());
        if (done < options.strata) {
            ++done;
            told_.progressed(0, 1);
        }
    }
    told_.progressed(0, options.strata - done);
    if (!closed_) {
        add_up(what, sample.result(began));
    }
}

void block_sampler::add_up(const job& what, const block_result& round)
{
    auto& known = state_.rows[what.row].samples;
    const auto before = std::ranges::find_if(known, [&](const block_result& one) {
        return one.block == round.block && one.port == round.port && one.vantage == round.vantage;
    });
    if (told_.sampled) {
        told_.sampled(what.row, round);
    }
    if (before == known.end()) {
        known.push_back(round);
    } else {
        *before = accumulate(*before, round);
    }
}

} // namespace reachd
