// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/idle_mapping.hpp"

#include "reachd/net/deadline.hpp"
#include "reachd/net/idle_witness.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace reachd {

namespace asio = boost::asio;
using udp = asio::ip::udp;

namespace {

constexpr milliseconds asking_margin{100}; // the second flow asks this much after the time, never before
constexpr milliseconds exchange_time{800}; // two of them stay below the 2 s of a single exchange
constexpr milliseconds stream_after{2500}; // past the 2 s after which Linux extends a flow
constexpr int most_ports = 3;

class mapping_flow {
public:
    mapping_flow(udp::socket socket, const mapping_idle_order& what, local_change_watch& watch)
        : client_{std::move(socket)}, what_{what}, witness_{watch}
    {
    }

    // Makes the mapping; an error says why that did not work at once.
    asio::awaitable<result<void>> begin()
    {
        const auto opened = steady::now();
        auto seen = co_await client_.ask(opened + exchange_time);
        if (seen && what_.which == idle_class::udp_stream) {
            const auto from = opened + stream_after;
            const bool awake = co_await sleep_until(from);
            if (!awake) {
                co_return std::unexpected(error{errc::unavailable, stage::idle, "cancelled"});
            }
            seen = co_await client_.ask(from + exchange_time);
        }
        if (!seen) {
            co_return std::unexpected(seen.error());
        }
        const unsigned planned = what_.which == idle_class::udp_stream ? 2 : 1;
        if (client_.datagrams() != planned) {
            // Sent twice: a second answer may still be on its way.
            co_return std::unexpected(error{errc::unavailable, stage::idle, "packets were lost"});
        }
        begun_ = steady::now();
        mapped_ = *seen->mapped;
        witness_.begin(client_.fd(), what_.to.where.address);
        co_return result<void>{};
    }

    asio::awaitable<void> wait_and_test()
    {
        const auto due = begun_ + what_.hold + asking_margin;
        for (auto now = begun_; now < due; now = steady::now()) {
            const auto next = std::min(due, now + what_.look_every);
            const bool awake = co_await sleep_until(next);
            if (!awake) {
                co_return;
            }
            if (client_.listen() > 0) {
                add(idle_grade::none, what_.hold, "the server has spoken in between");
                co_return;
            }
            if (auto why = witness_.disturbed()) {
                add(idle_grade::none, what_.hold, std::move(*why));
                co_return;
            }
        }
        co_await test();
    }

    mapping_seen take()
    {
        const auto address = begun_ == time_point{} ? std::nullopt : std::optional{mapped_.address};
        return {{std::move(out_), client_.datagrams(), client_.local_name(), {}}, address};
    }

private:
    asio::awaitable<void> test()
    {
        const auto idle = std::max<duration>(what_.hold, steady::now() - begun_ - asking_margin);
        auto& pair = *what_.to.stun;
        const auto met =
            co_await redirect(pair.asker, client_, mapped_.port, steady::now() + what_.answer_time);
        if (met == redirected::arrived) {
            add(idle_grade::inbound, idle);
            co_return;
        }
        const auto why = co_await why_not_lost();
        if (!why.empty()) {
            add(idle_grade::none, idle, why);
            co_return;
        }
        add(idle_grade::inbound_lost, idle);
        const auto then = co_await poke();
        out_.back().then = then;
    }

    // "" where the server still reaches a fresh mapping in the same way: then this one alone has gone.
    asio::awaitable<std::string> why_not_lost()
    {
        auto now = co_await calibrate(*what_.to.stun, what_.answer_time);
        if (!now) {
            co_return "the STUN server cannot be asked any more: " + now.error().detail;
        }
        if (now->seen.mapped->address != mapped_.address) {
            co_return fmt::format(
                "the public address is {} now and was {}", to_text(now->seen.mapped->address),
                to_text(mapped_.address)
            );
        }
        co_return now->what == redirected::arrived ? ""
                                                   : "the STUN server does not reach a fresh flow either";
    }

    // A packet from inside, now that the mapping is gone.
    asio::awaitable<after_expiry> poke()
    {
        auto seen = co_await client_.ask(steady::now() + what_.answer_time);
        if (!seen) {
            co_return after_expiry::drops;
        }
        co_return seen->mapped == mapped_ ? after_expiry::recreates : after_expiry::remaps;
    }

    void add(idle_grade grade, duration idle, std::string why = {})
    {
        out_.push_back({
            .idle = idle,
            .grade = grade,
            .reason = std::move(why),
            .begun = begun_,
            .tested = begun_ + idle,
            .turn = what_.turn,
        });
    }

    stun_client client_;
    const mapping_idle_order& what_;
    idle_witness witness_;
    time_point begun_{};
    socket_address mapped_;
    std::vector<idle_reading> out_;
};

} // namespace

asio::awaitable<mapping_seen> leave_mapping_alone(mapping_idle_order what, local_change_watch& watch)
{
    std::string why;
    unsigned packets = 0;
    for (int i = 0; i < most_ports; ++i) {
        auto socket = co_await open_datagram_flow(what.to);
        if (!socket) {
            why = socket.error().detail;
            break;
        }
        mapping_flow flow{std::move(*socket), what, watch};
        const auto begun = co_await flow.begin();
        if (begun) {
            co_await flow.wait_and_test();
        }
        auto seen = flow.take();
        seen.flow.packets += packets;
        if (begun || begun.error().detail == "cancelled") {
            co_return seen;
        }
        why = begun.error().detail;
        packets = seen.flow.packets;
    }
    mapping_seen none;
    none.flow.packets = packets;
    none.flow.readings.push_back(not_opened(what.hold, what.turn, why, steady::now()));
    co_return none;
}

} // namespace reachd
