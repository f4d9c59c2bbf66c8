// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/resolver.hpp"

#include "run.hpp"

#include <map>

namespace reachd {
namespace {

using namespace test;

constexpr std::uint16_t dns_port = 53;
enum : std::uint16_t { type_a = 1, type_cname = 5, type_aaaa = 28 };
enum : unsigned { no_error = 0, server_failure = 2, name_error = 3, refused_query = 5, truncated = 0x0200 };

// One question as it arrived (RFC 1035 section 4).
struct dns_question {
    std::string wire; // the whole message
    std::string name; // "a.test"
    std::uint16_t type = 0;
    bool by_tcp = false;
};

std::uint16_t number_at(const std::string& wire, std::size_t at)
{
    return static_cast<std::uint16_t>(
        static_cast<std::uint8_t>(wire[at]) << 8 | static_cast<std::uint8_t>(wire[at + 1])
    );
}

std::string number(std::size_t value)
{
    return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)};
}

dns_question read_question(const std::string& wire, bool by_tcp)
{
    dns_question out{.wire = wire, .name = {}, .by_tcp = by_tcp};
    std::size_t at = 12;
    while (wire[at] != 0) {
        out.name += (out.name.empty() ? "" : ".") + wire.substr(at + 1, static_cast<std::size_t>(wire[at]));
        at += static_cast<std::size_t>(wire[at]) + 1;
    }
    out.type = number_at(wire, at + 1);
    out.wire.resize(at + 5); // without additional records
    return out;
}

const std::string same_name{"\xc0\x0c", 2}; // a pointer to the question's name

struct dns_record {
    std::uint16_t type;
    std::string data;
    std::string owner = same_name;
};

dns_record address_record(const std::string& text)
{
    const auto address = ip(text);
    const std::string bytes{address.bytes.begin(), address.bytes.end()};
    return address.is_v4() ? dns_record{type_a, bytes.substr(0, 4)} : dns_record{type_aaaa, bytes};
}

std::string reply_to(const dns_question& asked, unsigned flags, const std::vector<dns_record>& records = {})
{
    auto out = asked.wire.substr(0, 2) + number(0x8180U | flags) + number(1) + number(records.size()) +
               number(0) + number(0) + asked.wire.substr(12);
    for (const auto& one : records) {
        out += one.owner + number(one.type) + number(1) + number(0) + number(300) + number(one.data.size()) +
               one.data;
    }
    return out;
}

// The whole message to send, or nothing for silence.
using dns_script = std::function<std::string(const dns_question&)>;

// Answers each question by the script, over UDP and TCP.
class dns_server {
public:
    dns_server(asio::io_context& io, const std::string& address, dns_script script)
        : udp_{std::make_shared<udp::socket>(io, udp_endpoint(udp_at(address, dns_port)))},
          tcp_{
              io, address, [script](tcp::socket socket) { return serve_tcp(std::move(socket), script); },
              dns_port
          }
    {
        asio::co_spawn(io, serve_udp(udp_, std::move(script)), asio::detached);
    }
    dns_server(const dns_server&) = delete;
    dns_server& operator=(const dns_server&) = delete;
    ~dns_server() { udp_->close(); }

private:
    static asio::awaitable<void> serve_udp(std::shared_ptr<udp::socket> socket, dns_script script)
    {
        while (true) {
            std::string data(512, '\0');
            udp::endpoint from;
            data.resize(co_await socket->async_receive_from(asio::buffer(data), from, asio::use_awaitable));
            const auto reply = script(read_question(data, false));
            if (!reply.empty()) {
                co_await socket->async_send_to(asio::buffer(reply), from, asio::use_awaitable);
            }
        }
    }
    static asio::awaitable<void> serve_tcp(tcp::socket socket, dns_script script)
    {
        while (true) {
            std::string size(2, '\0');
            co_await asio::async_read(socket, asio::buffer(size), asio::use_awaitable);
            std::string data(number_at(size, 0), '\0');
            co_await asio::async_read(socket, asio::buffer(data), asio::use_awaitable);
            auto reply = script(read_question(data, true));
            reply = number(reply.size()) + reply;
            co_await asio::async_write(socket, asio::buffer(reply), asio::use_awaitable);
        }
    }

