// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/idle_datagrams.hpp"

#include "reachd/net/deadline.hpp"
#include "reachd/net/hmac.hpp"
#include "reachd/net/idle_witness.hpp"
#include "reachd/net/reflector_speaker.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <utility>

namespace reachd {

namespace asio = boost::asio;
using udp = asio::ip::udp;

namespace {

constexpr milliseconds speaker_margin{100}; // the other side speaks this much after the time, never before
constexpr milliseconds exchange_time{800};  // two of them stay below the 2 s of a single exchange
constexpr milliseconds stream_after{2500};  // past the 2 s after which Linux extends a flow
constexpr milliseconds single_within{1900}; // what took longer (a busy machine) is no single exchange to Linux
constexpr seconds poke_time{2};
constexpr int most_ports = 3;

class datagram_flow {
public:
    datagram_flow(udp::socket socket, const datagram_idle_order& what, local_change_watch& watch)
        : socket_{std::move(socket)},
          what_{what},
          client_{what.to.key},
          witness_{watch},
          fd_{socket_.native_handle()},
          token_{random_number() | 1}
    {
    }

    // Makes the flow and its appointment; an error says why that did not work at once.
    asio::awaitable<result<void>> begin()
    {
        const auto opened = steady::now();
        auto greeted = co_await client_.greet(socket_, opened + exchange_time);
        if (!greeted) {
            co_return greeted;
        }
        auto from = steady::now();
        if (what_.which == idle_class::udp_stream) {
            from = opened + stream_after;
            const bool awake = co_await sleep_until(from);
            if (!awake) {
                co_return std::unexpected(error{errc::unavailable, stage::idle, "cancelled"});
            }
        }
        const auto delay = std::chrono::duration_cast<milliseconds>(what_.hold + speaker_margin);
        const wire::request_body wanted{
            wire::answer_after{.token = token_, .delay_ms = static_cast<std::uint32_t>(delay.count())}
        };
        auto reply = co_await client_.ask(socket_, wanted, from + exchange_time);
        if (!reply) {
            co_return std::unexpected(reply.error());
        }
        if (const auto* no = std::get_if<wire::refused>(&*reply)) {
            co_return std::unexpected(
                error{
                    errc::unavailable, stage::idle,
                    fmt::format("the reflector makes no appointment: {}", wire::to_string(no->reason))
                }
            );
        }
        const auto* made = std::get_if<wire::appointed>(&*reply);
        if (!made || milliseconds{made->due_in_ms} < what_.hold) {
            // Sent twice: the silence has been broken since.
            co_return std::unexpected(error{errc::unavailable, stage::idle, "packets were lost"});
        }
        begun_ = steady::now();
        if (what_.which == idle_class::udp_single && begun_ - opened > single_within) {
            co_return std::unexpected(error{errc::unavailable, stage::idle, "the exchange took too long"});
        }
        due_ = begun_ + milliseconds{made->due_in_ms};
        mapped_ = made->source;
        witness_.begin(fd_, what_.to.where.address);
        co_return result<void>{};
    }

    asio::awaitable<void> wait_and_test()
    {
        const auto last = due_ + what_.answer_time;
        for (auto now = begun_; now < last; now = steady::now()) {
            const auto next = std::min({last, now + what_.look_every, next_refresh()});
            const auto [how, code] =
                co_await with_deadline(next, socket_.async_wait(udp::socket::wait_read, asio::deferred));
            if (how == ended::cancelled) {
                co_return;
            }
            if (has_come()) {
                const auto at = steady::now();
                const auto age = std::min(at - begun_, what_.hold);
                add(idle_grade::inbound, age);
                co_return;
            }
            if (auto why = witness_.disturbed()) {
                add(idle_grade::none, what_.hold, std::move(*why));
                co_return;
            }
            if (steady::now() >= next_refresh()) {
                refresh();
            }
        }
        co_await judge_silence();
    }

    idle_seen take()
    {
        const auto packets = client_.datagrams() + static_cast<unsigned>(refreshed_);
        return {std::move(out_), packets, local_name(fd_), ended_at_};
    }

private:
    [[nodiscard]] time_point next_refresh() const
    {
        return refreshed_ < what_.refresh.at.size() ? begun_ + what_.refresh.at[refreshed_]
                                                    : time_point::max();
    }

