// SPDX-License-Identifier: Apache-2.0
// Any bytes on a control socket become lines that do not depend on how they were cut, and any line
// becomes a request that the socket allows or a refusal that is one line of JSON with a known reason.
#include "reachd/core/control.hpp"
#include "reachd/core/line_buffer.hpp"
#include "support.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

using namespace reachd;
using fuzz::require;

constexpr std::size_t line_limit = 4096;

std::vector<std::string> lines_of(std::string_view bytes, std::size_t piece)
{
    line_buffer buffer{line_limit};
    std::vector<std::string> lines;
    while (!bytes.empty()) {
        const auto size = std::min(piece, bytes.size());
        buffer.append(bytes.substr(0, size));
        bytes.remove_prefix(size);
        while (const auto line = buffer.next()) {
            lines.emplace_back(*line);
        }
    }
    lines.emplace_back(buffer.overflown() ? "overflown" : buffer.rest());
    return lines;
}

bool is_one_line(const std::string& text)
{
    return text.find('\n') == text.size() - 1;
}

void check_line(std::string_view line, access_level granted)
{
    const auto request = parse_request(line, granted);
    if (request) {
        require(request->method != nullptr && request->params.is_object());
        require(request->method->access == access_level::read || granted == access_level::change);
        require(is_one_line(encode_result(request->id, request->params)));
        return;
    }
    const auto& error = request.error().error;
    const auto known = control_reasons();
    require(std::ranges::any_of(known, [&](const reason_info& one) { return one.word == error.reason; }));
    const auto answer = encode_error(request.error().id, error);
    require(is_one_line(answer));
    const auto again = parse_json(answer, "answer", comments::refused);
    require(again && decode_error(again->value["error"]).has_value());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const std::string_view bytes{reinterpret_cast<const char*>(data), size};
    const auto lines = lines_of(bytes, bytes.size() + 1);
    require(lines == lines_of(bytes, 1) && lines == lines_of(bytes, 7));
    for (const auto& line : lines) {
        check_line(line, access_level::read);
        check_line(line, access_level::change);
    }
    return 0;
}
