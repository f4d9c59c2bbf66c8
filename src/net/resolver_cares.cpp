// SPDX-License-Identifier: Apache-2.0
// One question to one DNS server through c-ares, driven from the event loop: c-ares says by callback
// which of its sockets it wants watched; they sit in an epoll set of their own, which is the one thing
// that Asio watches.
#include "reachd/net/deadline.hpp"
#include "reachd/net/resolver.hpp"

#include <algorithm>
#include <ares.h>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <mutex>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace reachd {

namespace asio = boost::asio;

namespace {

// c-ares may hold a readable TCP socket back for a moment: look again at least this often.
constexpr milliseconds look_again{100};
// One try of a server; c-ares doubles it for the second one.
constexpr milliseconds try_time{1000};
constexpr int tries = 2;

void init_library()
{
    static std::once_flag once;
    std::call_once(once, [] { ares_library_init(ARES_LIB_INIT_ALL); });
}

// Follows c-ares's wishes about its sockets.
void watch(void* epoll, ares_socket_t socket, int readable, int writable)
{
    const int set = *static_cast<int*>(epoll);
    epoll_event event{};
    event.data.fd = socket;
    event.events = (readable ? unsigned{EPOLLIN} : 0U) | (writable ? unsigned{EPOLLOUT} : 0U);
    if (event.events == 0) {
        ::epoll_ctl(set, EPOLL_CTL_DEL, socket, nullptr);
    } else if (::epoll_ctl(set, EPOLL_CTL_ADD, socket, &event) != 0) {
        ::epoll_ctl(set, EPOLL_CTL_MOD, socket, &event);
    }
}

dns_status status_of(int code)
{
    switch (code) {
    case ARES_SUCCESS: return dns_status::answered;
    case ARES_ENOTFOUND: return dns_status::no_such_name;
    case ARES_ENODATA: return dns_status::no_address;
    case ARES_ESERVFAIL: return dns_status::server_failure;
    case ARES_EREFUSED: return dns_status::query_refused;
    case ARES_ETIMEOUT: return dns_status::no_reply;
    case ARES_ECONNREFUSED: return dns_status::not_reachable;
    default: return dns_status::failed;
    }
}

// An answer by TCP can name four thousand; judge_name() takes the first few.
constexpr std::size_t most_kept = 256;

void add_nodes(const ares_addrinfo& list, dns_answer& into)
{
    for (const auto* node = list.nodes; node && into.addresses.size() < most_kept; node = node->ai_next) {
        ip_address address;
        if (node->ai_family == AF_INET) {
            const auto* where = reinterpret_cast<const sockaddr_in*>(node->ai_addr);
            std::memcpy(address.bytes.data(), &where->sin_addr, 4);
        } else {
            address.family = family::v6;
            const auto* where = reinterpret_cast<const sockaddr_in6*>(node->ai_addr);
            std::memcpy(address.bytes.data(), &where->sin6_addr, 16);
        }
        into.addresses.push_back({address, std::chrono::seconds{node->ai_ttl}});
    }
}

struct question {
    dns_answer answer;
    bool done = false;
};

void take_answer(void* context, int code, int, ares_addrinfo* list)
{
    auto& asked = *static_cast<question*>(context);
    asked.done = true;
    asked.answer.status = status_of(code);
    asked.answer.detail = code == ARES_SUCCESS ? "" : ares_strerror(code);
    if (list) {
        add_nodes(*list, asked.answer);
        ares_freeaddrinfo(list);
    }
    if (code == ARES_SUCCESS && asked.answer.addresses.empty()) {
        asked.answer.status = dns_status::no_address;
    }
}

struct channel_closer {
    void operator()(ares_channel channel) const { ares_destroy(channel); }
};
using channel_ptr = std::unique_ptr<std::remove_pointer_t<ares_channel>, channel_closer>;

// A channel that asks `server` and nobody else, and takes its word as it is.
channel_ptr make_channel(const std::string& server, int* epoll)
{
    init_library();
    ares_options options{};
    std::array<char, 2> lookups = {'b', '\0'}; // DNS only, no hosts file
    options.flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
    options.timeout = static_cast<int>(try_time.count());
    options.tries = tries;
    options.lookups = lookups.data();
    options.sock_state_cb = watch;
    options.sock_state_cb_data = epoll;
    ares_channel channel = nullptr;
    const int mask =
        ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
    if (ares_init_options(&channel, &options, mask) != ARES_SUCCESS) {
        return nullptr;
    }
    channel_ptr out{channel};
    return ares_set_servers_ports_csv(channel, server.c_str()) == ARES_SUCCESS ? std::move(out) : nullptr;
}

void process_ready(ares_channel channel, int epoll)
{
    std::array<epoll_event, 16> events;
    const int ready = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < ready; ++i) {
        const auto& one = events[static_cast<std::size_t>(i)];
        const bool failed = (one.events & (EPOLLERR | EPOLLHUP)) != 0;
        ares_process_fd(
            channel, failed || (one.events & EPOLLIN) ? one.data.fd : ARES_SOCKET_BAD,
            (one.events & EPOLLOUT) ? one.data.fd : ARES_SOCKET_BAD
        );
    }
    if (ready <= 0) {
        ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); // time limits only
    }
}

} // namespace

