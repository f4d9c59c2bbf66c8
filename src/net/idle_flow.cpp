// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/idle_flow.hpp"

#include "reachd/net/deadline.hpp"
#include "reachd/net/idle_witness.hpp"
#include "reachd/net/tcp_facts.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <utility>

namespace reachd {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

namespace {

constexpr int never = 32767;                // s: the most that TCP_KEEPIDLE and TCP_KEEPINTVL take
constexpr int most_probes = 127;            // of TCP_KEEPCNT
constexpr milliseconds armed{20};           // a jiffy is 10 ms at most; with 1 ms one of six was sent
constexpr milliseconds answer_look{10};     // between two looks for the answer of a kick
constexpr milliseconds settle{50};          // what comes with the handshake is no part of the silence
constexpr milliseconds speaker_margin{100}; // the other side speaks this much after the time, never before
constexpr int most_kicks = 3;

void set_option(int fd, int level, int name, int value)
{
    ::setsockopt(fd, level, name, &value, sizeof value);
}

bool has_data(int fd)
{
    int size = 0;
    return ::ioctl(fd, FIONREAD, &size) == 0 && size > 0;
}

bool is_open(const tcp_facts& facts)
{
    return facts.state == tcp_state_established || facts.state == tcp_state_close_wait;
}

std::string after_text(duration span)
{
    return fmt::format("after {} s", std::chrono::duration_cast<seconds>(span).count());
}

class idle_flow {
public:
    idle_flow(tcp::socket socket, idle_order what, local_change_watch& watch)
        : socket_{std::move(socket)}, what_{std::move(what)}, witness_{watch}, fd_{socket_.native_handle()}
    {
    }

    asio::awaitable<idle_seen> run()
    {
        const bool begun = co_await begin();
        if (begun) {
            co_await wait_and_test();
        }
        co_return idle_seen{std::move(out_), segments_when_closed(fd_), {}, {}};
    }

private:
    asio::awaitable<bool> begin()
    {
        set_option(fd_, IPPROTO_TCP, TCP_KEEPIDLE, never);
        set_option(fd_, IPPROTO_TCP, TCP_KEEPINTVL, never);
        set_option(fd_, IPPROTO_TCP, TCP_KEEPCNT, most_probes);
        set_option(fd_, SOL_SOCKET, SO_KEEPALIVE, 1);
        // Counted from now, which is at or after the last packet: too early would prove too much.
        begun_ = steady::now();
        if (what_.speaker) {
            due_ = begun_ + what_.hold + speaker_margin;
            const auto arranged = co_await what_.speaker->arrange(socket_, what_.hold + speaker_margin);
            begun_ = steady::now();
            if (!arranged) {
                add(idle_grade::none, begun_, arranged.error().detail);
                co_return false;
            }
        }
        const auto first = read_tcp_facts(fd_);
        const bool awake = co_await sleep_until(begun_ + settle);
        if (!awake) {
            co_return false;
        }
        drain();
        auto facts = read_tcp_facts(fd_);
        if (!first || !facts || facts->state != tcp_state_established) {
            add(idle_grade::none, steady::now(), "the server closed it at once");
            co_return false;
        }
        if (facts->segments_in != first->segments_in || facts->segments != first->segments) {
            begun_ = steady::now();
        }
        base_ = *facts;
        looked_ = steady::now();
        witness_.begin(fd_, what_.target.address);
        co_return true;
    }

    // A banner; what is not read would look like something new.
    void drain()
    {
        std::array<char, 4096> data;
        while (::recv(fd_, data.data(), data.size(), MSG_DONTWAIT) > 0) {
        }
    }

