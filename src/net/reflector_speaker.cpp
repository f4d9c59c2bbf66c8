// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/reflector_speaker.hpp"

#include "reachd/net/deadline.hpp"
#include "reachd/net/hmac.hpp"

#include <fmt/format.h>
#include <utility>

namespace reachd {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

namespace {

constexpr seconds greeting_time{3};
// An answer that was sent later than this may be on its way still when its time is over.
constexpr microseconds latest{500'000};

} // namespace

far_side::word word_of(const std::optional<wire::reported>& told)
{
    if (!told) {
        return far_side::word::unknown;
    }
    switch (told->state) {
    case wire::sending::sent:
        // Acknowledged, though not by us: a box answers in our name, and nothing is known of the way to us.
        if ((told->events & wire::event_acknowledged) != 0) {
            return far_side::word::unknown;
        }
        return microseconds{told->late_us} > latest ? far_side::word::late : far_side::word::yes;
    case wire::sending::flow_ended: {
        // Its client has not ended it: we hold the other end.
        constexpr std::uint8_t from_outside = wire::event_reset | wire::event_closed | wire::event_given_up;
        return (told->events & from_outside) != 0 ? far_side::word::cut : far_side::word::no;
    }
    case wire::sending::unknown:
    case wire::sending::waiting:
    case wire::sending::failed: return far_side::word::no;
    }
    return far_side::word::unknown;
}

reflector_speaker::reflector_speaker(wire::key key, ask_report report)
    : client_{std::move(key)}, report_{std::move(report)}, token_{random_number() | 1}
{
}

asio::awaitable<result<void>> reflector_speaker::arrange(tcp::socket& flow, duration after)
{
    const auto deadline = steady::now() + greeting_time;
    auto greeted = co_await client_.greet(flow, deadline);
    if (!greeted) {
        co_return greeted;
    }
    const wire::request_body wanted{wire::answer_after{
        .token = token_,
        .delay_ms = static_cast<std::uint32_t>(std::chrono::duration_cast<milliseconds>(after).count()),
    }};
    auto reply = co_await client_.ask(flow, wanted, deadline);
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
    co_return result<void>{};
}

asio::awaitable<far_side::word> reflector_speaker::has_spoken()
{
    auto told = co_await report_(token_);
    co_return word_of(told);
}

bool reflector_speaker::is_word(tcp::socket& flow)
{
    return client_.take_answer(flow, token_);
}

} // namespace reachd