// What glibc holds at once: a file of nsswitch, hosts or resolv.conf, and a socket a server.
constexpr std::size_t descriptors_of_a_lookup = 4;

bool is_out_of_descriptors()
{
    std::array<int, descriptors_of_a_lookup> taken{};
    taken.fill(-1);
    bool out = false;
    for (auto& fd : taken) {
        fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            out = errno == EMFILE || errno == ENFILE;
            break;
        }
    }
    for (const int fd : taken) {
        if (fd >= 0) {
            ::close(fd);
        }
    }
    return out;
}

asio::awaitable<dns_answer> ask_server(std::string server, std::string name, time_point deadline)
{
    const auto executor = co_await asio::this_coro::executor;
    const auto begun = steady::now();
    const auto asked = std::make_unique<question>();
    asked->answer.server = server;
    int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) {
        asked->answer.status = dns_status::not_asked;
        asked->answer.detail = std::strerror(errno);
        co_return asked->answer;
    }
    asio::posix::stream_descriptor readiness{executor, epoll};
    // Declared after what its callbacks use, so that it is destroyed first.
    const auto channel = make_channel(server, &epoll);
    if (!channel) {
        asked->answer.detail = "not a DNS server address: " + server;
        co_return asked->answer;
    }
    ares_addrinfo_hints hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_flags = ARES_AI_NOSORT;
    ares_getaddrinfo(channel.get(), name.c_str(), nullptr, &hints, take_answer, asked.get());
    while (!asked->done && steady::now() < deadline) {
        const auto until = std::min(deadline, steady::now() + look_again);
        auto [how, code] = co_await with_deadline(
            until, readiness.async_wait(asio::posix::stream_descriptor::wait_read, asio::deferred)
        );
        if (how == ended::cancelled) {
            break;
        }
        process_ready(channel.get(), epoll);
    }
    if (!asked->done) {
        ares_cancel(channel.get()); // calls take_answer with ARES_ECANCELLED
        asked->answer.status = dns_status::no_reply;
    }
    if (asked->answer.status == dns_status::not_reachable && is_out_of_descriptors()) {
        // c-ares says "connection refused" for a socket that it could not open.
        asked->answer.status = dns_status::not_asked;
        asked->answer.detail = "this process is out of file descriptors";
    }
    asked->answer.took = steady::now() - begun;
    co_return asked->answer;
}

namespace {

// c-ares takes 127.0.0.1 when it cannot read resolv.conf, as for want of descriptors: that is no server of
// this system unless the file says so.
bool is_made_up(const std::vector<std::string>& servers)
{
    std::ifstream file{"/etc/resolv.conf"};
    if (!file) {
        return errno == EMFILE || errno == ENFILE;
    }
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    return servers == std::vector<std::string>{"127.0.0.1"} && text.find("nameserver") != std::string::npos &&
           text.find("127.0.0.1") == std::string::npos;
}

} // namespace

std::vector<std::string> resolver::system_servers()
{
    init_library();
    std::vector<std::string> servers;
    ares_channel raw = nullptr;
    if (ares_init_options(&raw, nullptr, 0) != ARES_SUCCESS) {
        return servers;
    }
    const channel_ptr channel{raw};
    ares_addr_port_node* list = nullptr;
// What takes its place, ares_get_servers_csv(), is newer than Debian 12's c-ares.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    const auto answered = ares_get_servers_ports(raw, &list);
#pragma GCC diagnostic pop
    if (answered == ARES_SUCCESS) {
        constexpr std::size_t most = 3; // resolv.conf(5) MAXNS
        for (const auto* one = list; one && servers.size() < most; one = one->next) {
            ip_address address;
            address.family = one->family == AF_INET ? family::v4 : family::v6;
            std::memcpy(address.bytes.data(), &one->addr, address.is_v4() ? 4 : 16);
            servers.push_back(to_text(address));
        }
        ares_free_data(list);
    }
    return is_made_up(servers) ? std::vector<std::string>{} : servers;
}

} // namespace reachd