    asio::awaitable<void> wait_and_test()
    {
        const auto end = begun_ + what_.hold;
        const auto last = what_.speaker ? end + speaker_margin + what_.answer_time : end;
        while (looked_ < last) {
            auto next = std::min(last, looked_ + what_.look_every);
            if (looked_ < end) {
                next = std::min(next, end); // an appointed packet is dated by the look at its time
            }
            next = std::min(next, next_refresh());
            const auto [how, code] =
                co_await with_deadline(next, socket_.async_wait(tcp::socket::wait_read, asio::deferred));
            if (how == ended::cancelled) {
                co_return;
            }
            if (look()) {
                co_return;
            }
            if (!cut_.empty()) {
                break;
            }
            if (steady::now() >= next_refresh()) {
                ++refreshed_;
                co_await refresh();
            }
        }
        if (!cut_.empty() && last > steady::now()) {
            const bool awake = co_await sleep_until(last);
            if (!awake) {
                co_return;
            }
        }
        if (what_.speaker) {
            co_await judge_inbound_silence();
        } else {
            co_await judge_own_packet();
        }
    }

    [[nodiscard]] time_point next_refresh() const
    {
        return refreshed_ < what_.refresh.at.size() ? begun_ + what_.refresh.at[refreshed_]
                                                    : time_point::max();
    }

    // One keep-alive that ends where it shall. Nothing tells of it on an open connection; what reaches the
    // far side is acknowledged.
    asio::awaitable<void> refresh()
    {
        constexpr int usual = -1; // the system's own again: ip(7), ipv6(7)
        const bool v4 = what_.target.address.is_v4();
        const int level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
        const int name = v4 ? IP_TTL : IPV6_UNICAST_HOPS;
        if (what_.refresh.hops) {
            set_option(fd_, level, name, static_cast<int>(*what_.refresh.hops));
            set_option(fd_, IPPROTO_TCP, TCP_KEEPIDLE, 1);
            co_await sleep_until(steady::now() + armed);
            set_option(fd_, IPPROTO_TCP, TCP_KEEPIDLE, never);
            set_option(fd_, level, name, usual);
        } else {
            co_await kick();
        }
        base_ = read_tcp_facts(fd_).value_or(base_);
    }

    // Looks at the witnesses; true where the silence has ended, with its readings.
    bool look()
    {
        const auto now = steady::now();
        const auto before = std::exchange(looked_, now);
        const auto facts = read_tcp_facts(fd_);
        if (!facts || !is_open(*facts)) {
            const auto why =
                "reset " + after_text(now - begun_) + ", by the server or by a box that gives it up";
            return end_early(now, why);
        }
        const auto in = facts->segments_in - base_.segments_in;
        const auto out = facts->segments - base_.segments;
        if (in > 0 && what_.speaker && facts->state == tcp_state_close_wait && !has_data(fd_)) {
            return end_early(
                now, "closed " + after_text(now - begun_) + ", by the server or by a box between"
            );
        }
        if (in > 0 && out <= in) {
            if (what_.speaker && !what_.speaker->is_word(socket_)) {
                add(idle_grade::none, now, "something came that the other side has not sent", what_.hold);
                return true;
            }
            // It came after the look before, and what was arranged not before its time, however late we look.
            const auto earliest = std::min({now, due_, begun_ + what_.hold});
            const auto came = what_.speaker ? std::max(before, earliest) : before;
            add(idle_grade::inbound, came);
            if (came - begun_ < what_.hold) {
                add(idle_grade::none, now, heard_text(*facts, came - begun_), what_.hold);
            }
            return true;
        }
        if (in > 0 || out > 0 || facts->retransmitted != base_.retransmitted) {
            add(idle_grade::none, now, "this machine sent something by itself", what_.hold);
            return true;
        }
        if (auto why = witness_.disturbed()) {
            add(idle_grade::none, now, std::move(*why), what_.hold);
            return true;
        }
        return false;
    }

    // Without the other side's word nobody knows who ended it; with it one can ask, once its time is over.
    bool end_early(time_point now, const std::string& why)
    {
        if (what_.speaker) {
            cut_ = why;
            return false;
        }
        add(idle_grade::none, now, why, what_.hold);
        return true;
    }

    std::string heard_text(const tcp_facts& facts, duration age) const
    {
        const char* what = facts.state == tcp_state_close_wait ? "the server closed it "
                         : has_data(fd_)                       ? "the server sent data "
                                                               : "the server sent a keep-alive ";
        return what + after_text(age);
    }