    std::shared_ptr<udp::socket> udp_;
    server tcp_;
};

// Every name has 192.0.2.1, 192.0.2.2 and 2001:db8::1.
std::string answer_all(const dns_question& asked)
{
    return asked.type == type_a
             ? reply_to(asked, no_error, {address_record("192.0.2.1"), address_record("192.0.2.2")})
             : reply_to(asked, no_error, {address_record("2001:db8::1")});
}

dns_script always(unsigned rcode)
{
    return [rcode](const dns_question& asked) { return reply_to(asked, rcode); };
}

std::string stay_silent(const dns_question&)
{
    return {};
}

std::vector<std::string> addresses_of(const dns_answer& answer)
{
    std::vector<std::string> out;
    for (const auto& one : answer.addresses) {
        out.push_back(to_text(one.address));
    }
    std::ranges::sort(out);
    return out;
}

const std::vector<std::string> all_three{"192.0.2.1", "192.0.2.2", "2001:db8::1"};

class ask_server_test : public testing::Test {
protected:
    dns_answer ask(const dns_script& script, milliseconds limit = late)
    {
        const dns_server peer{io, "127.0.0.53", script};
        auto answer = finish(io, ask_server("127.0.0.53", "a.test", in(limit)));
        EXPECT_EQ(answer.server, "127.0.0.53");
        EXPECT_LT(answer.took, limit + slack);
        return answer;
    }
    dns_status status(const dns_script& script, milliseconds limit = late)
    {
        return ask(script, limit).status;
    }

    asio::io_context io;
};

TEST_F(ask_server_test, collects_the_addresses_of_both_families_with_their_ttl)
{
    const auto answer = ask(answer_all);
    EXPECT_EQ(answer.status, dns_status::answered);
    EXPECT_EQ(addresses_of(answer), all_three);
    EXPECT_EQ(answer.addresses.at(0).ttl, seconds{300});
    EXPECT_LT(answer.took, slack);
}

TEST_F(ask_server_test, keeps_the_rcodes_apart_and_takes_each_at_its_word)
{
    EXPECT_EQ(status(always(name_error)), dns_status::no_such_name);
    EXPECT_EQ(status(always(no_error)), dns_status::no_address);
    EXPECT_EQ(status(always(server_failure)), dns_status::server_failure);
    EXPECT_EQ(status(always(refused_query)), dns_status::query_refused);
}

TEST_F(ask_server_test, answers_with_one_family_when_the_other_has_no_record)
{
    const auto answer = ask([](const dns_question& asked) {
        return asked.type == type_a ? reply_to(asked, no_error) : answer_all(asked);
    });
    EXPECT_EQ(addresses_of(answer), std::vector<std::string>{"2001:db8::1"});
}

TEST_F(ask_server_test, says_no_reply_to_silence_at_the_deadline)
{
    const auto answer = ask(stay_silent, soon);
    EXPECT_EQ(answer.status, dns_status::no_reply);
    EXPECT_GE(answer.took, soon - milliseconds{10});
}

TEST_F(ask_server_test, T23_does_not_take_an_answer_with_another_id_or_for_another_question)
{
    for (const std::size_t changed : {0U, 13U}) { // a byte of the id, the first letter of the name
        const auto answer_wrongly = [changed](const dns_question& asked) {
            auto reply = answer_all(asked);
            reply[changed] = static_cast<char>(reply[changed] ^ 3);
            return reply;
        };
        EXPECT_EQ(status(answer_wrongly, soon), dns_status::no_reply) << changed;
    }
}

TEST_F(ask_server_test, asks_by_tcp_when_the_answer_was_cut)
{
    bool by_tcp = false;
    const auto answer = ask([&by_tcp](const dns_question& asked) {
        by_tcp = by_tcp || asked.by_tcp;
        return asked.by_tcp ? answer_all(asked) : reply_to(asked, truncated);
    });
    EXPECT_TRUE(by_tcp);
    EXPECT_EQ(answer.status, dns_status::answered);
    EXPECT_EQ(addresses_of(answer), all_three);
}

