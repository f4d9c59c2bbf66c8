// SPDX-License-Identifier: Apache-2.0
#include "http_session.hpp"

#include "reachd/core/at_exit.hpp"
#include "reachd/net/deadline.hpp"
#include "reachd/net/wall_clock.hpp"

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <charconv>
#include <fmt/format.h>
#include <utility>

namespace reachd {

namespace asio = boost::asio;
namespace http = boost::beast::http;

namespace {

constexpr std::size_t piece = 4096;
constexpr std::size_t most_lingering = 1024 * 1024;

std::string_view view(boost::beast::string_view text)
{
    return {text.data(), text.size()};
}

} // namespace

http_session::http_session(socket_type socket, std::string peer, http_context& context)
    : socket_{std::move(socket)},
      peer_{std::move(peer)},
      context_{&context},
      changed_{socket_.get_executor(), time_point::max()},
      input_{context.limits.header_bytes + piece},
      begun_{steady::now()},
      active_{begun_},
      queue_{context.limits.stream_bytes},
      watcher_{socket_.get_executor(), [this](const std::string& name, const std::exception_ptr& what) {
                   if (context_->callbacks.failed) {
                       context_->callbacks.failed(name, what);
                   }
                   abort();
               }}
{
}

asio::awaitable<void> http_session::run()
{
    while (!closed_ && !ending_) {
        const auto got = co_await read_request();
        if (closed_ || got == reading::ended) {
            break;
        }
        if (got == reading::refused) {
            co_await send_refusal();
            break;
        }
        co_await answer_request();
    }
    co_await linger();
    abort();
    co_await watcher_.join(time_point::max());
}

void http_session::stop()
{
    ending_ = true;
    changed_.cancel();
    if (idle_ || first_) {
        abort();
    }
}

void http_session::abort()
{
    closed_ = true;
    boost::system::error_code ignored;
    socket_.close(ignored);
    changed_.cancel();
}

// ---- reading

asio::awaitable<http_session::reading> http_session::read_request()
{
    parser_.emplace();
    parser_->header_limit(static_cast<std::uint32_t>(context_->limits.header_bytes));
    parser_->body_limit(boost::none); // none is read: fault_of_request() refuses those that have one
    bool some = input_.size() > 0;
    begun_ = first_ ? begun_ : steady::now();
    boost::system::error_code code = http::error::need_more;
    while (true) {
        if (input_.size() > 0) {
            input_.consume(parser_->put(input_.data(), code));
        }
        if (code == http::error::header_limit ||
            (code == http::error::need_more && input_.size() >= context_->limits.header_bytes)) {
            co_return refuse(
                http_reasons::header_too_large,
                fmt::format("the request's header has more than {} bytes", context_->limits.header_bytes)
            );
        }
        if (parser_->is_header_done()) {
            break; // a body that does not fit is looked at below
        }
        if (code && code != http::error::need_more) {
            co_return refuse(http_reasons::malformed, "this is no HTTP request: " + code.message());
        }
        idle_ = !some && !first_;
        const auto until =
            idle_ ? active_ + context_->limits.idle_time : begun_ + context_->limits.request_time;
        auto [how, read_code, size] =
            co_await with_deadline(until, socket_.async_read_some(input_.prepare(piece), asio::deferred));
        if (idle_ && size > 0) {
            begun_ = steady::now();
        }
        idle_ = false;
        if (how == ended::expired ||
            (!read_code && steady::now() >= begun_ + context_->limits.request_time)) {
            co_return on_silence();
        }
        if (read_code) {
            co_return reading::ended;
        }
        some = true;
        input_.commit(size);
        code = http::error::need_more;
    }
    first_ = false;
    refused_ = fault_of_request();
    co_return refused_ ? reading::refused : reading::complete;
}

// Slow to say a request, or nothing to say.
http_session::reading http_session::on_silence()
{
    if (input_.size() == 0 && !parser_->got_some()) {
        return reading::ended;
    }
    return refuse(
        http_reasons::too_slow,
        fmt::format(
            "the request's header did not end within {}", to_text(duration{context_->limits.request_time})
        )
    );
}

http_session::reading http_session::refuse(const http_reason& why, std::string sentence)
{
    refused_ = refusal{&why, std::move(sentence)};
    return reading::refused;
}

std::optional<http_session::refusal> http_session::fault_of_request() const
{
    const auto& request = parser_->get();
    if (request.version() != 11 && request.version() != 10) {
        return refusal{&http_reasons::version, "this server speaks HTTP/1.1 and HTTP/1.0"};
    }
    if (request.method() != http::verb::get && request.method() != http::verb::head) {
        return refusal{&http_reasons::method, "this server answers GET and HEAD: it changes nothing"};
    }
    // No body is taken, so that what follows a request can be nothing but the next one.
    const bool has_body = request.find(http::field::transfer_encoding) != request.end() ||
                          (request.find(http::field::content_length) != request.end() &&
                           request[http::field::content_length] != "0");
    if (has_body) {
        return refusal{&http_reasons::body, "a GET or HEAD here has no body"};
    }
    const auto hosts = request.count(http::field::host);
    if (hosts != 1 && (hosts > 1 || request.version() == 11)) {
        return refusal{&http_reasons::malformed, "a request has one Host header"};
    }
    if (hosts == 1 && !context_->any_host) {
        if (auto fault = host_fault(view(request[http::field::host]), context_->hosts)) {
            return refusal{&http_reasons::host, std::move(*fault)};
        }
    }
    // Fetch metadata (W3C): browsers say so by themselves. A link to the page is no fetch of its parts.
    const auto site = view(request["Sec-Fetch-Site"]);
    if ((site == "cross-site" || site == "same-site") && view(request["Sec-Fetch-Mode"]) != "navigate") {
        return refusal{&http_reasons::cross_site, "a page of another site asks for this"};
    }
    if (!parse_target(view(request.target()))) {
        return refusal{&http_reasons::malformed, "the request's target is no path of this server"};
    }
    return std::nullopt;
}

// ---- answering

asio::awaitable<http_reply> http_session::ask_handler(http_request request)
{
    const auto path = request.target.path;
    std::exception_ptr failed;
    try {
        auto handling = context_->callbacks.handle(std::move(request));
        auto answer = co_await std::move(handling);
        co_return answer;
    } catch (...) {
        failed = std::current_exception();
    }
    if (context_->callbacks.failed) {
        context_->callbacks.failed("http " + path, failed);
    }
    co_return plain_response(500, "the request failed inside the daemon");
}

asio::awaitable<void> http_session::answer_request()
{
    const auto& request = parser_->get();
    head_only_ = request.method() == http::verb::head;
    ending_ = ending_ || !parser_->keep_alive();
    last_event_id_ = std::string{view(request["Last-Event-ID"])};
    http_request asked;
    asked.target = *parse_target(view(request.target()));
    auto answer = co_await ask_handler(std::move(asked));
    if (auto* response = std::get_if<http_response>(&answer)) {
        co_await send_response(std::move(*response));
    } else if (context_->streams >= context_->limits.streams) {
        refuse(
            http_reasons::too_many_streams,
            fmt::format("there are {} streams of events already", context_->streams)
        );
        co_await send_refusal();
        ending_ = true;
    } else {
        co_await stream_events();
    }
    active_ = steady::now();
}

asio::awaitable<void> http_session::send_response(http_response what)
{
    const auto size = what.body && !head_only_ ? what.body->size() : 0;
    if (size > 0 && context_->unsent > 0 && context_->unsent + size > context_->limits.unsent_bytes) {
        refuse(http_reasons::too_much_unsent, "other clients have not taken their answers yet: ask again");
        co_await send_refusal();
        ending_ = true;
        co_return;
    }
    ++context_->counters.answers[what.status];
    const auto then = ending_ ? after_answer::close : after_answer::keep_open;
    const auto head = encode_head(what, body_length::known, then, wall_now());
    context_->unsent += size;
    const auto taken = [this, size] { context_->unsent -= size; };
    const at_exit give_back{taken};
    const bool sent = co_await send(head, size > 0 ? std::string_view{*what.body} : std::string_view{});
    if (!sent) {
        abort();
    }
}

asio::awaitable<bool> http_session::send(std::string_view head, std::string_view body)
{
    const auto end = steady::now() + context_->limits.answer_time;
    while (!closed_ && head.size() + body.size() > 0) {
        const std::array<asio::const_buffer, 2> pieces{
            asio::buffer(head.data(), head.size()), asio::buffer(body.data(), body.size())
        };
        const auto until = std::min(end, steady::now() + context_->limits.stall_time);
        auto [how, code, size] =
            co_await with_deadline(until, socket_.async_write_some(pieces, asio::deferred));
        if (how == ended::expired || (!code && steady::now() >= end)) {
            ++context_->counters.stalled;
            co_return false;
        }
        if (code) {
            co_return false;
        }
        const auto of_head = std::min(size, head.size());
        head.remove_prefix(of_head);
        body.remove_prefix(size - of_head);
    }
    co_return !closed_;
}

asio::awaitable<void> http_session::send_refusal()
{
    ++context_->counters.refused[refused_->why->word];
    ++context_->counters.answers[refused_->why->status];
    auto answer = plain_response(refused_->why->status, refused_->sentence);
    if (refused_->why->status == 405) {
        answer.headers.emplace_back("Allow", "GET, HEAD");
    }
    if (refused_->why->status == 503) {
        answer.headers.emplace_back("Retry-After", "10");
    }
    const auto head = encode_head(answer, body_length::known, after_answer::close, wall_now());
    const bool sent = co_await send(head, head_only_ ? std::string_view{} : std::string_view{*answer.body});
    if (!sent) {
        abort();
    }
}

// What a closing socket has not read makes Linux reset the connection, and the client lose the answer.
asio::awaitable<void> http_session::linger()
{
    boost::system::error_code ignored;
    if (closed_ || !refused_) {
        co_return;
    }
    socket_.shutdown(socket_type::shutdown_send, ignored);
    const auto until = steady::now() + context_->limits.linger_time;
    std::array<char, piece> chunk{};
    std::size_t seen = 0;
    while (!closed_ && seen < most_lingering) {
        auto [how, code, size] =
            co_await with_deadline(until, socket_.async_read_some(asio::buffer(chunk), asio::deferred));
        if (how != ended::completed || code) {
            co_return;
        }
        seen += size;
    }
}

// ---- streams

void http_session::notify(const send_queue::shared_line& event)
{
    if (!streaming_ || closed_) {
        return;
    }
    if (!queue_.notify(event)) {
        ++context_->counters.lost;
    }
    changed_.cancel();
}

// An id of this run continues after it where what follows is still kept; all others begin with the state.
void http_session::greet_stream()
{
    const auto& kept = context_->kept;
    std::optional<std::uint64_t> from;
    const auto prefix = context_->boot + "-";
    if (last_event_id_.starts_with(prefix)) {
        const auto number = std::string_view{last_event_id_}.substr(prefix.size());
        std::uint64_t value = 0;
        const auto [end, failed] = std::from_chars(number.data(), number.data() + number.size(), value);
        const bool whole = failed == std::errc{} && end == number.data() + number.size();
        const auto oldest = kept.empty() ? context_->sequence + 1 : kept.front().sequence;
        if (whole && value <= context_->sequence && value + 1 >= oldest) {
            from = value;
        }
    }
    auto begin = std::make_shared<std::string>("retry: 3000\n\n");
    if (!from) {
        const auto id = fmt::format("{}-{}", context_->boot, context_->sequence);
        *begin += encode_event(
            id, "snapshot", context_->callbacks.snapshot ? context_->callbacks.snapshot() : json{}
        );
    }
    queue_.push(std::move(begin));
    for (const auto& one : kept) {
        if (from && one.sequence > *from) {
            queue_.push(one.text);
        }
    }
}

asio::awaitable<void> http_session::stream_events()
{
    ++context_->counters.answers[200];
    ending_ = true; // a stream is the last answer of its connection
    http_response answer{.type = "text/event-stream; charset=utf-8"};
    const auto head = encode_head(answer, body_length::endless, after_answer::close, wall_now());
    ++context_->streams;
    streaming_ = true;
    const auto over = [this] {
        streaming_ = false;
        --context_->streams;
    };
    const at_exit ended{over};
    greet_stream();
    const bool sent = co_await send(head, {});
    if (sent && !head_only_) {
        watcher_.spawn("http stream", await_end());
        ending_ = false; // until stop() says so
        co_await drain_queue();
        ending_ = true;
    }
}

asio::awaitable<void> http_session::drain_queue()
{
    while (!closed_ && !(ending_ && queue_.empty())) {
        if (queue_.empty()) {
            changed_.expires_at(steady::now() + context_->limits.heartbeat);
            auto [code] = co_await changed_.async_wait(asio::as_tuple(asio::use_awaitable));
            if (!code && queue_.empty()) {
                queue_.push(std::make_shared<const std::string>("event: tick\ndata: {}\n\n"));
            }
            continue;
        }
        const auto text = queue_.front_line(); // held until the operation has ended
        const auto rest = queue_.front_rest();
        auto [how, code, size] = co_await with_deadline(
            steady::now() + context_->limits.stall_time,
            socket_.async_write_some(asio::buffer(rest.data(), rest.size()), asio::deferred)
        );
        if (closed_) {
            co_return;
        }
        if (how == ended::expired && (queue_.full() || ending_)) {
            ++context_->counters.stalled;
            abort();
        } else if (code && how != ended::expired) {
            abort();
        } else if (!code) {
            queue_.sent(size);
            if (const auto count = queue_.take_lost(); count > 0) {
                queue_.push(
                    std::make_shared<const std::string>(encode_event({}, "lost", {{"count", count}}))
                );
            }
        }
    }
}

// Whoever closes a stream, or says more on it, does not want it any longer.
asio::awaitable<void> http_session::await_end()
{
    auto [code] = co_await socket_.async_wait(socket_type::wait_read, asio::as_tuple(asio::use_awaitable));
    static_cast<void>(code);
    abort();
}

} // namespace reachd
