// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/resolver.hpp"

#include "reachd/net/deadline.hpp"
#include "reachd/net/socket_options.hpp"
#include "reachd/net/wall_clock.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <netdb.h>
#include <sys/socket.h>
#include <system_error>
#include <thread>
#include <utility>

namespace reachd {

namespace asio = boost::asio;

namespace {

constexpr std::size_t lookups_at_once = 8;
constexpr milliseconds thread_wait{20};
constexpr milliseconds descriptor_wait{100};
constexpr unsigned system_repeats = 3;
constexpr std::size_t most_kept = 256; // addresses: an answer by TCP can name four thousand

void add_address(const sockaddr* where, dns_answer& into)
{
    ip_address address;
    if (where->sa_family == AF_INET) {
        std::memcpy(address.bytes.data(), &reinterpret_cast<const sockaddr_in*>(where)->sin_addr, 4);
    } else if (where->sa_family == AF_INET6) {
        address.family = family::v6;
        std::memcpy(address.bytes.data(), &reinterpret_cast<const sockaddr_in6*>(where)->sin6_addr, 16);
    } else {
        return;
    }
    const bool known =
        std::ranges::find(into.addresses, address, &resolved_address::address) != into.addresses.end();
    if (!known && into.addresses.size() < most_kept) {
        into.addresses.push_back({.address = address});
    }
}

dns_status status_of(int code)
{
    switch (code) {
    case EAI_NONAME: return dns_status::no_such_name;
#ifdef EAI_NODATA
    case EAI_NODATA: return dns_status::no_address;
#endif
    case EAI_AGAIN: return dns_status::no_reply;
    case EAI_FAIL: return dns_status::server_failure;
    default: return dns_status::failed;
    }
}

dns_answer out_of_descriptors()
{
    return {
        .server = "system",
        .status = dns_status::not_asked,
        .detail = "this process is out of file descriptors",
    };
}

// Runs on a thread of its own.
dns_answer call_getaddrinfo(const std::string& name)
{
    dns_answer out{.server = "system"};
    const auto begun = steady::now();
    // Without descriptors for hosts, resolv.conf and a socket glibc says EAI_NONAME, not EAI_SYSTEM.
    if (is_out_of_descriptors()) {
        return out_of_descriptors();
    }
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM; // one entry an address
    addrinfo* list = nullptr;
    const int code = ::getaddrinfo(name.c_str(), nullptr, &hints, &list);
    out.took = steady::now() - begun;
    if (code == EAI_SYSTEM || code == EAI_MEMORY) {
        out.status = dns_status::not_asked; // this machine's own trouble
        out.detail = code == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(code);
        return out;
    }
    if (code != 0 && is_out_of_descriptors()) {
        return out_of_descriptors();
    }
    if (code != 0) {
        out.status = status_of(code);
        out.detail = ::gai_strerror(code);
        return out;
    }
    for (const auto* one = list; one; one = one->ai_next) {
        add_address(one->ai_addr, out);
    }
    ::freeaddrinfo(list);
    out.status = out.addresses.empty() ? dns_status::no_address : dns_status::answered;
    return out;
}

// False when the system has no thread to give.
bool start_thread(std::function<void()> work)
{
    try {
        std::thread{std::move(work)}.detach();
        return true;
    } catch (const std::system_error&) {
        return false;
    }
}

bool has_route(const std::string& server)
{
    const auto address = parse_address(server);
    if (!address) {
        return true; // a form that only c-ares understands: let it try
    }
    const int fd = ::socket(address->is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return true;
    }
    // connect() of a UDP socket asks the routing table and sends nothing.
    const auto to = udp_endpoint({*address, 53, transport::udp});
    const bool routed = ::connect(fd, to.data(), static_cast<socklen_t>(to.size())) == 0;
    ::close(fd);
    return routed;
}

} // namespace

namespace {

// Where a coroutine waits for its answer; only the event loop touches it.
struct mailbox {
    explicit mailbox(const asio::any_io_executor& executor) : ready{executor} {}
    asio::steady_timer ready;
    std::optional<dns_answer> answer;
};

} // namespace

struct resolver::door {
    explicit door(asio::any_io_executor inside) : executor{std::move(inside)} {}

    // Called on a thread of its own; `executor` may only be used while the door is open.
    void bring(const std::shared_ptr<door>& self, std::uint64_t id, dns_answer answer)
    {
        const std::scoped_lock hold{lock};
        --threads;
        if (open) {
            asio::post(executor, [self, id, answer = std::move(answer)]() mutable {
                self->hand_over(id, std::move(answer));
            });
        }
    }

    // In the event loop: a coroutine that has stopped waiting is no longer in the list.
    void hand_over(std::uint64_t id, dns_answer answer)
    {
        if (const auto found = waiting.find(id); found != waiting.end()) {
            found->second->answer = std::move(answer);
            found->second->ready.cancel();
        }
    }

    void leave()
    {
        const std::scoped_lock hold{lock};
        --threads;
    }

