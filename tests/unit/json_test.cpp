// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/json.hpp"

#include <gtest/gtest.h>
#include <limits>

namespace reachd {
namespace {

json_document document_of(std::string_view text)
{
    auto parsed = parse_json(text, "f.json", comments::allowed);
    EXPECT_TRUE(parsed) << text;
    return parsed ? *parsed : json_document{};
}

// The only fault of a text that must not parse, as a person sees it.
std::string fault_of(std::string_view text, comments policy = comments::allowed)
{
    const auto parsed = parse_json(text, "f.json", policy);
    return parsed ? "parsed" : to_text(parsed.error().front());
}

std::string nested(std::size_t depth)
{
    return std::string(depth, '[') + std::string(depth, ']');
}

TEST(json, keeps_the_line_on_which_every_value_begins)
{
    const auto document = document_of(
        "// a comment\n"     // 1
        "{\n"                // 2
        "  \"a\": 1,\n"      // 3
        "  \"b\":\n"         // 4
        "    2\n"            // 5
        "  , \"c\": [3\n"    // 6
        "  ,\n"              // 7
        "  {\"d/e~\": true}" // 8
        "\n  ],\n"           // 9
        "  \"f\": {}, \"g\": \"x\", \"h\": null, \"i\": 1.5}\n"
    );
    const std::map<std::string, unsigned> lines = {{"", 2},     {"/a", 3},   {"/b", 5},          {"/c", 6},
                                                   {"/c/0", 6}, {"/c/1", 8}, {"/c/1/d~1e~0", 8}, {"/f", 10},
                                                   {"/g", 10},  {"/h", 10},  {"/i", 10}};
    EXPECT_EQ(document.lines, lines);
}

TEST(json, does_not_count_the_newline_that_ends_a_number)
{
    const auto document = document_of("[1\n,-2\n,3.5\n,4e1\n]\n");
    EXPECT_EQ(document.line_of("/0"), 1U);
    EXPECT_EQ(document.line_of("/1"), 2U);
    EXPECT_EQ(document.line_of("/2"), 3U);
    EXPECT_EQ(document.line_of("/3"), 4U);
    EXPECT_EQ(document_of("\n\n7").line_of(""), 3U);
    EXPECT_EQ(document_of("7\n").line_of(""), 1U);
}

TEST(json, knows_lines_in_files_with_carriage_returns_and_after_block_comments)
{
    EXPECT_EQ(document_of("{\r\n\"a\": 1,\r\n\"b\": 2\r\n}\r\n").line_of("/b"), 3U);
    EXPECT_EQ(document_of("/* one\n two */ {\n// three\n\"b\": 2}").line_of("/b"), 4U);
}

TEST(json, answers_with_the_line_of_the_nearest_enclosing_value)
{
    const auto document = document_of("{\n\"a\": {\n\"b\": [\n1]}}");
    EXPECT_EQ(document.line_of("/a/missing"), 2U);
    EXPECT_EQ(document.line_of("/a/b/7/x"), 3U);
    EXPECT_EQ(document.line_of("/nowhere"), 1U);
    EXPECT_EQ(json_document{}.line_of("/a"), 0U);
}

TEST(json, keeps_no_lines_for_very_long_pointers)
{
    // Four keys of 200 bytes: the pointers of the 1000 numbers inside would take 800 KB.
    const std::string key(200, 'k');
    std::string text;
    for (int level = 0; level < 4; ++level) {
        text += "\n{\"" + key + "\": ";
    }
    text += "[0";
    for (int number = 1; number < 1000; ++number) {
        text += "\n,0";
    }
    const auto document = document_of(text + "]}}}}");
    EXPECT_EQ(document.lines.size(), 3U);
    const auto pointer = "/" + key + "/" + key + "/" + key + "/" + key + "/999";
    EXPECT_EQ(document.line_of(pointer), 4U) << "the nearest value that has a line";
}

TEST(json, says_where_and_what_is_wrong_in_words)
{
    const std::pair<const char*, const char*> rows[] = {
        {"", "f.json: is empty"},
        {" \n\t", "f.json: is empty"},
        {"// only this\n", "f.json:1: column 12: expected a value, the text ends here"},
        {"{\n  \"a\": 1\n  \"b\": 2\n}", "f.json:3: column 3: expected ',' or '}', found \"b\""},
        {"{\n  \"a\": 1,\n}\n", "f.json:3: column 1: the comma before this '}' is one too many"},
        {"[1, 2,]", "f.json:1: column 7: the comma before this ']' is one too many"},
        {"[1 2]", "f.json:1: column 4: expected ',' or ']', found '2'"},
        {"[1 \"a\\\"b\"]", "f.json:1: column 4: expected ',' or ']', found \"a\\\"b\""},
        {"{\"a\" 1}", "f.json:1: column 6: expected ':' after the key, found '1'"},
        {"{\"a\": }", "f.json:1: column 7: expected a value, found '}'"},
        {"{1: 2}", "f.json:1: column 2: expected a key in double quotes, found '1'"},
        {"{\"a\": 1", "f.json:1: column 7: expected ',' or '}', the text ends here"},
        {"[[1],\n\n", "f.json:1: column 5: expected a value, the text ends here"},
        {"{} {}", "f.json:1: column 4: expected nothing more, found '{'"},
        {"{\"a\": \"b\n\"}", "f.json:1: column 9: a text in double quotes is not closed on its line"},
        {"{\"a\": \"b", "f.json:1: column 8: a text in double quotes is not closed on its line"},
        {"{\"a\": True}", "f.json:1: column 7: 'True' is nothing that JSON knows"},
        {"[nul]", "f.json:1: column 2: 'nul' is nothing that JSON knows"},
        {"{'a': 1}", "f.json:1: column 2: ''a'' is nothing that JSON knows"},
        {"[01]", "f.json:1: column 2: expected ',' or ']', found '01'"},
        {"[1.]", "f.json:1: column 4: invalid number; expected digit after '.'"},
        {"[\"\\x\"]", "f.json:1: column 4: invalid string: forbidden character after backslash"},
        {"[\"\xE4\"]", "f.json:1: column 4: the text up to here is not UTF-8"},
        {"[\"\xC3\xA4\xC3\xA4\", x]", "f.json:1: column 8: 'x' is nothing that JSON knows"},
        {"[1, /x]", "f.json:1: column 6: invalid comment; expecting '/' or '*' after '/'"},
    };
    for (const auto& [text, expected] : rows) {
        SCOPED_TRACE(text);
        EXPECT_EQ(fault_of(text), expected);
    }
}

TEST(json, never_lets_the_library_speak_for_itself)
{
    for (const char* text :
         {"{", "[", "\"", "1e999", "{\"a\"", "nul", "[1,,2]", "{,}", "]", "-", "\xEF\xBB", "/*"}) {
        SCOPED_TRACE(text);
        const auto fault = fault_of(text);
        EXPECT_NE(fault, "parsed");
        EXPECT_EQ(fault.find("json.exception"), std::string::npos) << fault;
        EXPECT_EQ(fault.find("last read"), std::string::npos) << fault;
    }
}

TEST(json, refuses_comments_on_the_wire)
{
    EXPECT_TRUE(parse_json("{}", "request", comments::refused));
    EXPECT_EQ(fault_of("{} // x", comments::refused), "f.json:1: column 4: '//' is nothing that JSON knows");
}

TEST(json, refuses_a_nul_byte_that_would_hide_what_follows)
{
    using namespace std::string_view_literals;
    EXPECT_EQ(fault_of("{}\0{\"hidden\": 1}"sv), "f.json:1: column 3: a NUL byte does not belong in text");
    EXPECT_EQ(fault_of("[1,\n\"\0\"]"sv), "f.json:2: column 2: a NUL byte does not belong in text");
}

TEST(json, T01_refuses_duplicate_keys_at_any_depth_and_names_the_first)
{
    EXPECT_EQ(fault_of("{\"a\": 1,\n\"a\": 2}"), "f.json:2: the key 'a' is already on line 1");
    EXPECT_EQ(
        fault_of("[{\n\"x\": [],\n\"y\": 1,\n\"x\": 1}]"), "f.json:4: /0: the key 'x' is already on line 2"
    );
    EXPECT_EQ(fault_of("{\"a\": 1, \"\\u0061\": 2}"), "f.json:1: the key 'a' is already on line 1");
    EXPECT_TRUE(parse_json("{\"a\": {\"a\": [{\"a\": 1}]}}", "f", comments::refused));
}

TEST(json, T14_refuses_keys_that_would_act_on_a_terminal_or_fill_a_log)
{
    EXPECT_EQ(fault_of("{\"a\\u001b[2J\": 1}"), "f.json:1: the key 'a?[2J' has a control character");
    EXPECT_EQ(fault_of("{\"" + std::string(257, 'k') + "\": 1}"), "f.json:1: a key is longer than 256 bytes");
}

TEST(json, T01_bounds_the_depth)
{
    EXPECT_TRUE(parse_json(nested(max_json_depth), "f", comments::refused));
    EXPECT_EQ(fault_of(nested(max_json_depth + 1)).substr(0, 7), "f.json:");
    EXPECT_NE(fault_of(nested(max_json_depth + 1)).find("nested deeper than 32 levels"), std::string::npos);
    EXPECT_NE(fault_of(nested(1000000)).find("nested deeper"), std::string::npos);
}

TEST(json, keeps_whole_numbers_of_64_bits_and_refuses_larger_ones)
{
    const auto document = document_of("[18446744073709551615, -9223372036854775808]");
    EXPECT_EQ(document.value[0].get<std::uint64_t>(), std::numeric_limits<std::uint64_t>::max());
    EXPECT_EQ(document.value[1].get<std::int64_t>(), std::numeric_limits<std::int64_t>::min());
    EXPECT_EQ(
        fault_of("{\"a\":\n18446744073709551616}"), "f.json:2: the number '18446744073709551616' is too large"
    );
    EXPECT_EQ(fault_of("-9223372036854775809"), "f.json:1: the number '-9223372036854775809' is too large");
    EXPECT_EQ(fault_of("[1e400]"), "f.json:1: column 2: the number '1e400' is too large");
    EXPECT_LT(fault_of(std::string(100000, '9')).size(), 120U) << "a long number is not repeated in full";
}

TEST(json, T01_dumps_what_it_parsed_and_never_throws)
{
    for (const char* text :
         {"{\"a\":[1,-2,3.5,true,null,\"x\\n\"],\"b\":{}}", "[]", "\"\\u0000\"", "18446744073709551615"}) {
        SCOPED_TRACE(text);
        EXPECT_EQ(dump(document_of(text).value), text);
    }
    EXPECT_EQ(dump(json("a\xFFz")), "\"a\xEF\xBF\xBDz\"");
    EXPECT_EQ(dump(json{{"a", {1, 2}}}, 2), "{\n  \"a\": [\n    1,\n    2\n  ]\n}");
    EXPECT_EQ(dump(json(std::numeric_limits<double>::infinity())), "null");
}

TEST(json, T14_dumps_nothing_that_a_terminal_obeys_and_it_reads_back_as_it_was)
{
    const std::string csi = "\xC2\x9B"; // ESC [ as one character
    for (const auto& [text, escaped] : std::vector<std::pair<std::string, std::string>>{
             {"a" + csi + "2Jb", "\"a\\u009b2Jb\""},
             {"\xE2\x80\xAE", "\"\\u202e\""},
             {"\x7F\xEF\xBB\xBF" + csi, "\"\\u007f\\ufeff\\u009b\""},
             {"\xD8\x9C\xE2\x81\xA9z", "\"\\u061c\\u2069z\""},
             {"\x1B[2J", "\"\\u001b[2J\""},
         }) {
        EXPECT_EQ(dump(json(text)), escaped);
        EXPECT_EQ(json::parse(escaped).get<std::string>(), text);
    }
    for (const std::string plain :
         {"Z\xC3\xBCrich", "\xC2\xA0", "\xE2\x82\xAC", "\xE2\x80\x93", "\xF0\x9F\x98\x80", "\xD8\xA7",
          "\xEF\xBF\xBD"}) {
        EXPECT_EQ(dump(json(plain)), '"' + plain + '"');
    }
    EXPECT_EQ(dump(json("\xC2")), "\"\xEF\xBF\xBD\"") << "half a character at the end";
    EXPECT_EQ(dump(json{{csi, csi}}), "{\"\\u009b\":\"\\u009b\"}");
}

TEST(json, makes_whole_numbers_of_numbers_that_have_one)
{
    EXPECT_EQ(integer_of(json(7)), 7);
    EXPECT_EQ(integer_of(json(-7.9)), -7);
    EXPECT_EQ(
        integer_of(json(std::numeric_limits<std::int64_t>::min())), std::numeric_limits<std::int64_t>::min()
    );
    for (const auto& none :
         {json(1e300), json(-1e300), json(9.1e15), json(std::numeric_limits<std::uint64_t>::max()), json("7"),
          json(nullptr), json(true), json::array({7})}) {
        EXPECT_EQ(integer_of(none), std::nullopt) << none.dump();
    }
}

TEST(json, escapes_pointer_tokens)
{
    EXPECT_EQ(pointer_token("a/b~c"), "a~1b~0c");
    EXPECT_EQ(pointer_token("plain"), "plain");
}

TEST(json, quotes_for_a_message_without_control_characters)
{
    EXPECT_EQ(in_quotes("a\n\x7F\xC2\x85z"), "'a???z'");
    EXPECT_EQ(in_quotes(std::string(100, 'x')), "'" + std::string(60, 'x') + "...'");
    std::string umlauts;
    for (int i = 0; i < 40; ++i) {
        umlauts += "\xC3\xA4";
    }
    EXPECT_EQ(in_quotes("x" + umlauts), "'x" + umlauts.substr(0, 58) + "...'")
        << "no character is cut in two";
}

TEST(json, suggests_the_nearest_known_word_and_nothing_far_fetched)
{
    const std::vector<std::string_view> known = {"attempts", "in_flight", "connect_timeout_ms", "id", "port"};
    EXPECT_EQ(nearest("atempts", known), "attempts");
    EXPECT_EQ(nearest("attepmts", known), "attempts");
    EXPECT_EQ(nearest("connect_timeout", known), "connect_timeout_ms");
    EXPECT_EQ(nearest("prot", known), "port");
    EXPECT_EQ(nearest("di", known), "id");
    EXPECT_EQ(nearest("colour", known), std::nullopt);
    EXPECT_EQ(nearest("", known), std::nullopt);
    EXPECT_EQ(nearest("attempts", {}), std::nullopt);
    EXPECT_EQ(nearest(std::string(100000, 'a'), known), std::nullopt);
}

// Readers: the faults they note, and what they hand out.
class reading : public testing::Test {
protected:
    object_reader read(std::string_view text)
    {
        document = document_of(text);
        return {document, document.value, "", "f.json", faults};
    }
    std::string noted()
    {
        std::string all;
        for (const auto& fault : faults) {
            all += to_text(fault) + "\n";
        }
        return all;
    }
    json_document document;
    file_faults faults;
};

TEST_F(reading, hands_out_typed_values)
{
    auto reader = read(R"({"t": "x", "b": false, "i": -3, "l": ["a", "b"], "n": [1, 2], "$schema": "s"})");
    reader.allow({"t", "b", "i", "l", "n"});
    EXPECT_EQ(reader.text("t"), "x");
    EXPECT_EQ(reader.boolean("b"), false);
    EXPECT_EQ(reader.integer("i", -3, 3), -3);
    EXPECT_EQ(reader.texts("l"), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(reader.integers("n", 1, 2), (std::vector<std::int64_t>{1, 2}));
    EXPECT_EQ(reader.text("absent"), std::nullopt);
    EXPECT_EQ(noted(), "");
}

TEST_F(reading, notes_every_fault_of_an_object_and_its_line)
{
    auto reader = read(
        "{\"t\": 1,\n\"b\": \"yes\",\n\"i\": 11,\n\"j\": 4.0,\n\"k\": \"4\",\n\"l\": \"a\",\n"
        "\"m\": [1, \"a\"],\n\"n\": [1, 0],\n\"tt\": 1}"
    );
    reader.allow({"t", "b", "i", "j", "k", "l", "m", "n"});
    EXPECT_EQ(reader.text("t"), std::nullopt);
    EXPECT_EQ(reader.boolean("b"), std::nullopt);
    EXPECT_EQ(reader.integer("i", 1, 10), std::nullopt);
    EXPECT_EQ(reader.integer("j", 1, 10), std::nullopt);
    EXPECT_EQ(reader.integer("k", 1, 10), std::nullopt);
    EXPECT_EQ(reader.texts("l"), std::nullopt);
    EXPECT_EQ(reader.texts("m"), std::nullopt);
    EXPECT_EQ(reader.integers("n", 1, 2), std::nullopt);
    reader.require("x", "a number");
    EXPECT_EQ(
        noted(), "f.json:9: /tt: unknown key 'tt'; did you mean 't'?\n"
                 "f.json:1: /t: must be text, not 1\n"
                 "f.json:2: /b: must be true or false, not \"yes\"\n"
                 "f.json:3: /i: must be 1 to 10, not 11\n"
                 "f.json:4: /j: must be a whole number, 1 to 10, not 4.0\n"
                 "f.json:5: /k: must be a whole number, 1 to 10, not \"4\"\n"
                 "f.json:6: /l: must be a list of texts, not \"a\"\n"
                 "f.json:7: /m/0: must be text, not 1\n"
                 "f.json:8: /n/1: must be 1 to 2, not 0\n"
                 "f.json:1: 'x' is missing: a number\n"
    );
    EXPECT_EQ(faults.front().code, errc::unknown_key);
}

TEST_F(reading, takes_no_number_that_would_have_to_be_narrowed)
{
    auto reader = read(R"({"a": 18446744073709551615, "b": -9223372036854775808, "c": 70000})");
    EXPECT_EQ(
        reader.integer(
            "a", std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()
        ),
        std::nullopt
    );
    EXPECT_EQ(
        reader.integer("b", std::numeric_limits<std::int64_t>::min(), 0),
        std::numeric_limits<std::int64_t>::min()
    );
    EXPECT_EQ(reader.integer("c", 0, 65535), std::nullopt);
    EXPECT_EQ(faults.size(), 2U);
}

TEST_F(reading, reads_children_and_says_once_that_one_is_no_object)
{
    auto reader = read("{\"c\": {\"x\": 1},\n\"l\": [{\"y\": 2},\n5],\n\"p/q\": []}");
    auto child = reader.child("c");
    EXPECT_EQ(child.integer("x", 0, 9), 1);
    auto children = reader.children("l");
    ASSERT_EQ(children.size(), 1U);
    EXPECT_EQ(children.front().integer("y", 0, 9), 2);
    auto broken = reader.child("p/q");
    broken.allow({"z"});
    broken.require("z", "needed");
    EXPECT_TRUE(reader.children("absent").empty());
    EXPECT_TRUE(reader.children("c").empty());
    EXPECT_EQ(
        noted(), "f.json:3: /l/1: must be an object, not 5\n"
                 "f.json:4: /p~1q: must be an object, not a list\n"
                 "f.json:1: /c: must be a list of objects, not an object\n"
    );
}

TEST_F(reading, refuses_texts_that_are_too_long_or_act_on_a_terminal)
{
    auto reader = read(
        "{\"a\": \"" + std::string(max_text_bytes + 1, 'x') + "\", \"b\": \"x\\u009b2Jy\", \"c\": \"" +
        std::string(max_text_bytes, 'x') + "\"}"
    );
    EXPECT_EQ(reader.text("a"), std::nullopt);
    EXPECT_EQ(reader.text("b"), std::nullopt);
    EXPECT_TRUE(reader.text("c"));
    EXPECT_EQ(
        noted(), "f.json:1: /a: must be at most 1000 bytes, not 1001\n"
                 "f.json:1: /b: must not have control characters: 'x?2Jy'\n"
    );
}

TEST(json, T14_escapes_what_is_unseen_and_nothing_beside_it)
{
    struct row {
        const char* text;
        const char* written;
    };
    for (const auto& [text, written] : {
             row{"~", "~"},
             row{"\x7F", "\\u007f"},
             row{"\xC2\x80", "\\u0080"},
             row{"\xC2\x9F", "\\u009f"},
             row{"\xC2\xA0", "\xC2\xA0"},
             row{"\xD8\x9B", "\xD8\x9B"},
             row{"\xD8\x9C", "\\u061c"},
             row{"\xE2\x80\x8A", "\xE2\x80\x8A"},
             row{"\xE2\x80\x8B", "\\u200b"},
             row{"\xE2\x80\x8F", "\\u200f"},
             row{"\xE2\x80\x90", "\xE2\x80\x90"},
             row{"\xE2\x80\xA7", "\xE2\x80\xA7"},
             row{"\xE2\x80\xA8", "\\u2028"},
             row{"\xE2\x80\xAE", "\\u202e"},
             row{"\xE2\x80\xAF", "\xE2\x80\xAF"},
             row{"\xE2\x81\x9F", "\xE2\x81\x9F"},
             row{"\xE2\x81\xA0", "\\u2060"},
             row{"\xE2\x81\xAF", "\\u206f"},
             row{"\xE2\x81\xB0", "\xE2\x81\xB0"},
             row{"\xEF\xBB\xBF", "\\ufeff"},
             row{"\xEF\xBB\xBE", "\xEF\xBB\xBE"},
         }) {
        EXPECT_EQ(dump(json(text)), std::string{'"'} + written + '"');
    }
}

} // namespace
} // namespace reachd
