// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/self_watch.hpp"

#include "reachd/app/process_metrics.hpp"
#include "reachd/core/version.hpp"
#include "reachd/net/clocks.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <new>
#include <utility>

namespace reachd {

namespace asio = boost::asio;

namespace {

constexpr unsigned looks_per_count = 20;   // listing the descriptors costs more than a look: every 5 s
constexpr unsigned looks_per_return = 240; // a minute: it takes some milliseconds at most
// The kernel answers and keeps answers for us meanwhile: a short standstill loses nothing.
constexpr milliseconds harmless{500};

} // namespace

self_watch::self_watch(const asio::any_io_executor& executor, handlers told)
    : told_{std::move(told)}, care_{program_date()}, timer_{executor}
{
}

asio::awaitable<void> self_watch::run()
{
    care_.looked(steady::now(), read_clocks()); // what later looks are compared with
    while (!closed_) {
        next_look_ = steady::now() + self_look_interval;
        timer_.expires_at(next_look_);
        const auto [code] = co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
        if (code) {
            break;
        }
        look();
    }
    next_look_ = time_point::max();
}

void self_watch::close()
{
    closed_ = true;
    timer_.cancel();
}

void self_watch::look()
{
    const auto at = read_clocks();
    care_.looked(next_look_, at);
    if (looks_++ % looks_per_count == 0) {
        if (const auto seen = count_descriptors()) {
            care_.counted(*seen, at);
        }
    }
    if (looks_ % looks_per_return == 0) {
        return_free_memory();
    }
    if (told_.looked) {
        told_.looked(std::max(duration::zero(), at.now - next_look_));
    }
    tell();
}

void self_watch::failed(local_cause why)
{
    care_.failed(why, read_clocks());
    tell();
}

void self_watch::failed(const std::exception_ptr& what)
{
    try {
        std::rethrow_exception(what);
    } catch (const std::bad_alloc&) {
        failed(local_cause::no_memory);
    } catch (...) {
        return; // no trouble of this machine's
    }
}

bool self_watch::cut_into(time_point begun, duration limit) const
{
    const auto lost = care_.stood_still(begun, next_look_, read_clocks());
    return lost > std::max<duration>(harmless, limit / stall_share);
}

std::vector<self_finding> self_watch::findings() const
{
    return care_.findings(steady::now());
}

void self_watch::tell()
{
    const auto now = findings();
    const auto is_among = [](const std::vector<self_finding>& list, self_trouble what) {
        return std::ranges::find(list, what, &self_finding::what) != list.end();
    };
    const auto before = std::exchange(telling_, now);
    for (const auto& one : now) {
        if (!is_among(before, one.what)) {
            ++counts_.begun[static_cast<std::size_t>(one.what)];
            if (told_.began) {
                told_.began(one);
            }
        }
    }
    for (const auto& one : before) {
        if (!is_among(now, one.what) && told_.ended) {
            told_.ended(one);
        }
    }
}

} // namespace reachd
