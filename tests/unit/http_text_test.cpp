// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/http_text.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

namespace reachd {
namespace {

using query = std::map<std::string, std::string>;

TEST(http_target, path_and_query_are_decoded)
{
    const auto found = parse_target("/row/a%2Db/c?state=fail&q=two+words%21&empty&state=pass");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->path, "/row/a-b/c");
    EXPECT_EQ(found->query, (query{{"state", "fail"}, {"q", "two words!"}, {"empty", ""}}));
}

TEST(http_target, escapes_are_two_hexadecimal_digits_of_a_byte_that_is_printed)
{
    EXPECT_EQ(parse_target("/%2f%2F%aA%Aa%09"), std::nullopt); // a tab
    EXPECT_EQ(
        parse_target("/%2f%2Fa%c3%BC")->path, "//"
                                              "/a\xc3\xbc"
    );
    for (const std::string_view bad :
         {"/%/0", "/%:0", "/%@0", "/%G0", "/%`0", "/%g0", "/%4/", "/%4g", "/%7f", "/\x7f", "/\x1f"}) {
        EXPECT_FALSE(parse_target(bad)) << bad;
    }
}

TEST(http_target, a_query_of_no_name_is_none_and_a_broken_one_spoils_the_target)
{
    EXPECT_EQ(parse_target("/?=x&&a=b=c")->query, (query{{"a", "b=c"}}));
    EXPECT_EQ(parse_target("/?")->query, query{});
    EXPECT_FALSE(parse_target("/?%zz=1"));
    EXPECT_FALSE(parse_target("/?a=%zz"));
}

TEST(http_target, plus_in_a_path_is_itself)
{
    EXPECT_EQ(parse_target("/a+b")->path, "/a+b");
}

TEST(http_target, what_is_no_path_of_a_server_is_none)
{
    for (const std::string_view bad :
         {"", "*", "http://evil.example/", "report", "/%", "/%4", "/%zz", "/%00", "/a%0d%0aSet-Cookie:x",
          "/?a=%0a"}) {
        EXPECT_FALSE(parse_target(bad)) << bad;
    }
    EXPECT_TRUE(parse_target("/" + std::string(2047, 'a')));
    EXPECT_FALSE(parse_target("/" + std::string(2048, 'a')));
}

TEST(http_target, dots_climb_nowhere_as_nothing_is_a_file)
{
    EXPECT_EQ(parse_target("/../../etc/passwd")->path, "/../../etc/passwd");
}

TEST(http_host, addresses_localhost_and_configured_names_pass_with_any_port)
{
    const std::vector<std::string> known{"Status.Example.NET"};
    for (const std::string_view good :
         {"127.0.0.1", "127.0.0.1:9870", "[::1]:9870", "[::1]", "localhost", "LOCALHOST:80", "localhost.",
          "reachd.localhost:9870", "status.example.net", "status.example.net:443", "10.1.2.3:9870"}) {
        EXPECT_FALSE(host_fault(good, known)) << good;
    }
}

TEST(http_host, t_rebinding_names_that_an_attacker_resolves_are_refused)
{
    const std::vector<std::string> known{"status.example.net"};
    for (const std::string_view bad :
         {"", "evil.example", "evil.example:9870", "localhost.evil.example", "notlocalhost",
          "status.example.net.evil", "127.0.0.1.evil.example", "[::1", "[127.0.0.1]", "::1", "127.0.0.1:",
          "127.0.0.1:x", "127.0.0.1:80-90", "user@127.0.0.1", "2130706433", "0x7f.1", "[localhost]", ":80"}) {
        EXPECT_TRUE(host_fault(bad, known)) << bad;
    }
}

TEST(http_head, has_the_length_the_headers_of_security_and_one_empty_line_at_its_end)
{
    auto answer = plain_response(405, "no");
    answer.headers.emplace_back("Allow", "GET, HEAD");
    const auto head =
        encode_head(answer, body_length::known, after_answer::close, wall_time{milliseconds{1795000000123}});
    EXPECT_TRUE(head.starts_with("HTTP/1.1 405 Method Not Allowed\r\nDate: ")) << head;
    for (const char* line :
         {"Content-Length: 3\r\n", "Connection: close\r\n", "Allow: GET, HEAD\r\n", "default-src 'none'",
          "frame-ancestors 'none'", "X-Content-Type-Options: nosniff\r\n", "Referrer-Policy: no-referrer\r\n",
          "Cross-Origin-Resource-Policy: same-origin\r\n"}) {
        EXPECT_NE(head.find(line), std::string::npos) << line;
    }
    EXPECT_EQ(head.find("unsafe"), std::string::npos);
    EXPECT_EQ(head.find("\r\n\r\n"), head.size() - 4);
}

TEST(http_head, has_the_phrase_of_the_standard_and_a_length_without_a_body)
{
    const std::vector<std::pair<unsigned, std::string>> table = {
        {200, "OK"},
        {301, "Moved Permanently"},
        {400, "Bad Request"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {413, "Content Too Large"},
        {421, "Misdirected Request"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
        {418, "Unknown"},
    };
    for (const auto& [status, phrase] : table) {
        const auto head = encode_head({.status = status}, body_length::known, after_answer::keep_open, {});
        EXPECT_TRUE(head.starts_with("HTTP/1.1 " + std::to_string(status) + " " + phrase + "\r\n")) << head;
        EXPECT_NE(head.find("Content-Length: 0\r\n"), std::string::npos);
    }
}

TEST(http_head, a_stream_has_no_length)
{
    const auto head = encode_head({}, body_length::endless, after_answer::keep_open, {});
    EXPECT_EQ(head.find("Content-Length"), std::string::npos);
    EXPECT_EQ(head.find("Connection"), std::string::npos);
}

TEST(http_date, is_that_of_the_standard)
{
    EXPECT_EQ(http_date(wall_time{seconds{784111777}}), "Sun, 06 Nov 1994 08:49:37 GMT"); // RFC 9110 5.6.7
    EXPECT_EQ(http_date(wall_time{}), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(http_event, has_its_data_on_one_line)
{
    EXPECT_EQ(
        encode_event("b-7", "lost", {{"text", "a\nid: evil\n\n"}}),
        "id: b-7\nevent: lost\ndata: {\"text\":\"a\\nid: evil\\n\\n\"}\n\n"
    );
    EXPECT_EQ(encode_event("", "", 1), "data: 1\n\n");
}

} // namespace
} // namespace reachd