    asio::awaitable<void> judge_inbound_silence()
    {
        const auto said = co_await what_.speaker->has_spoken();
        const auto tested = begun_ + what_.hold;
        // Neither end has ended it: if both see an end, or one alone, it came from between.
        const bool gone = said == far_side::word::yes || said == far_side::word::cut;
        if (!gone) {
            const char* usual = said == far_side::word::late ? "the other side spoke late"
                                                             : "the other side does not say that it spoke";
            const std::string why = cut_.empty() ? usual : cut_;
            add(idle_grade::none, tested, why);
            co_return;
        }
        if (!cut_.empty()) {
            add(idle_grade::inbound_lost, tested);
            out_.back().then = after_expiry::resets;
            co_return;
        }
        const auto met = co_await kick();
        add(idle_grade::inbound_lost, tested);
        out_.back().then = met == answer::acknowledged ? after_expiry::recreates
                         : met == answer::reset        ? after_expiry::resets
                                                       : after_expiry::drops;
    }

    asio::awaitable<void> judge_own_packet()
    {
        const auto tested = steady::now();
        auto met = answer::silence;
        for (int i = 0; i < most_kicks && met == answer::silence; ++i) {
            met = co_await kick();
            if (i == 0 && met != answer::acknowledged) {
                // At once: a way that is down for some seconds must not look like a lost mapping.
                bool works = false;
                if (what_.fresh_flow_works) {
                    works = co_await what_.fresh_flow_works();
                }
                if (!works) {
                    add(idle_grade::none, tested, "a fresh flow does not work either");
                    co_return;
                }
            }
        }
        switch (met) {
        case answer::acknowledged: add(idle_grade::outbound, tested); break;
        case answer::reset:
            add(idle_grade::outbound_lost, tested);
            out_.back().then = after_expiry::resets;
            break;
        case answer::silence:
            add(idle_grade::outbound_lost, tested);
            out_.back().then = after_expiry::drops;
            break;
        case answer::none: break; // cancelled
        }
    }

    enum class answer : std::uint8_t {
        acknowledged,
        reset,
        silence,
        none, // cancelled
    };

    // One keep-alive at once, and what comes of it.
    asio::awaitable<answer> kick()
    {
        const auto before = read_tcp_facts(fd_);
        const auto deadline = steady::now() + what_.answer_time;
        set_option(fd_, IPPROTO_TCP, TCP_KEEPIDLE, 1);
        bool awake = co_await sleep_until(steady::now() + armed);
        set_option(fd_, IPPROTO_TCP, TCP_KEEPIDLE, never);
        while (awake) {
            const auto facts = read_tcp_facts(fd_);
            if (!facts || !before || !is_open(*facts)) {
                co_return answer::reset;
            }
            if (facts->segments_in != before->segments_in && facts->unanswered_probes == 0) {
                co_return answer::acknowledged;
            }
            if (steady::now() >= deadline) {
                co_return answer::silence;
            }
            const auto when = steady::now() + answer_look;
            awake = co_await sleep_until(when);
        }
        co_return answer::none;
    }

    void add(idle_grade grade, time_point at, std::string why = {}, std::optional<duration> planned = {})
    {
        out_.push_back({
            .idle = planned.value_or(at - begun_),
            .grade = grade,
            .reason = std::move(why),
            .begun = begun_,
            .tested = at,
            .turn = what_.turn,
        });
    }

    tcp::socket socket_;
    idle_order what_;
    idle_witness witness_;
    int fd_;
    time_point begun_{};
    time_point looked_{};
    time_point due_{}; // of what was arranged: it does not come before
    tcp_facts base_;
    std::size_t refreshed_ = 0;
    std::string cut_; // how it ended early, where there is somebody to ask
    std::vector<idle_reading> out_;
};

} // namespace

asio::awaitable<idle_seen> leave_alone(tcp::socket socket, idle_order what, local_change_watch& watch)
{
    idle_flow flow{std::move(socket), std::move(what), watch};
    auto out = co_await flow.run();
    co_return out;
}

} // namespace reachd
