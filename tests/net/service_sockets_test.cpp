// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/service_sockets.hpp"

#include "run.hpp"

#include <boost/asio/ip/v6_only.hpp>

namespace reachd {
namespace {

using namespace test;

ip_address address(const char* text)
{
    return parse_address(text).value();
}

class service_sockets_test : public testing::Test {
protected:
    std::uint16_t listen(const tcp::endpoint& where)
    {
        service.open(where.protocol());
        if (where.protocol() == tcp::v6()) {
            service.set_option(asio::ip::v6_only{false});
        }
        service.bind(where);
        service.listen();
        return service.local_endpoint().port();
    }
    // A connection from a loopback address of its own; both ends stay open.
    void connect(const char* from, const char* to, std::uint16_t port)
    {
        visitor.open(tcp::v4());
        visitor.bind({asio::ip::make_address(from), 0});
        visitor.connect({asio::ip::make_address(to), port});
        service.accept(served);
    }
    static service_sockets read(const char* where, std::uint16_t port)
    {
        const auto found = read_service_sockets({address(where), port});
        EXPECT_TRUE(found) << found.error().detail;
        return found.value_or(service_sockets{});
    }

    asio::io_context io;
    tcp::acceptor service{io};
    tcp::socket visitor{io};
    tcp::socket served{io};
};

TEST_F(service_sockets_test, names_who_is_connected_to_a_service_of_this_machine)
{
    const auto port = listen({asio::ip::make_address("127.0.0.1"), 0});
    auto found = read("127.0.0.1", port);
    EXPECT_TRUE(found.listens);
    EXPECT_TRUE(found.peers.empty());
    connect("127.0.0.7", "127.0.0.1", port);
    EXPECT_EQ(read("127.0.0.1", port).peers, std::set{address("127.0.0.7")});
    EXPECT_TRUE(read("127.0.0.1", static_cast<std::uint16_t>(port ^ 1U)).peers.empty());
}

TEST_F(service_sockets_test, keeps_one_that_the_service_has_closed)
{
    const auto port = listen({asio::ip::make_address("127.0.0.1"), 0});
    connect("127.0.0.7", "127.0.0.1", port);
    served.close(); // first: TIME_WAIT is here
    visitor.close();
    EXPECT_EQ(read("127.0.0.1", port).peers, std::set{address("127.0.0.7")});
}

TEST_F(service_sockets_test, reads_ipv4_peers_of_an_ipv6_listener_as_what_they_are)
{
    const auto port = listen({asio::ip::address_v6::any(), 0});
    connect("127.0.0.9", "127.0.0.1", port);
    const auto found = read("127.0.0.1", port);
    EXPECT_TRUE(found.listens) << "at any address, and that one is ours";
    EXPECT_EQ(found.peers, std::set{address("127.0.0.9")});
}

TEST_F(service_sockets_test, does_not_take_a_service_elsewhere_for_one_here)
{
    const auto port = listen({asio::ip::address_v4::any(), 0});
    connect("127.0.0.7", "127.0.0.1", port);
    const auto found = read("192.0.2.5", port);
    EXPECT_FALSE(found.listens);
    EXPECT_TRUE(found.peers.empty());
}

TEST_F(service_sockets_test, does_not_take_a_connection_of_our_own_for_a_visitor)
{
    const auto port = listen({asio::ip::make_address("127.0.0.1"), 0});
    connect("127.0.0.7", "127.0.0.1", port);
    // The other end of the same connection, asked by its own port: no service is there.
    const auto found = read("127.0.0.7", visitor.local_endpoint().port());
    EXPECT_FALSE(found.listens);
    EXPECT_TRUE(found.peers.empty());
}

} // namespace
} // namespace reachd
