// SPDX-License-Identifier: Apache-2.0
#include "control_session.hpp"

#include "reachd/net/deadline.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <utility>

namespace reachd {

namespace asio = boost::asio;

namespace {

bool is_blank(std::string_view line)
{
    return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

// Whether the client has closed both directions, not only its own.
bool is_gone(int socket)
{
    pollfd one{socket, 0, 0};
    return ::poll(&one, 1, 0) == 1 && (one.revents & (POLLHUP | POLLERR)) != 0;
}

// Up to 1,000 records, from the disk.
bool is_large_and_waited_for(const method_info& method)
{
    return method.name == "history";
}

constexpr auto not_taken = "other clients have not taken their answers yet: ask again";

rpc_answer failed_inside()
{
    return std::unexpected{make_error(reasons::internal, "the request failed inside the daemon")};
}

} // namespace

answer_turns* control_context::turns(access_level socket, std::string_view method)
{
    constexpr std::array<std::string_view, 2> whole{"report", "endpoint"};
    constexpr std::array<std::string_view, 3> other{"metrics", "catalogues", "config"};
    auto& own = of(socket);
    return std::ranges::find(whole, method) != whole.end() ? &own.whole
         : std::ranges::find(other, method) != other.end() ? &own.other
                                                           : nullptr;
}

control_session::control_session(
    socket_type socket, access_level access, peer_identity peer, control_context& context,
    std::size_t& subscribers
)
    : socket_{std::move(socket)},
      access_{access},
      peer_{peer},
      context_{&context},
      subscribers_{&subscribers},
      changed_{socket_.get_executor(), time_point::max()},
      input_{context.limits.line_bytes},
      active_{steady::now()},
      queue_{context.limits.unsent_bytes},
      requests_{
          socket_.get_executor(),
          [this](const std::string& name, const std::exception_ptr& what) { tell_failure(name, what); }
      },
      writer_{socket_.get_executor(), [this](const std::string& name, const std::exception_ptr& what) {
                  tell_failure(name, what);
                  abort();
              }}
{
}

asio::awaitable<void> control_session::run()
{
    writer_.spawn("control writer", write_loop());
    std::exception_ptr failed;
    try {
        co_await read_loop();
    } catch (...) {
        failed = std::current_exception();
    }
    if (failed) {
        tell_failure("control reader", failed);
    }
    ending_ = true;
    unsubscribe();
    while (!closed_ && (under_way_ > 0 || !queue_.empty())) {
        co_await changed();
    }
    discard_input();
    abort();
    co_await requests_.join(time_point::max());
    co_await writer_.join(time_point::max());
}

void control_session::stop()
{
    stopping_ = true;
    ending_ = true;
    requests_.cancel();
    boost::system::error_code ignored;
    socket_.shutdown(socket_type::shutdown_receive, ignored); // wakes the reader with the end of the stream
    wake();
}

bool control_session::has_more_to_say() const
{
    boost::system::error_code ignored;
    return reading() && (!heard_ || input_.unfinished() || socket_.available(ignored) > 0);
}

void control_session::count_unsent(std::size_t bytes)
{
    unsent_ += bytes;
    context_->of(access_).unsent += bytes;
}

void control_session::abort()
{
    closed_ = true;
    context_->of(access_).unsent -= std::exchange(unsent_, 0);
    boost::system::error_code ignored;
    socket_.close(ignored);
    wake();
}

asio::awaitable<void> control_session::changed()
{
    co_await changed_.async_wait(asio::as_tuple(asio::use_awaitable));
}

void control_session::tell_failure(const std::string& task, const std::exception_ptr& what)
{
    if (context_->callbacks.failed) {
        context_->callbacks.failed(task, what);
    }
}

// ---- reading

asio::awaitable<void> control_session::read_loop()
{
    while (true) {
        co_await ready_to_read();
        if (!reading()) {
            co_return;
        }
        auto [how, code, size] = co_await with_deadline(
            read_deadline(), socket_.async_read_some(asio::buffer(chunk_), asio::deferred)
        );
        if (how == ended::expired) {
            on_silence();
            continue;
        }
        if (code == asio::error::eof && reading() && !is_blank(input_.rest())) {
            take_line(input_.rest()); // whoever says no more needs no LF either
        }
        if (code) {
            co_return;
        }
        active_ = steady::now();
        line_begun_ = input_.unfinished() ? line_begun_ : active_;
        input_.append({chunk_.data(), size});
        co_await take_lines();
    }
}

asio::awaitable<void> control_session::take_lines()
{
    while (reading()) {
        const auto line = input_.next();
        if (!line) {
            break;
        }
        if (!is_blank(*line)) {
            take_line(*line);
        }
        line_begun_ = steady::now();
        co_await ready_to_read();
    }
    if (reading() && input_.overflown()) {
        refuse_and_end(
            reasons::too_large, fmt::format("a line is longer than {} bytes", context_->limits.line_bytes)
        );
    }
}

asio::awaitable<void> control_session::ready_to_read()
{
    while (reading() && (queue_.full() || under_way_ >= context_->limits.requests)) {
        co_await changed();
        line_begun_ = steady::now(); // the pause was ours
    }
}

time_point control_session::read_deadline() const
{
    return input_.unfinished() ? line_begun_ + context_->limits.line_time
                               : active_ + context_->limits.idle_time;
}

void control_session::on_silence()
{
    const auto now = steady::now();
    if (input_.unfinished()) {
        refuse_and_end(
            reasons::too_slow,
            fmt::format("the line did not end within {}", to_text(duration{context_->limits.line_time}))
        );
    } else if (subscribed_ || under_way_ > 0) {
        active_ = now;
    } else if (active_ + context_->limits.idle_time <= now) {
        ++context_->counters.idle;
        ending_ = true;
    }
}

void control_session::take_line(std::string_view line)
{
    heard_ = true;
    ++context_->counters.requests;
    auto request = parse_request(line, access_);
    if (!request) {
        auto& refused = request.error();
        deliver(std::move(refused.id), refused.answer, std::unexpected{std::move(refused.error)});
    } else if (request->method->name == "subscribe") {
        deliver(request->id, request->answer, subscribe());
    } else {
        ++under_way_;
        auto name = fmt::format("control method {}", request->method->name);
        requests_.spawn(std::move(name), carry_out(std::move(*request)));
    }
}

void control_session::refuse_and_end(const reason_info& why, std::string message)
{
    deliver(nullptr, answer_wanted::yes, std::unexpected{make_error(why, std::move(message))});
    ending_ = true;
}

// ---- requests

asio::awaitable<void> control_session::carry_out(rpc_request request)
{
    const auto id = request.id;
    const auto wanted = request.answer;
    const std::string name{request.method->name};
    rpc_answer answer = failed_inside();
    std::optional<answer_turns::place> place; // until the answer is encoded
    std::exception_ptr failed;
    try {
        co_await handle_into(std::move(request), &answer, &place);
    } catch (...) {
        failed = std::current_exception();
    }
    if (failed && stopping_) {
        answer = std::unexpected{make_error(reasons::shutting_down, "the daemon is shutting down")};
    } else if (failed) {
        tell_failure("control method " + name, failed);
    }
    --under_way_;
    active_ = steady::now();
    wake();
    deliver(id, wanted, std::move(answer));
    if (place) {
        dear_under_way_ = false;
        place.reset();
        wake();
    }
}

asio::awaitable<void> control_session::handle_into(
    rpc_request request, rpc_answer* answer, std::optional<answer_turns::place>* place
)
{
    // Pipelined requests for large answers must not pile those up, neither those that nobody reads nor those
    // that come all at once because they had to be waited for, nor take the turns of other clients.
    auto* const turns = context_->turns(access_, request.method->name);
    const bool large = is_large_and_waited_for(*request.method);
    while (!closed_ && (queue_.full() || (large && large_under_way_))) {
        co_await changed();
    }
    struct turn {
        bool* taken;
        ~turn() { *taken = false; } // carry_out() wakes the next one
    };
    std::optional<turn> mine;
    if (large) {
        large_under_way_ = true;
        mine.emplace(&large_under_way_);
    }
    if (turns != nullptr) {
        const bool may = co_await take_turn(turns, place);
        if (!may) {
            *answer = std::unexpected{make_error(reasons::busy, not_taken)};
            co_return;
        }
    }
    if (turns != nullptr && (closed_ || is_gone(socket_.native_handle()))) {
        *answer = json::object(); // nobody hears it
        abort();
        co_return;
    }
    auto* const whole = context_->turns(access_, "report");
    const auto turn_to_come = [this, whole, place] { return take_turn(whole, place); };
    const control_caller caller{weak_from_this(), access_, peer_, turn_to_come};
    const auto& callbacks = context_->callbacks;
    if (request.method->access == access_level::change && callbacks.audit) {
        callbacks.audit(request, caller);
    }
    auto handling = callbacks.handle(std::move(request), caller);
    auto handled = co_await std::move(handling);
    *answer = std::move(handled);
}

asio::awaitable<bool>
control_session::take_turn(answer_turns* turns, std::optional<answer_turns::place>* place)
{
    while (!closed_ && (queue_.full() || dear_under_way_)) {
        co_await changed();
    }
    dear_under_way_ = true;
    place->emplace(*turns);
    co_await (*place)->turn(closed_);
    co_return closed_ || context_->of(access_).unsent < context_->limits.all_unsent_bytes;
}

rpc_answer control_session::subscribe()
{
    if (subscribed_) {
        return std::unexpected{
            make_error(reasons::already_subscribed, "this connection has its subscription already")
        };
    }
    if (*subscribers_ >= context_->limits.subscriptions) {
        auto message = fmt::format("there are {} subscribers already", *subscribers_);
        return std::unexpected{make_error(reasons::too_many_subscriptions, std::move(message))};
    }
    auto result = json::object();
    try {
        result["snapshot"] = context_->callbacks.snapshot ? context_->callbacks.snapshot() : json{};
    } catch (...) {
        tell_failure("control method subscribe", std::current_exception());
        return failed_inside();
    }
    result["seq"] = context_->sequence;
    result["subscription"] = fmt::format("s{}", ++context_->subscriptions);
    subscribed_ = true;
    ++*subscribers_;
    return result;
}

void control_session::unsubscribe()
{
    if (std::exchange(subscribed_, false)) {
        --*subscribers_;
    }
}

void control_session::deliver(json id, answer_wanted wanted, rpc_answer answer)
{
    if (!answer) {
        ++context_->counters.rejected[answer.error().reason];
    }
    if (wanted == answer_wanted::yes) {
        push(
            answer ? encode_result(std::move(id), std::move(*answer))
                   : encode_error(std::move(id), answer.error())
        );
    }
}

// ---- writing

asio::awaitable<void> control_session::write_loop()
{
    while (!closed_) {
        if (queue_.empty()) {
            co_await changed();
            continue;
        }
        const auto line = queue_.front_line(); // held until the operation has ended
        const auto rest = queue_.front_rest();
        if (rest.size() == line->size()) {
            answer_begun_ = steady::now();
        }
        const auto taken_by = answer_begun_ + context_->limits.answer_time;
        auto [how, code, size] = co_await with_deadline(
            std::min(taken_by, steady::now() + context_->limits.stall_time),
            socket_.async_write_some(asio::buffer(rest.data(), rest.size()), asio::deferred)
        );
        if (closed_) {
            co_return;
        }
        if (how == ended::expired) {
            if (queue_.full() || ending_ || steady::now() >= taken_by) {
                ++context_->counters.stalled;
                abort();
            }
        } else if (code) {
            abort(); // the client has gone
        } else {
            on_sent(size);
        }
    }
}

void control_session::on_sent(std::size_t bytes)
{
    active_ = steady::now();
    queue_.sent(bytes);
    unsent_ -= bytes;
    context_->of(access_).unsent -= bytes;
    if (const auto count = queue_.take_lost(); count > 0) {
        auto line = encode_notification("lost", {{"count", count}, {"seq", context_->sequence}});
        const auto size = line.size();
        if (queue_.notify(std::make_shared<const std::string>(std::move(line)))) {
            count_unsent(size);
        }
    }
    wake();
}

void control_session::push(std::string line)
{
    if (!closed_) {
        count_unsent(line.size());
        queue_.push(std::make_shared<const std::string>(std::move(line)));
        wake();
    }
}

void control_session::notify(const shared_line& line)
{
    if (closed_) {
        return;
    }
    if (queue_.notify(line)) {
        count_unsent(line->size());
    } else {
        ++context_->counters.lost;
    }
    wake();
}

// What a closing socket has not read makes Linux reset the connection: the client would see an error
// after the answer instead of the end. Bounded by what fits into a socket's buffer.
void control_session::discard_input()
{
    constexpr int most_chunks = 64;
    for (int i = 0; i < most_chunks && !closed_; ++i) {
        if (::recv(socket_.native_handle(), chunk_.data(), chunk_.size(), MSG_DONTWAIT) <= 0) {
            return;
        }
    }
}

} // namespace reachd