TEST_F(ask_server_test, follows_a_cname_within_the_answer)
{
    const auto answer = ask([](const dns_question& asked) {
        if (asked.type != type_a) {
            return reply_to(asked, no_error);
        }
        const std::string alias{
            "\x01"
            "b\x04"
            "test\0",
            8
        };
        auto record = address_record("192.0.2.9");
        record.owner = alias;
        return reply_to(asked, no_error, {{type_cname, alias}, record});
    });
    EXPECT_EQ(answer.status, dns_status::answered);
    EXPECT_EQ(addresses_of(answer), std::vector<std::string>{"192.0.2.9"});
}

TEST_F(ask_server_test, T23_finds_no_address_in_a_loop_of_cnames)
{
    const auto loop = [](const dns_question& asked) {
        return reply_to(asked, no_error, {{type_cname, same_name}});
    };
    EXPECT_EQ(status(loop), dns_status::no_address);
}

TEST_F(ask_server_test, T23_gives_up_on_garbage_within_its_time)
{
    const dns_script scripts[] = {
        [](const dns_question&) { return std::string{"garbage"}; },
        [](const dns_question& asked) { return asked.wire.substr(0, 2) + std::string(300, '\xff'); },
        [](const dns_question& asked) { return answer_all(asked).substr(0, asked.wire.size() + 9); },
        [](const dns_question& asked) { return reply_to(asked, no_error, {{asked.type, "xyz"}}); },
        [](const dns_question& asked) { return asked.wire; },
    };
    for (const auto& script : scripts) {
        const auto answer = ask(script, soon);
        EXPECT_TRUE(answer.addresses.empty());
        EXPECT_NE(answer.status, dns_status::answered);
        EXPECT_NE(answer.status, dns_status::no_such_name);
    }
}

TEST_F(ask_server_test, says_not_reachable_where_nothing_listens_or_no_route_leads)
{
    for (const char* nobody : {"127.0.0.54", "198.51.100.53", "2001:db8:7::53"}) {
        SCOPED_TRACE(nobody);
        const auto answer = finish(io, ask_server(nobody, "a.test", in(late)));
        EXPECT_EQ(answer.status, dns_status::not_reachable);
        EXPECT_LT(answer.took, slack);
    }
}

TEST_F(ask_server_test, asks_the_port_that_is_named_and_says_what_is_no_address_of_a_server)
{
    const dns_server peer{io, "127.0.0.53", answer_all};
    EXPECT_EQ(finish(io, ask_server("127.0.0.53:53", "a.test", in(late))).status, dns_status::answered);
    EXPECT_EQ(
        finish(io, ask_server("127.0.0.53:5353", "a.test", in(late))).status, dns_status::not_reachable
    );
    const auto answer = finish(io, ask_server("not a server", "a.test", in(late)));
    EXPECT_NE(answer.detail.find("not a server"), std::string::npos) << answer.detail;
}

TEST_F(ask_server_test, ends_when_cancelled)
{
    const dns_server peer{io, "127.0.0.53", stay_silent};
    running task{io, ask_server("127.0.0.53", "a.test", in(late))};
    task.advance();
    ASSERT_FALSE(task.done());
    task.cancel();
    const auto begun = steady::now();
    EXPECT_NE(task.wait().status, dns_status::answered);
    EXPECT_LT(steady::now(), begun + slack);
}

// The system's own resolver, which reads resolv.conf; glibc gives up after a second.
class look_up_test : public testing::Test {
protected:
    void SetUp() override
    {
        if (!set_name_servers("")) {
            GTEST_SKIP() << "resolv.conf is not ours to replace here";
        }
    }
    static void configure(const std::string& servers)
    {
        set_name_servers(servers + "options timeout:1 attempts:1\n");
    }
    name_lookup look_up(const std::string& name = "a.test", milliseconds limit = late)
    {
        resolver names{io.get_executor()};
        return finish(io, names.look_up(name, in(limit), in(limit)));
    }

    asio::io_context io;
};

