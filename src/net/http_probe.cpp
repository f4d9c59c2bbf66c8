// SPDX-License-Identifier: Apache-2.0
#include "reachd/net/http_probe.hpp"

#include "reachd/net/deadline.hpp"
#include "reachd/net/wall_clock.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <fmt/format.h>

namespace reachd {

namespace asio = boost::asio;
namespace http = boost::beast::http;

namespace {

constexpr std::uint32_t header_limit = 8192;
constexpr std::size_t piece = 1024;

outcome outcome_of_end(ended how, const boost::system::error_code& code, duration waited)
{
    if (how == ended::expired) {
        return no_reply{waited};
    }
    if (how == ended::cancelled) {
        return not_measured{.cause = local_cause::cancelled, .detail = "cancelled"};
    }
    if (code == asio::error::connection_reset || code == asio::error::broken_pipe) {
        return cut_off{.by_reset = true};
    }
    if (code == asio::error::eof || code == http::error::end_of_stream ||
        code == http::error::partial_message) {
        return cut_off{};
    }
    return http_garbled{code.message()};
}

} // namespace

asio::awaitable<observation> http_head(asio::ip::tcp::socket& socket, std::string host, time_point deadline)
{
    observation out{.kind = probe_kind::http_head, .at = wall_now()};
    const auto begun = steady::now();
    const auto request = fmt::format(
        "HEAD / HTTP/1.1\r\nHost: {}\r\nUser-Agent: reachd\r\nAccept: */*\r\nConnection: close\r\n\r\n", host
    );
    auto [sent, send_code, sent_bytes] =
        co_await with_deadline(deadline, asio::async_write(socket, asio::buffer(request), asio::deferred));
    if (sent != ended::completed || send_code) {
        out.took = steady::now() - begun;
        out.what = outcome_of_end(sent, send_code, deadline - begun);
        co_return out;
    }
    http::response_parser<http::empty_body> parser;
    parser.header_limit(header_limit);
    parser.skip(true); // the answer to HEAD has no body, whatever its Content-Length says
    boost::beast::flat_buffer buffer{header_limit};
    // Piece by piece: Beast's own read looks at no deadline while a server drips.
    while (!parser.is_header_done()) {
        auto [how, code, bytes] =
            co_await with_deadline(deadline, socket.async_read_some(buffer.prepare(piece), asio::deferred));
        if (how == ended::completed && !code) {
            buffer.commit(bytes);
            buffer.consume(parser.put(buffer.data(), code));
            code = code == http::error::need_more ? boost::system::error_code{} : code;
        }
        const bool full = buffer.size() + piece > header_limit && !parser.is_header_done();
        const bool late = steady::now() >= deadline && !parser.is_header_done();
        if (how != ended::completed || code || full || late) {
            out.took = steady::now() - begun;
            if (full && !code) {
                code = http::error::header_limit;
            }
            out.what = outcome_of_end(late ? ended::expired : how, code, deadline - begun);
            co_return out;
        }
    }
    out.took = steady::now() - begun;
    const auto& answer = parser.get();
    out.what = http_answer{
        .status = answer.result_int(),
        .location = std::string{answer[http::field::location]},
        .server = std::string{answer[http::field::server]},
    };
    co_return out;
}

} // namespace reachd