    // A pending error would make the next send fail unsent.
    void hear_errors()
    {
        constexpr int time_exceeded = 11; // RFC 792
        constexpr int time_exceeded6 = 3; // RFC 4443 section 3.3
        take_error(fd_);
        const bool v4 = what_.to.where.address.is_v4();
        for (const auto& one : drain_errors(fd_, what_.to.where.address.family)) {
            if (one.type == (v4 ? time_exceeded : time_exceeded6)) {
                ended_at_ = one.sender;
            }
        }
    }

    void refresh()
    {
        constexpr int usual = -1;     // the system's own again: ip(7), ipv6(7)
        const byte_vector nothing(1); // what shall end on the way; the far side gets what it understands
        const auto payload = what_.refresh.hops ? nothing : client_.hello();
        ++refreshed_;
        hear_errors();
        const bool v4 = what_.to.where.address.is_v4();
        const int level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
        const int name = v4 ? IP_TTL : IPV6_UNICAST_HOPS;
        const int hops = what_.refresh.hops ? static_cast<int>(*what_.refresh.hops) : usual;
        ::setsockopt(fd_, level, name, &hops, sizeof hops);
        static_cast<void>(::send(fd_, payload.data(), payload.size(), MSG_NOSIGNAL));
        ::setsockopt(fd_, level, name, &usual, sizeof usual);
    }

    // Looks at all that waits; what is not the answer is not heard.
    bool has_come()
    {
        hear_errors();
        std::array<std::uint8_t, wire::max_message_bytes> data;
        bool out = false;
        while (true) {
            const auto size = ::recv(fd_, data.data(), data.size(), MSG_DONTWAIT);
            if (size < 0) {
                return out;
            }
            const auto message = byte_view{data}.first(static_cast<std::size_t>(size));
            out = out || client_.is_answer(message, token_);
        }
    }

    asio::awaitable<void> judge_silence()
    {
        auto told = co_await what_.report(token_);
        switch (word_of(told)) {
        case far_side::word::yes: break;
        case far_side::word::late:
            add(idle_grade::none, what_.hold, "the reflector spoke late");
            co_return;
        case far_side::word::unknown:
            add(idle_grade::none, what_.hold, "the reflector cannot be asked whether it spoke");
            co_return;
        case far_side::word::cut:
        case far_side::word::no:
            add(idle_grade::none, what_.hold,
                fmt::format("the reflector has not spoken: {}", wire::to_string(told->state)));
            co_return;
        }
        add(idle_grade::inbound_lost, what_.hold);
        const auto then = co_await poke();
        out_.back().then = then;
    }

    // A packet from inside, now that the mapping is gone: hello first, as the old cookie is one of the old
    // port.
    asio::awaitable<std::optional<after_expiry>> poke()
    {
        const auto deadline = steady::now() + poke_time;
        auto greeted = co_await client_.greet(socket_, deadline);
        if (!greeted) {
            co_return after_expiry::drops;
        }
        const wire::request_body what{wire::observe{.token = token_}};
        auto reply = co_await client_.ask(socket_, what, steady::now() + poke_time);
        const auto* seen = reply ? std::get_if<wire::observed>(&*reply) : nullptr;
        if (!seen) {
            co_return std::nullopt;
        }
        co_return seen->source == mapped_ ? after_expiry::recreates : after_expiry::remaps;
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

    udp::socket socket_;
    const datagram_idle_order& what_;
    reflector_client client_;
    idle_witness witness_;
    int fd_;
    std::uint64_t token_;
    time_point begun_{};
    time_point due_{};
    socket_address mapped_;
    std::size_t refreshed_ = 0;
    std::optional<ip_address> ended_at_;
    std::vector<idle_reading> out_;
};

} // namespace

asio::awaitable<idle_seen> leave_datagrams_alone(datagram_idle_order what, local_change_watch& watch)
{
    std::string why;
    unsigned packets = 0;
    for (int i = 0; i < most_ports; ++i) {
        auto socket = co_await open_datagram_flow(what.to);
        if (!socket) {
            why = socket.error().detail;
            break;
        }
        datagram_flow flow{std::move(*socket), what, watch};
        const auto begun = co_await flow.begin();
        if (begun) {
            co_await flow.wait_and_test();
            auto seen = flow.take();
            seen.packets += packets;
            co_return seen;
        }
        why = begun.error().detail;
        packets += flow.take().packets;
        if (why == "cancelled") {
            co_return idle_seen{.packets = packets};
        }
    }
    idle_seen none{.packets = packets};
    none.readings.push_back(not_opened(what.hold, what.turn, why, steady::now()));
    co_return none;
}

} // namespace reachd