    // Whether one more thread may start; counts it in.
    bool enter()
    {
        const std::scoped_lock hold{lock};
        const bool free = threads < lookups_at_once;
        threads += free ? 1 : 0;
        return free;
    }

    std::mutex lock; // for `open` and `threads`; the rest belongs to the event loop
    bool open = true;
    std::size_t threads = 0;
    asio::any_io_executor executor;
    std::uint64_t next_id = 0;
    std::map<std::uint64_t, mailbox*> waiting;
};

namespace {

bool has_addresses(const dns_answer& answer)
{
    return answer.status == dns_status::answered && !answer.addresses.empty();
}

// Asks again while it is only this process's want of descriptors that keeps it from asking.
asio::awaitable<dns_answer> ask_server_patiently(std::string server, std::string name, time_point deadline)
{
    while (true) {
        auto answer = co_await ask_server(server, name, deadline);
        if (answer.status != dns_status::not_asked || steady::now() + descriptor_wait >= deadline) {
            co_return answer;
        }
        const bool awake = co_await sleep_until(steady::now() + descriptor_wait);
        if (!awake) {
            co_return answer;
        }
    }
}

} // namespace

resolver::resolver(asio::any_io_executor executor)
    : executor_{std::move(executor)}, door_{std::make_shared<door>(executor_)}
{
}

resolver::~resolver()
{
    const std::scoped_lock hold{door_->lock};
    door_->open = false;
}

asio::awaitable<dns_answer> resolver::ask_system(std::string name, time_point deadline)
{
    const auto begun = steady::now();
    const dns_answer late{
        .server = "system",
        .status = dns_status::no_reply,
        .took = deadline - begun,
        .detail = "getaddrinfo has not come back",
    };
    const auto entrance = door_;
    while (!entrance->enter()) {
        const bool awake = co_await sleep_until(std::min(deadline, steady::now() + thread_wait));
        if (!awake || steady::now() >= deadline) {
            co_return late;
        }
    }
    mailbox box{executor_};
    box.ready.expires_at(deadline);
    const auto id = entrance->next_id++;
    entrance->waiting.emplace(id, &box);
    // getaddrinfo cannot be cancelled: its thread is left to itself when it takes too long.
    if (!start_thread([entrance, id, name] { entrance->bring(entrance, id, call_getaddrinfo(name)); })) {
        entrance->waiting.erase(id);
        entrance->leave();
        co_return dns_answer{.server = "system", .detail = "no thread could be started for getaddrinfo"};
    }
    co_await box.ready.async_wait(asio::as_tuple(asio::use_awaitable));
    entrance->waiting.erase(id);
    co_return box.answer ? *box.answer : late;
}

asio::awaitable<name_lookup>
resolver::look_up(std::string name, time_point servers_deadline, time_point system_deadline)
{
    name_lookup out{.name = name, .at = wall_now()};
    // Without descriptors not even resolv.conf can be read: wait for some, as probes end all the time.
    auto servers = system_servers();
    while (servers.empty() && steady::now() < servers_deadline) {
        const bool awake = co_await sleep_until(steady::now() + descriptor_wait);
        if (!awake) {
            co_return out;
        }
        servers = system_servers();
    }
    out.no_route_to_any_server = !servers.empty() && std::ranges::none_of(servers, has_route);

    using operation = decltype(asio::co_spawn(executor_, ask_server({}, {}, {}), asio::deferred));
    std::vector<operation> asked;
    asked.push_back(asio::co_spawn(executor_, ask_system(name, system_deadline), asio::deferred));
    for (const auto& server : servers) {
        asked.push_back(
            asio::co_spawn(executor_, ask_server_patiently(server, name, servers_deadline), asio::deferred)
        );
    }
    auto group = asio::experimental::make_parallel_group(std::move(asked));
    auto [order, failures, answers] =
        co_await group.async_wait(asio::experimental::wait_for_all(), asio::as_tuple(asio::use_awaitable));
    out.system = std::move(answers.front());
    for (std::size_t i = 1; i < answers.size(); ++i) {
        out.servers.push_back(std::move(answers[i]));
    }
    // Descriptors that other probes took for a moment make getaddrinfo deny a name that exists: a denial
    // that a server contradicts only counts when it is repeated, and want of descriptors is waited for.
    for (unsigned again = 0; again < system_repeats; ++again) {
        const bool wanting = out.system.status == dns_status::not_asked;
        const bool denied = out.system.status == dns_status::no_such_name ||
                            out.system.status == dns_status::no_address ||
                            out.system.status == dns_status::server_failure;
        if (!wanting && !(denied && std::ranges::any_of(out.servers, has_addresses))) {
            break;
        }
        const bool awake = co_await sleep_until(steady::now() + descriptor_wait);
        if (!awake || steady::now() >= system_deadline) {
            break;
        }
        auto repeated = co_await ask_system(name, system_deadline);
        out.system = std::move(repeated);
    }
    co_return out;
}

} // namespace reachd
