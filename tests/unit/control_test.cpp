// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/control.hpp"

#include "reachd/core/line_buffer.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <set>
#include <sstream>

namespace reachd {
namespace {

std::expected<rpc_request, refusal> parse(std::string_view line, access_level granted = access_level::change)
{
    return parse_request(line, granted);
}

// "reason" of a line that must be refused, "reason at field" where one is named.
std::string refused(std::string_view line, access_level granted = access_level::change)
{
    const auto request = parse(line, granted);
    if (request) {
        return "accepted";
    }
    const auto& error = request.error().error;
    EXPECT_FALSE(error.message.empty());
    return error.field.empty() ? error.reason : error.reason + " at " + error.field;
}

std::string call(const std::string& method, const std::string& params = "{}")
{
    return R"({"jsonrpc":"2.0","id":1,"method":")" + method + R"(","params":)" + params + "}";
}

const rpc_error& fault_of(const std::expected<rpc_request, refusal>& request)
{
    static const rpc_error none;
    EXPECT_FALSE(request);
    return request ? none : request.error().error;
}

std::string nested_params(std::size_t levels)
{
    return call("report", R"({"catalogue":)" + std::string(levels, '[') + std::string(levels, ']') + "}");
}

// ---- the table

TEST(control, has_methods_with_unique_names_and_a_help_for_everything)
{
    std::set<std::string_view> names;
    for (const auto& method : control_methods()) {
        EXPECT_TRUE(names.insert(method.name).second) << method.name;
        EXPECT_FALSE(method.help.empty()) << method.name;
        EXPECT_FALSE(method.since.empty()) << method.name;
        for (const auto& parameter : method.parameters()) {
            EXPECT_FALSE(parameter.help.empty()) << method.name << " " << parameter.name;
        }
    }
    EXPECT_EQ(find_method("probe")->access, access_level::change);
    EXPECT_EQ(find_method("report")->access, access_level::read);
    EXPECT_EQ(find_method("Report"), nullptr);
}

TEST(control, describes_the_table_to_clients)
{
    const auto table = describe_methods();
    EXPECT_EQ(table["methods"].size(), control_methods().size());
    const auto endpoint =
        std::ranges::find_if(table["methods"], [](const json& one) { return one["name"] == "endpoint"; });
    ASSERT_NE(endpoint, table["methods"].end());
    EXPECT_EQ((*endpoint)["access"], "read");
    EXPECT_EQ((*endpoint)["params"].size(), 4U);
    EXPECT_EQ((*endpoint)["params"][1]["kind"], "port");
    EXPECT_EQ((*endpoint)["params"][1]["required"], true);
    EXPECT_EQ((*endpoint)["params"][3]["required"], false);
}

TEST(control, T12_has_no_parameter_that_takes_a_path)
{
    for (const auto& method : control_methods()) {
        for (const auto& parameter : method.parameters()) {
            for (const auto* word : {"file", "path", "dir"}) {
                EXPECT_EQ(parameter.name.find(word), std::string_view::npos) << method.name;
            }
        }
    }
}

std::string document()
{
    std::ifstream file{REACHD_SOURCE_DIR "/docs/CONTROL.md"};
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

// What stands in backquotes at the beginning of lines that begin with `prefix`.
std::multiset<std::string>
documented(const std::string& prefix, const std::string& from, const std::string& to)
{
    const auto whole = document();
    const auto begin = whole.find(from);
    const auto end = whole.find(to, begin + 1);
    EXPECT_NE(begin, std::string::npos) << from;
    std::istringstream part{whole.substr(begin, end == std::string::npos ? end : end - begin)};
    std::multiset<std::string> found;
    for (std::string line; std::getline(part, line);) {
        if (line.starts_with(prefix + "`")) {
            const auto name = line.substr(prefix.size() + 1);
            found.insert(name.substr(0, name.find('`')));
        }
    }
    return found;
}

TEST(control, has_an_entry_in_the_document_for_every_method_and_no_other)
{
    std::multiset<std::string> methods;
    for (const auto& method : control_methods()) {
        methods.emplace(method.name);
    }
    EXPECT_EQ(documented("### ", "\n## Methods", "\n## "), methods);
}

TEST(control, has_a_line_in_the_document_for_every_reason_and_no_other)
{
    std::multiset<std::string> reasons;
    for (const auto& reason : control_reasons()) {
        reasons.emplace(reason.word);
        const auto row = "| `" + std::string{reason.word} + "` | " + std::to_string(reason.code) + " |";
        EXPECT_NE(document().find(row), std::string::npos) << row;
    }
    EXPECT_EQ(documented("| ", "\n## Errors", "\n## "), reasons);
}

TEST(control, names_every_parameter_and_the_access_in_the_document)
{
    const auto whole = document();
    for (const auto& method : control_methods()) {
        const auto begin = whole.find("### `" + std::string{method.name} + "`");
        ASSERT_NE(begin, std::string::npos) << method.name;
        const auto entry = whole.substr(begin, whole.find("\n##", begin + 1) - begin);
        EXPECT_NE(entry.find(std::string{"Access: "} + to_string(method.access) + "."), std::string::npos)
            << method.name;
        for (const auto& parameter : method.parameters()) {
            EXPECT_NE(entry.find("`" + std::string{parameter.name} + "`"), std::string::npos)
                << method.name << " " << parameter.name;
        }
    }
}

// ---- requests

TEST(control, takes_a_request_with_a_text_a_number_or_null_as_its_id)
{
    for (const auto* id : {R"("a")", "7", "-1", "1.5", "null"}) {
        const auto request = parse(R"({"jsonrpc":"2.0","method":"health","id":)" + std::string{id} + "}");
        ASSERT_TRUE(request) << id;
        EXPECT_EQ(request->id, json::parse(id));
        EXPECT_EQ(request->answer, answer_wanted::yes);
        EXPECT_EQ(request->method->name, "health");
        EXPECT_EQ(request->params, json::object());
    }
}

TEST(control, refuses_any_other_id)
{
    for (const auto* id : {"true", "[1]", "{}"}) {
        EXPECT_EQ(
            refused(R"({"jsonrpc":"2.0","method":"health","id":)" + std::string{id} + "}"),
            "invalid_request at id"
        );
    }
}

TEST(control, takes_a_request_without_id_for_a_notification)
{
    const auto request = parse(R"({"jsonrpc":"2.0","method":"reload"})");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->answer, answer_wanted::no);
    const auto unknown = parse(R"({"jsonrpc":"2.0","method":"relaod"})");
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().answer, answer_wanted::no);
    EXPECT_EQ(unknown.error().error.reason, "unknown_method");
}

TEST(control, answers_what_is_no_request_at_all)
{
    const auto request = parse(R"({"method":"health"})"); // JSON-RPC 2.0 section 5.1: answered with id null
    ASSERT_FALSE(request);
    EXPECT_EQ(request.error().answer, answer_wanted::yes);
    EXPECT_EQ(request.error().id, json{});
}

TEST(control, echoes_the_id_of_a_request_that_it_refuses)
{
    const auto request = parse(R"({"jsonrpc":"2.0","id":"x","method":"nothing"})");
    ASSERT_FALSE(request);
    EXPECT_EQ(request.error().id, "x");
}

TEST(control, refuses_lines_that_are_not_json_each_with_its_reason)
{
    EXPECT_EQ(refused(""), "malformed");
    EXPECT_EQ(refused("health"), "malformed");
    EXPECT_EQ(refused(call("health") + "x"), "malformed");
    EXPECT_EQ(refused(call("health") + "// comment"), "malformed");
    EXPECT_EQ(refused(std::string_view{"{}\0", 3}), "malformed");
    EXPECT_EQ(refused(call("report", R"({"catalogue":1e999})")), "malformed");
    EXPECT_EQ(refused(call("report", R"({"catalogue":99999999999999999999})")), "malformed");
    EXPECT_EQ(refused(call("report", "{\"catalogue\":\"\xc3\x28\"}")), "not_utf8");
    EXPECT_EQ(refused(R"({"jsonrpc":"2.0","jsonrpc":"2.0"})"), "duplicate_key");
    EXPECT_EQ(refused(call("report", R"({"catalogue":"a","catalogue":"b"})")), "duplicate_key");
    EXPECT_EQ(fault_of(parse("health")).code, -32700);
}

TEST(control, T01_refuses_what_is_too_deep_by_that_name_and_takes_what_is_just_not)
{
    EXPECT_EQ(refused(nested_params(31)), "too_deep");
    EXPECT_EQ(refused(std::string(100'000, '[')), "too_deep"); // T1
    EXPECT_EQ(refused(nested_params(30)), "invalid_parameter at params.catalogue");
}

TEST(control, does_not_take_its_reasons_from_the_clients_words)
{
    EXPECT_EQ(refused("nested deeper"), "malformed");
    EXPECT_EQ(refused("{\"the key \": is not UTF-8"), "malformed");
}

TEST(control, refuses_batches_with_a_word_on_what_to_do)
{
    const auto request = parse("[" + call("health") + "]");
    EXPECT_EQ(fault_of(request).reason, "batch_not_supported");
    EXPECT_EQ(fault_of(request).code, -32600);
    EXPECT_NE(fault_of(request).hint.find("one a line"), std::string::npos);
    EXPECT_EQ(refused("[]"), "batch_not_supported");
    EXPECT_EQ(refused(call("health")), "accepted");
}

TEST(control, refuses_json_that_is_no_request)
{
    EXPECT_EQ(refused("7"), "invalid_request");
    EXPECT_EQ(refused("{}"), "invalid_request at jsonrpc");
    EXPECT_EQ(refused(R"({"jsonrpc":"1.0","id":1,"method":"health"})"), "invalid_request at jsonrpc");
    EXPECT_EQ(refused(R"({"jsonrpc":2.0,"id":1,"method":"health"})"), "invalid_request at jsonrpc");
    EXPECT_EQ(refused(R"({"jsonrpc":"2.0","id":1})"), "invalid_request at method");
    EXPECT_EQ(refused(R"({"jsonrpc":"2.0","id":1,"method":7})"), "invalid_request at method");
    const auto misspelt = parse(R"({"jsonrpc":"2.0","id":1,"method":"report","parms":{}})");
    EXPECT_EQ(fault_of(misspelt).field, "parms");
    EXPECT_EQ(fault_of(misspelt).hint, "did you mean 'params'?");
}

TEST(control, suggests_the_nearest_method)
{
    const auto request = parse(call("reprot"));
    EXPECT_EQ(fault_of(request).code, -32601);
    EXPECT_EQ(fault_of(request).reason, "unknown_method");
    EXPECT_EQ(fault_of(request).hint, "did you mean 'report'?");
    EXPECT_NE(fault_of(parse(call("shutdown"))).hint.find("known: version"), std::string::npos);
}

TEST(control, T06_refuses_what_the_socket_does_not_allow_and_names_the_other)
{
    for (const auto& method : control_methods()) {
        if (method.access == access_level::change) {
            const bool needs_a_row = method.name == "acknowledge";
            const auto line = call(std::string{method.name}, needs_a_row ? R"({"requirement":"x"})" : "{}");
            const auto request = parse(line, access_level::read);
            EXPECT_EQ(fault_of(request).reason, "forbidden") << method.name;
            EXPECT_EQ(fault_of(request).code, -32004);
            EXPECT_NE(fault_of(request).message.find("control.sock"), std::string::npos);
            EXPECT_TRUE(parse(line, access_level::change)) << method.name;
        }
    }
    EXPECT_EQ(refused(call("health"), access_level::read), "accepted");
}

TEST(control, takes_moments_with_their_zone_and_counts_within_their_range)
{
    EXPECT_EQ(refused(call("history", R"({"at":"2026-11-21T14:05:00+01:00","limit":1000})")), "accepted");
    EXPECT_EQ(refused(call("history", R"({"at":"2026-11-21T14:05:00"})")), "invalid_parameter at params.at");
    EXPECT_EQ(refused(call("history", R"({"from":"yesterday"})")), "invalid_parameter at params.from");
    EXPECT_EQ(refused(call("history", R"({"to":1795269900})")), "invalid_parameter at params.to");
    for (const char* limit : {"0", "1001", "-1", "1.5", "\"5\""}) {
        EXPECT_EQ(
            refused(call("history", R"({"limit":)" + std::string{limit} + "}")),
            "invalid_parameter at params.limit"
        );
    }
    EXPECT_EQ(refused(call("acknowledge", R"({"note":"x"})")), "missing_parameter at params.requirement");
}

TEST(control, refuses_parameters_that_the_method_does_not_have)
{
    const auto request = parse(call("report", R"({"catalog":"x"})"));
    EXPECT_EQ(fault_of(request).reason, "unknown_parameter");
    EXPECT_EQ(fault_of(request).code, -32602);
    EXPECT_EQ(fault_of(request).field, "params.catalog");
    EXPECT_EQ(fault_of(request).hint, "did you mean 'catalogue'?");
    EXPECT_EQ(fault_of(parse(call("health", R"({"a":1})"))).hint, "it has none at all");
    EXPECT_EQ(refused(call("report", R"({"catalogue":"x"})")), "accepted");
}

TEST(control, refuses_parameters_that_are_no_object)
{
    EXPECT_EQ(refused(call("health", "[]")), "invalid_parameter at params");
    EXPECT_EQ(refused(call("health", "null")), "invalid_parameter at params");
    EXPECT_EQ(refused(call("health", "{}")), "accepted");
}

TEST(control, checks_every_kind_of_parameter)
{
    const auto endpoint = [](const std::string& address, const std::string& port,
                             const std::string& transport) {
        return refused(call(
            "endpoint",
            R"({"address":)" + address + R"(,"port":)" + port + R"(,"transport":)" + transport + "}"
        ));
    };
    EXPECT_EQ(endpoint(R"("192.0.2.1")", "443", R"("tcp")"), "accepted");
    EXPECT_EQ(endpoint(R"("2001:db8::1")", "65535", R"("udp")"), "accepted");
    for (const auto* address : {R"("example.net")", R"("192.0.2.1:443")", R"("")", "7", "null"}) {
        EXPECT_EQ(endpoint(address, "443", R"("tcp")"), "invalid_parameter at params.address") << address;
    }
    for (const auto* port : {"0", "65536", "-1", "443.0", R"("443")", "null", "18446744073709551615"}) {
        EXPECT_EQ(endpoint(R"("192.0.2.1")", port, R"("tcp")"), "invalid_parameter at params.port") << port;
    }
    for (const auto* transport : {R"("TCP")", R"("sctp")", "6"}) {
        EXPECT_EQ(endpoint(R"("192.0.2.1")", "1", transport), "invalid_parameter at params.transport")
            << transport;
    }
}

TEST(control, T12_refuses_texts_that_are_too_long_or_have_control_characters)
{
    const auto with = [](const std::string& text) {
        return refused(call("report", R"({"catalogue":")" + text + "\"}"));
    };
    EXPECT_EQ(with("a b"), "accepted");
    EXPECT_EQ(with(std::string(max_text_bytes, 'x')), "accepted");
    EXPECT_EQ(with(std::string(max_text_bytes + 1, 'x')), "invalid_parameter at params.catalogue");
    EXPECT_EQ(with(R"(a\nb)"), "invalid_parameter at params.catalogue"); // T14
    EXPECT_EQ(with(R"(a\u0000b)"), "invalid_parameter at params.catalogue");
}

TEST(control, names_the_parameter_that_is_missing)
{
    EXPECT_EQ(
        refused(call("endpoint", R"({"address":"192.0.2.1","transport":"tcp"})")),
        "missing_parameter at params.port"
    );
}

// ---- lines

TEST(control, encodes_each_message_as_one_line)
{
    EXPECT_EQ(
        encode_result(7, {{"a", "b\nc"}}), "{\"id\":7,\"jsonrpc\":\"2.0\",\"result\":{\"a\":\"b\\nc\"}}\n"
    );
    EXPECT_EQ(encode_result(nullptr, nullptr), "{\"id\":null,\"jsonrpc\":\"2.0\",\"result\":null}\n");
    EXPECT_EQ(
        encode_notification("event", {{"seq", 1}}),
        "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"seq\":1}}\n"
    );
    EXPECT_TRUE(parse(encode_request("x", "health", json::object())));
}

TEST(control, T14_replaces_text_that_is_not_utf8_in_answers)
{
    const auto line = encode_result(1, "\xff");
    EXPECT_EQ(json::parse(line)["result"], "\xef\xbf\xbd");
}

TEST(control, encodes_errors_with_reason_and_what_there_is_of_field_hint_and_details)
{
    auto error = make_error(reasons::rejected, "no");
    EXPECT_EQ(
        json::parse(encode_error(1, error)),
        (json{
            {"id", 1},
            {"jsonrpc", "2.0"},
            {"error", {{"code", -32011}, {"message", "no"}, {"data", {{"reason", "rejected"}}}}}
        })
    );
    error.field = "params.x";
    error.hint = "try y";
    error.details = {{"faults", {1, 2}}, {"reason", "cannot replace the word"}};
    const auto data = json::parse(encode_error(1, error))["error"]["data"];
    EXPECT_EQ(
        data, (json{{"reason", "rejected"}, {"field", "params.x"}, {"hint", "try y"}, {"faults", {1, 2}}})
    );
}

TEST(control, decodes_the_errors_that_it_encodes)
{
    auto error = make_error(reasons::unknown_parameter, "no");
    error.field = "params.x";
    error.hint = "try y";
    error.details = {{"known", {"a"}}};
    EXPECT_EQ(decode_error(json::parse(encode_error(1, error))["error"]), error);
    error.details = nullptr;
    EXPECT_EQ(decode_error(json::parse(encode_error(1, error))["error"]), error);
    EXPECT_EQ(decode_error(json{}), std::nullopt);
    EXPECT_EQ(decode_error({{"code", "x"}, {"message", "y"}}), std::nullopt);
    EXPECT_EQ(decode_error({{"code", 1}}), std::nullopt);
    for (const char* text :
         {"7", "[]", R"("x")", R"({"message":"y"})", R"({"code":1,"message":2})",
          R"({"code":1.5,"message":"y"})"}) {
        EXPECT_EQ(decode_error(json::parse(text)), std::nullopt) << text;
    }
}

// A server of another kind, or of another version: what it says of the error is kept where it can be read.
TEST(control, decodes_errors_whose_data_is_not_as_ours)
{
    const auto bare = decode_error(json::parse(R"({"code":-32000,"message":"no","data":"because"})"));
    ASSERT_TRUE(bare);
    EXPECT_EQ(bare->code, -32000);
    EXPECT_EQ(bare->message, "no");
    EXPECT_EQ(bare->reason, "");
    EXPECT_EQ(bare->details, nullptr);
    const auto odd = decode_error(
        json::parse(R"({"code":9223372036854775807,"message":"no","data":{"reason":7,"hint":"h","more":1}})")
    );
    ASSERT_TRUE(odd);
    EXPECT_GT(odd->code, 0);
    EXPECT_EQ(odd->reason, "");
    EXPECT_EQ(odd->hint, "h");
    EXPECT_EQ(odd->details, (json{{"more", 1}}));
}

// ---- line_buffer

std::vector<std::string> lines_of(line_buffer& buffer)
{
    std::vector<std::string> lines;
    while (const auto line = buffer.next()) {
        lines.emplace_back(*line);
    }
    return lines;
}

TEST(line_buffer, gives_the_same_lines_however_the_bytes_are_cut)
{
    const std::string text = "one\r\n\ntwo\nthree\r";
    for (std::size_t size = 1; size <= text.size(); ++size) {
        line_buffer buffer{100};
        std::vector<std::string> lines;
        for (std::size_t at = 0; at < text.size(); at += size) {
            buffer.append(text.substr(at, size));
            std::ranges::copy(lines_of(buffer), std::back_inserter(lines));
        }
        EXPECT_EQ(lines, (std::vector<std::string>{"one", "", "two"})) << size;
        EXPECT_TRUE(buffer.unfinished());
        EXPECT_EQ(buffer.rest(), "three");
    }
}

TEST(line_buffer, takes_a_line_of_the_limit_and_gives_up_on_one_over_it)
{
    line_buffer buffer{3};
    buffer.append("abc\nabcd\nx\n");
    EXPECT_EQ(lines_of(buffer), std::vector<std::string>{"abc"});
    EXPECT_TRUE(buffer.overflown());
    buffer.append("x\n");
    EXPECT_EQ(lines_of(buffer), std::vector<std::string>{});
    EXPECT_EQ(buffer.rest(), "");
}

TEST(line_buffer, gives_up_on_a_line_over_the_limit_before_it_ends)
{
    line_buffer buffer{3};
    buffer.append("abc");
    EXPECT_EQ(buffer.next(), std::nullopt);
    EXPECT_FALSE(buffer.overflown());
    buffer.append("d");
    EXPECT_EQ(buffer.next(), std::nullopt);
    EXPECT_TRUE(buffer.overflown());
}

} // namespace
} // namespace reachd
