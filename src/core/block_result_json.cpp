// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/block_result.hpp"
#include "reachd/core/json.hpp"

#include <array>
#include <bit>
#include <charconv>

namespace reachd {
namespace {

constexpr std::int64_t most_counted = 1'000'000'000; // samples; 256 each minute make that in seven years
constexpr std::size_t hex_digits = most_strata / 4;

std::string to_hex(const std::bitset<most_strata>& covered, unsigned strata)
{
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text; // stratum 0 is the lowest bit of the first digit
    for (unsigned first = 0; first < strata; first += 4) {
        unsigned value = 0;
        for (unsigned i = 0; i < 4 && first + i < strata; ++i) {
            value |= covered.test(first + i) ? 1U << i : 0U;
        }
        text += digits[value];
    }
    return text;
}

std::optional<std::bitset<most_strata>> parse_hex(std::string_view text, unsigned strata)
{
    if (text.size() != (strata + 3) / 4 || text.size() > hex_digits) {
        return std::nullopt;
    }
    std::bitset<most_strata> covered;
    for (std::size_t at = 0; at < text.size(); ++at) {
        unsigned value = 0;
        const auto [stop, code] = std::from_chars(text.data() + at, text.data() + at + 1, value, 16);
        if (code != std::errc{}) {
            return std::nullopt;
        }
        for (unsigned i = 0; i < 4; ++i) {
            if ((value >> i) & 1U) {
                if (at * 4 + i >= strata) {
                    return std::nullopt;
                }
                covered.set(at * 4 + i);
            }
        }
    }
    return covered;
}

template <class Number>
std::optional<Number> parse_decimal(std::string_view text)
{
    Number value = 0;
    const auto [stop, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    return code == std::errc{} && stop == text.data() + text.size() ? std::optional{value} : std::nullopt;
}

// Only what to_text(wall_time) makes: "2026-11-21T14:05:00.123Z".
std::optional<wall_time> parse_wall(std::string_view text)
{
    constexpr std::string_view form = "0000-00-00T00:00:00.000Z";
    if (text.size() != form.size()) {
        return std::nullopt;
    }
    const auto number = [&](std::size_t from, std::size_t count) {
        return parse_decimal<unsigned>(text.substr(from, count)).value_or(0);
    };
    const std::chrono::year_month_day day{
        std::chrono::year{static_cast<int>(number(0, 4))}, std::chrono::month{number(5, 2)},
        std::chrono::day{number(8, 2)}
    };
    if (!day.ok()) {
        return std::nullopt;
    }
    const wall_time when = std::chrono::sys_days{day} + std::chrono::hours{number(11, 2)} +
                           std::chrono::minutes{number(14, 2)} + seconds{number(17, 2)} +
                           milliseconds{number(20, 3)};
    return to_text(when) == text ? std::optional{when} : std::nullopt;
}

json optional_text(const std::optional<ip_address>& address)
{
    return address ? json(to_text(*address)) : json();
}

json to_json(const hole& what)
{
    return {
        {"block", to_text(what.where)}, {"at_most", to_text(what.at_most)}, {"how", to_string(what.how)},
        {"by", optional_text(what.by)}, {"samples", what.samples},          {"silent", what.silent},
    };
}

// --- reading ---

std::optional<ip_block> read_block(object_reader& in, std::string_view key)
{
    in.require(key, "an address block");
    const auto text = in.text(key);
    const auto block = text ? parse_block(*text) : std::nullopt;
    if (text && !block) {
        in.fault(key, "must be an address block such as 17.0.0.0/8");
    }
    return block;
}

// Null and absent are nothing.
std::optional<ip_address> read_address(object_reader& in, std::string_view key)
{
    const auto* member = in.member(key);
    if (member == nullptr || member->is_null()) {
        return std::nullopt;
    }
    const auto text = in.text(key);
    const auto address = text ? parse_address(*text) : std::nullopt;
    if (text && !address) {
        in.fault(key, "must be an IP address");
    }
    return address;
}

std::uint64_t read_count(object_reader& in, std::string_view key, std::int64_t least, std::int64_t most)
{
    in.require(key, "a count");
    return static_cast<std::uint64_t>(in.integer(key, least, most).value_or(least));
}

hop read_edge(object_reader in)
{
    in.allow({"hop", "address"});
    hop edge;
    if (const auto* member = in.member("hop"); member != nullptr && !member->is_null()) {
        if (const auto number = in.integer("hop", 1, 255)) {
            edge.number = static_cast<unsigned>(*number);
        }
    }
    edge.address = read_address(in, "address");
    return edge;
}

hole read_hole(object_reader& in, const ip_block& whole)
{
    in.allow({"block", "at_most", "how", "by", "samples", "silent"});
    hole out;
    out.where = read_block(in, "block").value_or(whole);
    out.at_most = read_block(in, "at_most").value_or(whole);
    const auto inside = [](const ip_block& small, const ip_block& large) {
        return large.contains(small.base) && small.prefix >= large.prefix;
    };
    if (!inside(out.where, out.at_most) || !inside(out.at_most, whole)) {
        in.fault("at_most", "must hold the hole and be a part of the block");
    }
    in.require("how", "how it is blocked");
    const auto how = in.text("how");
    const auto answer = how ? parse_block_answer(*how) : std::nullopt;
    if (how && (!answer || *answer == block_answer::passed || *answer == block_answer::not_measured)) {
        in.fault("how", "must be rejected, reset, answered or silent");
    }
    out.how = answer.value_or(block_answer::silent);
    out.by = read_address(in, "by");
    out.samples = static_cast<unsigned>(read_count(in, "samples", 1, most_counted));
    out.silent = static_cast<unsigned>(read_count(in, "silent", 0, out.samples));
    return out;
}

std::optional<block_ending> parse_ending(std::string_view text)
{
    for (const auto one :
         {block_ending::under_way, block_ending::complete, block_ending::no_control, block_ending::cut_short,
          block_ending::answers_for_all}) {
        if (text == to_string(one)) {
            return one;
        }
    }
    return std::nullopt;
}

// Hands a text to a parser and notes what it refuses.
template <class Parse>
auto read_as(object_reader& in, std::string_view key, Parse parse, const char* form)
{
    in.require(key, form);
    const auto text = in.text(key);
    auto value = text ? parse(*text) : decltype(parse(*text)){};
    if (text && !value) {
        in.fault(key, std::string{"must be "} + form);
    }
    return value;
}

void read_strata(object_reader& in, block_result& out)
{
    const auto strata = static_cast<unsigned>(read_count(in, "strata", 1, most_strata));
    const unsigned free_bits = address_bits(out.block.base.family) - out.block.prefix;
    if (!std::has_single_bit(strata) || (free_bits < 8 && strata > (1U << free_bits))) {
        in.fault("strata", "must be a power of two that the block can be cut into");
        return;
    }
    out.strata = strata;
    const auto hex = [strata](std::string_view text) { return parse_hex(text, strata); };
    out.covered =
        read_as(in, "covered", hex, "one hexadecimal digit for each four strata").value_or(out.covered);
}

void read_counts(object_reader& in, block_result& out)
{
    out.clean = read_count(in, "clean", 0, most_counted);
    out.blocked = read_count(in, "blocked", 0, most_counted);
    out.doubtful = read_count(in, "doubtful", 0, most_counted);
    out.rounds = read_count(in, "rounds", 1, most_counted);
    out.undecided = read_count(in, "undecided", 0, out.strata);
    if (out.undecided + out.covered.count() != out.strata) {
        in.fault("undecided", "must be the strata that are not covered");
    }
    if (out.n() < out.covered.count() || (out.n() > 0 && out.covered.none())) {
        in.fault("clean", "samples and covered strata contradict each other");
    }
}

} // namespace

json to_json(const block_result& what)
{
    json holes = json::array();
    for (const auto& one : what.holes) {
        holes.push_back(to_json(one));
    }
    json edge = {
        {"hop", what.edge.number ? json(*what.edge.number) : json()},
        {"address", optional_text(what.edge.address)}
    };
    return {
        {"block", to_text(what.block)},
        {"port", what.port},
        {"vantage", what.vantage},
        {"edge", std::move(edge)},
        {"seed", std::to_string(what.seed)}, // a text: readers in other languages have 53 bits
        {"ending", to_string(what.ending)},
        {"strata", what.strata},
        {"covered", to_hex(what.covered, what.strata)},
        {"n", what.n()},
        {"clean", what.clean},
        {"blocked", what.blocked},
        {"doubtful", what.doubtful},
        {"undecided", what.undecided},
        {"bound", what.bound()},
        {"rounds", what.rounds},
        {"since", to_text(what.since)},
        {"holes", std::move(holes)},
        {"sentence", sentence(what)},
    };
}

parsed<block_result> parse_block_result(std::string_view text, std::string_view file)
{
    const auto document = parse_json(text, file, comments::refused);
    if (!document) {
        return std::unexpected{document.error()};
    }
    file_faults faults;
    object_reader in{*document, document->value, "", std::string{file}, faults};
    in.allow(
        {"block", "port", "vantage", "edge", "seed", "ending", "strata", "covered", "n", "clean", "blocked",
         "doubtful", "undecided", "bound", "rounds", "since", "holes", "sentence"}
    );
    block_result out;
    out.block = read_block(in, "block").value_or(out.block);
    out.port = static_cast<std::uint16_t>(read_count(in, "port", 1, 65535));
    out.vantage = in.text("vantage").value_or("");
    if (in.has("edge")) {
        out.edge = read_edge(in.child("edge"));
    }
    out.seed = read_as(in, "seed", parse_decimal<std::uint64_t>, "a number in quotes").value_or(0);
    out.ending = read_as(in, "ending", parse_ending, "a known ending").value_or(out.ending);
    out.since =
        read_as(in, "since", parse_wall, "a time such as 2026-11-21T14:05:00.123Z").value_or(out.since);
    read_strata(in, out);
    read_counts(in, out);
    auto holes = in.children("holes");
    if (holes.size() > most_kept_holes) {
        in.fault("holes", "are too many");
        holes.clear();
    }
    for (auto& one : holes) {
        out.holes.push_back(read_hole(one, out.block));
    }
    if (!faults.empty()) {
        return std::unexpected{std::move(faults)};
    }
    return out;
}

} // namespace reachd
