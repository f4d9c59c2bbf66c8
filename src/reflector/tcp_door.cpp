// SPDX-License-Identifier: Apache-2.0
#include "reachd/reflector/tcp_door.hpp"

#include "reachd/net/deadline.hpp"
#include "reachd/net/socket_options.hpp"
#include "reachd/net/tcp_facts.hpp"
#include "tcp_state.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <fmt/format.h>

namespace reachd::reflector {

namespace asio = boost::asio;

namespace {

constexpr seconds step_time{5};               // rule 9: for hello, and for the first request
constexpr std::size_t untrusted_bytes = 4096; // rule 9
constexpr unsigned give_up_ms = 60000;  // an answer that is not acknowledged that long: RFC 9293 R2 is 100 s
constexpr milliseconds rest_after{20};  // research/probing-and-nat.md 3.6
constexpr milliseconds full_pause{100}; // after an accept that failed for want of descriptors
constexpr int backlog = 4096;

} // namespace

struct tcp_door::connection {
    std::uint64_t number = 0;
    asio::ip::tcp::socket socket;
    flow on;
    std::string host; // the key of by_address_
    time_point deadline;
    std::size_t received = 0; // before the first trusted message
    bool trusted = false;
    byte_vector partial; // of a message that has not come whole
    // When the last answer left:
    bool answered = false;
    wire::answer_kind how = wire::answer_kind::data;
    tcp_facts before;
};

tcp_door::tcp_door(asio::io_context& io, task_group& tasks, const limits& bounds, desk& at, handler done)
    : io_{&io}, tasks_{&tasks}, bounds_{bounds}, desk_{&at}, done_{std::move(done)}
{
}

tcp_door::~tcp_door() = default;

result<void> tcp_door::listen(const socket_address& where)
{
    boost::system::error_code code;
    auto acceptor = std::make_shared<asio::ip::tcp::acceptor>(*io_);
    const asio::ip::tcp::endpoint local{to_asio(where.address), where.port};
    acceptor->open(local.protocol(), code);
    if (!code && !where.address.is_v4()) {
        acceptor->set_option(asio::ip::v6_only{true}, code);
    }
    if (!code) {
        acceptor->set_option(asio::ip::tcp::acceptor::reuse_address{true}, code);
    }
    if (!code) {
        acceptor->bind(local, code);
    }
    if (!code) {
        acceptor->listen(backlog, code);
    }
    if (code) {
        return std::unexpected(
            error{
                .code = code == asio::error::address_in_use ? errc::in_use : errc::unavailable,
                .stage = stage::configure,
                .detail = fmt::format("cannot serve TCP on {}: {}", to_text(where), code.message()),
            }
        );
    }
    acceptors_.push_back(acceptor);
    tasks_->spawn("accept", accept(acceptor));
    return {};
}

asio::awaitable<void> tcp_door::accept(std::shared_ptr<asio::ip::tcp::acceptor> at)
{
    while (true) {
        auto [code, socket] = co_await at->async_accept(asio::as_tuple(asio::use_awaitable));
        if (code == asio::error::operation_aborted || !at->is_open()) {
            co_return;
        }
        if (!code) {
            admit(std::move(socket));
        } else if (
            code == asio::error::no_descriptors || code == boost::system::errc::too_many_files_open_in_system
        ) {
            co_await sleep_until(steady::now() + full_pause);
        }
    }
}

void tcp_door::admit(asio::ip::tcp::socket socket)
{
    boost::system::error_code code;
    const auto peer = socket.remote_endpoint(code);
    const auto local = code ? peer : socket.local_endpoint(code);
    if (code) {
        return; // it has gone already
    }
    auto host = from_asio(peer.address());
    if (!host.is_v4()) {
        std::fill(host.bytes.begin() + 8, host.bytes.end(), std::uint8_t{0});
    }
    const auto key = to_text(host);
    auto& of_host = by_address_[key];
    if (connections_.size() >= bounds_.tcp_connections || of_host >= bounds_.tcp_connections_per_address) {
        ++desk_->counted().connections_refused;
        if (of_host == 0) {
            by_address_.erase(key);
        }
        return;
    }
    ++of_host;
    ++desk_->counted().connections;
    prepare_tcp(socket.native_handle(), give_up_ms);
    socket.non_blocking(true, code);
    const auto number = next_number_++;
    auto fresh = std::make_unique<connection>(connection{
        .number = number,
        .socket = std::move(socket),
        .on =
            {.transport = transport::tcp,
             .connection = number,
             .peer = {.address = from_asio(peer.address()), .port = peer.port()},
             .local = {.address = from_asio(local.address()), .port = local.port()}},
        .host = key,
        .deadline = steady::now() + step_time,
    });
    connections_.emplace(number, std::move(fresh));
    tasks_->spawn("tcp", serve(number));
}

asio::awaitable<void> tcp_door::serve(std::uint64_t number)
{
    auto& own = *connections_.at(number);
    while (true) {
        const auto [code] =
            co_await own.socket.async_wait(asio::socket_base::wait_read, asio::as_tuple(asio::use_awaitable));
        if (code || !own.socket.is_open()) {
            break;
        }
        const bool goes_on = read(own);
        if (!goes_on) {
            break;
        }
    }
    end(number);
}

bool tcp_door::read(connection& from)
{
    std::array<std::uint8_t, 4096> room;
    const auto size = ::recv(from.socket.native_handle(), room.data(), room.size(), MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    if (size <= 0) {
        tell_end(from, size < 0 ? errno : 0);
        return false;
    }
    from.received += static_cast<std::size_t>(size);
    if (!from.trusted && from.received > untrusted_bytes) {
        return false;
    }
    from.partial.insert(from.partial.end(), room.begin(), room.begin() + size);
    return handle_messages(from);
}

bool tcp_door::handle_messages(connection& from)
{
    std::size_t at = 0;
    bool goes_on = true;
    while (goes_on && at < from.partial.size()) {
        const auto left = byte_view{from.partial}.subspan(at);
        const bool stun = left[0] <= 1;
        const auto length = stun ? stun::announced_length(left) : wire::announced_length(left);
        if (!length) {
            break; // its header has not come
        }
        if (*length == 0 || *length > stun::max_stun_bytes) {
            return false;
        }
        if (left.size() < *length) {
            break;
        }
        goes_on = handle_one(from, left.first(*length));
        at += *length;
    }
    from.partial.erase(from.partial.begin(), from.partial.begin() + static_cast<std::ptrdiff_t>(at));
    if (from.partial.empty()) {
        from.partial.shrink_to_fit(); // an idle connection holds no buffer
    }
    return goes_on;
}

bool tcp_door::handle_one(connection& from, byte_view message)
{
    const auto now = steady::now();
    if (from.answered) {
        desk_->appointments().note(from.on, {.bits = wire::event_later}, now);
    }
    auto out = desk_->handle({.on = from.on, .bytes = message}, now);
    if (out.why != drop::none) {
        return false;
    }
    from.trusted = from.trusted || out.trusted;
    from.deadline = now + (from.trusted ? bounds_.tcp_idle : step_time);
    const bool sent = out.reply.empty() || send(from.on, out.reply);
    out.reply.clear();
    done_(std::move(out));
    return sent;
}

bool tcp_door::send(const flow& on, byte_view bytes)
{
    auto* const to = find(on);
    if (to == nullptr) {
        return false;
    }
    const auto sent =
        ::send(to->socket.native_handle(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent == static_cast<ssize_t>(bytes.size());
}

wire::sending tcp_door::answer(const flow& on, wire::answer_kind how, byte_view bytes, time_point now)
{
    auto* const to = find(on);
    if (to == nullptr) {
        return wire::sending::flow_ended;
    }
    const auto snapshot = read_tcp_facts(to->socket.native_handle());
    to->how = how;
    to->before = snapshot.value_or(tcp_facts{});
    to->deadline = now + bounds_.tcp_idle;
    const bool sent =
        how == wire::answer_kind::data ? send(on, bytes) : send_keepalive(to->socket.native_handle());
    to->answered = sent;
    if (sent && how == wire::answer_kind::keepalive) {
        tasks_->spawn("rest", rest(to->number));
    }
    return sent ? wire::sending::sent : wire::sending::failed;
}

asio::awaitable<void> tcp_door::rest(std::uint64_t number)
{
    co_await sleep_until(steady::now() + rest_after);
    const auto found = connections_.find(number);
    if (found != connections_.end() && found->second->socket.is_open()) {
        rest_keepalive(found->second->socket.native_handle());
    }
}

void tcp_door::inspect(const flow& on, time_point now)
{
    auto* const of = find(on);
    if (of == nullptr || !of->answered) {
        return;
    }
    const auto seen = read_tcp_facts(of->socket.native_handle());
    if (!seen) {
        return;
    }
    const auto again = seen->retransmitted - of->before.retransmitted;
    desk_->appointments().retransmitted(
        on, static_cast<std::uint16_t>(std::min<std::uint32_t>(again, 0xffff))
    );
    const bool heard = of->how == wire::answer_kind::data
                         ? seen->unacknowledged == 0
                         : seen->segments_in != of->before.segments_in && seen->unanswered_probes == 0;
    if (heard) {
        desk_->appointments().acknowledged(on, now);
    }
}

// What the end of a connection says about the answer on it.
void tcp_door::tell_end(connection& of, int error_number)
{
    const auto now = steady::now();
    flow_event what;
    switch (error_number) {
    case 0: what.bits = wire::event_closed; break;
    case ECONNRESET: what.bits = wire::event_reset; break;
    case ETIMEDOUT: what.bits = wire::event_given_up; break;
    case EHOSTUNREACH:
    case ENETUNREACH: what.bits = wire::event_icmp | wire::event_given_up; break;
    default: break;
    }
    if (error_number == 0) {
        inspect(of.on, now); // acknowledged, then closed
    }
    desk_->appointments().note(of.on, what, now);
}

void tcp_door::end(std::uint64_t number)
{
    const auto found = connections_.find(number);
    if (found == connections_.end()) {
        return;
    }
    const auto host = by_address_.find(found->second->host);
    if (host != by_address_.end() && --host->second == 0) {
        by_address_.erase(host);
    }
    desk_->appointments().ended(found->second->on, steady::now());
    connections_.erase(found);
}

void tcp_door::sweep(time_point now)
{
    for (auto& [number, one] : connections_) {
        if (one->deadline <= now && one->socket.is_open()) {
            boost::system::error_code ignored;
            one->socket.close(ignored); // serve() sees it and ends
        }
    }
}

void tcp_door::close()
{
    boost::system::error_code ignored;
    closed_ = true;
    for (auto& one : acceptors_) {
        one->close(ignored);
    }
    for (auto& [number, one] : connections_) {
        one->socket.close(ignored);
    }
}

tcp_door::connection* tcp_door::find(const flow& on)
{
    const auto found = connections_.find(on.connection);
    return found == connections_.end() || !found->second->socket.is_open() ? nullptr : found->second.get();
}

} // namespace reachd::reflector