TEST_F(look_up_test, asks_the_system_and_each_server_by_itself_however_often_it_is_used)
{
    configure("nameserver 127.0.0.53\nnameserver 127.0.0.54\n");
    const dns_server right{io, "127.0.0.53", answer_all};
    const dns_server other{io, "127.0.0.54", always(name_error)};
    resolver names{io.get_executor()};
    for (int i = 0; i < 20; ++i) { // more than there are threads
        const auto found = finish(io, names.look_up("a.test", in(soon), in(soon)));
        EXPECT_EQ(found.system.server, "system");
        ASSERT_EQ(addresses_of(found.system), all_three) << i;
        EXPECT_EQ(addresses_of(found.servers.at(0)), all_three);
        EXPECT_EQ(found.servers.at(1).status, dns_status::no_such_name);
    }
}

TEST_F(look_up_test, keeps_a_name_that_does_not_exist_apart_from_one_without_address)
{
    configure("nameserver 127.0.0.53\n");
    const auto script = [](const dns_question& asked) {
        return reply_to(asked, asked.name == "none.test" ? name_error : no_error);
    };
    const dns_server peer{io, "127.0.0.53", script};
    EXPECT_EQ(look_up("none.test").system.status, dns_status::no_such_name);
    EXPECT_EQ(look_up("bare.test").system.status, dns_status::no_address);
}

TEST_F(look_up_test, T25_ends_at_the_deadline_and_says_who_was_silent)
{
    configure("nameserver 127.0.0.53\nnameserver 127.0.0.54\n");
    const dns_server silent{io, "127.0.0.53", stay_silent};
    const dns_server right{io, "127.0.0.54", answer_all};
    resolver names{io.get_executor()};
    const auto deadline = in(soon);
    const auto found = finish(io, names.look_up("a.test", deadline, deadline));
    EXPECT_LT(steady::now(), deadline + slack);
    EXPECT_EQ(found.system.status, dns_status::no_reply);
    EXPECT_EQ(found.servers.at(0).status, dns_status::no_reply);
    EXPECT_EQ(addresses_of(found.servers.at(1)), all_three);
}

TEST_F(look_up_test, T25_ends_at_the_deadline_when_every_thread_hangs_and_waits_for_none_of_them)
{
    configure("nameserver 127.0.0.53\n");
    const dns_server silent{io, "127.0.0.53", stay_silent};
    const auto deadline = in(soon);
    const auto threads = [] {
        return std::distance(std::filesystem::directory_iterator{"/proc/self/task"}, {});
    };
    const auto before = threads();
    auto names = std::make_unique<resolver>(io.get_executor());
    std::vector<running<name_lookup>> tasks;
    for (int i = 0; i < 20; ++i) {
        tasks.emplace_back(io, names->look_up("a.test", deadline, deadline));
    }
    tasks.front().advance();
    EXPECT_LE(threads(), before + 8);
    for (auto& task : tasks) {
        EXPECT_EQ(task.wait().system.status, dns_status::no_reply);
    }
    names.reset();
    EXPECT_LT(steady::now(), deadline + slack);
}

TEST_F(look_up_test, sees_in_the_routing_table_that_no_server_can_be_reached)
{
    configure("nameserver 198.51.100.53\nnameserver 2001:db8:7::53\n");
    EXPECT_TRUE(look_up().no_route_to_any_server);
    configure("nameserver 198.51.100.53\nnameserver 127.0.0.54\n");
    EXPECT_FALSE(look_up().no_route_to_any_server);
}

TEST_F(look_up_test, reads_at_most_three_servers_and_reads_them_anew_each_time)
{
    configure("nameserver 127.0.0.1\nnameserver ::1\nnameserver 127.0.0.3\nnameserver 127.0.0.4\n");
    EXPECT_EQ(resolver::system_servers(), (std::vector<std::string>{"127.0.0.1", "::1", "127.0.0.3"}));
    configure("nameserver 127.0.0.9\n");
    EXPECT_EQ(resolver::system_servers(), std::vector<std::string>{"127.0.0.9"});
}

TEST_F(look_up_test, ends_at_once_when_cancelled)
{
    configure("nameserver 127.0.0.53\n");
    const dns_server silent{io, "127.0.0.53", stay_silent};
    resolver names{io.get_executor()};
    running task{io, names.look_up("a.test", in(late), in(late))};
    task.advance();
    task.cancel();
    const auto begun = steady::now();
    EXPECT_NE(task.wait().system.status, dns_status::answered);
    EXPECT_LT(steady::now(), begun + slack);
}

} // namespace
} // namespace reachd
