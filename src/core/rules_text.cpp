// SPDX-License-Identifier: Apache-2.0
#include "rules_text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace reachd::rule_words {
namespace {

constexpr unsigned byte_bits = 8;

bool is_plain(char one)
{
    return (one >= 'a' && one <= 'z') || (one >= 'A' && one <= 'Z') || (one >= '0' && one <= '9');
}

unsigned width_of(family which)
{
    return which == family::v4 ? 32 : 128;
}

bool holds(const ip_block& outer, const ip_block& inner)
{
    return outer.prefix <= inner.prefix && outer.contains(inner.base);
}

const char* kind_text(note_kind kind)
{
    switch (kind) {
    case note_kind::inbound: return "inbound";
    case note_kind::not_configured: return "not configured";
    case note_kind::shut: return "must stay shut";
    case note_kind::no_rule_helps: return "no rule helps";
    case note_kind::beware: return "note";
    }
    return "";
}

std::string dotted(std::string text)
{
    std::ranges::replace_if(text, [](char one) { return !is_plain(one) && one != '.' && one != '-'; }, '_');
    return text;
}

} // namespace

std::string line(std::string_view text)
{
    std::string out;
    for (const char one : text) {
        const bool fine = one >= ' ' && one <= '~' && one != '?';
        if (fine || out.empty() || out.back() != '_') { // one sign for the bytes of one letter
            out += fine ? one : '_';
        }
    }
    return out;
}

std::string quoted(std::string_view text, std::size_t most)
{
    constexpr std::string_view harmless = " .,:/()+=@-_";
    std::string out;
    for (const char one : text.substr(0, most)) {
        out += is_plain(one) || harmless.find(one) != std::string_view::npos ? one : '_';
    }
    return out;
}

std::string label(const allow_rule& rule)
{
    return rule.catalogue + "/" + rule.requirement;
}

std::vector<ip_block> targets(const allow_rule& rule, family which)
{
    std::vector<ip_block> all;
    const auto add = [&](const ip_address& one) {
        all.push_back({one, static_cast<std::uint8_t>(width_of(one.family))});
    };
    std::ranges::for_each(rule.addresses, add);
    for (const auto& name : rule.names) {
        std::ranges::for_each(name.addresses, add);
    }
    all.insert(all.end(), rule.blocks.begin(), rule.blocks.end());
    std::erase_if(all, [which](const ip_block& one) { return one.base.family != which; });
    std::ranges::sort(all); // the same base: the shorter prefix first
    std::vector<ip_block> out;
    for (const auto& one : all) {
        if (out.empty() || !holds(out.back(), one)) {
            out.push_back(one);
        }
    }
    return out;
}

bool is_single(const ip_block& block)
{
    return block.prefix == width_of(block.base.family);
}

std::string short_text(const ip_block& block)
{
    return is_single(block) ? to_text(block.base) : to_text(block);
}

std::string netmask(const ip_block& block)
{
    ip_address mask;
    for (unsigned bit = 0; bit < block.prefix; ++bit) {
        mask.bytes[bit / byte_bits] |= static_cast<std::uint8_t>(0x80U >> (bit % byte_bits));
    }
    return to_text(mask);
}

std::string without_dot(const std::string& name)
{
    return name.ends_with('.') ? name.substr(0, name.size() - 1) : name;
}

std::string sentence(const rule_note& note)
{
    return fmt::format("{}: {}: {}", kind_text(note.kind), note.requirement, note.text);
}

std::vector<std::string> head(const rule_set& rules, names_as how)
{
    std::vector<std::string> out{fmt::format(
        "What site {} must be able to reach{}, by `reachctl rules`.", rules.site,
        rules.extent == rule_extent::whole ? "" : " (a part of it)"
    )};
    std::vector<std::string> missing;
    bool any = false;
    for (const auto& rule : rules.allow) {
        for (const auto& one : rule.names) {
            any = true;
            if (one.addresses.empty() && std::ranges::find(missing, one.name) == missing.end()) {
                missing.push_back(one.name);
            }
        }
    }
    if (!any) {
        return out;
    }
    out.emplace_back("The site's machines must also reach their DNS servers, which no catalogue lists.");
    if (how == names_as::objects) {
        out.emplace_back("Names are meant, not today's addresses of theirs.");
        return out;
    }
    if (!rules.known_at.empty()) {
        out.push_back(
            fmt::format(
                "Addresses of names as of {}. They change: make these rules anew then.", rules.known_at
            )
        );
    }
    if (!missing.empty()) {
        out.push_back(
            fmt::format(
                "No address is known here, and so no rule made, for {}: --resolve or a report has them.",
                fmt::join(missing, ", ")
            )
        );
    }
    return out;
}

std::vector<std::string> sentences_of(const rule_set& rules)
{
    std::vector<std::string> out;
    out.reserve(rules.notes.size());
    for (const auto& note : rules.notes) {
        out.push_back(sentence(note));
    }
    return out;
}

std::string opening(const rule_set& rules, names_as how, std::string_view sign)
{
    return commented(head(rules, how), sign) + commented(sentences_of(rules), sign);
}

std::string commented(const std::vector<std::string>& lines, std::string_view sign)
{
    std::string out;
    for (const auto& one : lines) {
        out += fmt::format("{} {}\n", sign, line(one));
    }
    return out;
}

std::chrono::seconds timer_for(const idle_rule& rule)
{
    return rule.hold + idle_margin;
}

std::string idle_sentence(const idle_rule& rule)
{
    std::vector<std::string> over;
    over.reserve(rule.over.size());
    for (const auto& one : rule.over) {
        over.push_back(one.requirement);
    }
    return fmt::format(
        "{}/{}: {} flows of {} must be kept at least {} s without a packet (set: {} s; longer is fine)",
        rule.catalogue, rule.requirement, to_string(rule.transport),
        over.empty() ? "any row" : fmt::format("{}", fmt::join(over, ", ")), rule.hold.count(),
        timer_for(rule).count()
    );
}

std::chrono::seconds timer_of(const rule_set& rules, const allow_rule& rule)
{
    std::chrono::seconds longest{};
    for (const auto& idle : rules.idle) {
        for (const auto& one : idle.over) {
            if (label(one) == label(rule)) {
                longest = std::max(longest, timer_for(idle));
            }
        }
    }
    return longest;
}

std::vector<allow_rule> all_services(const rule_set& rules)
{
    auto out = rules.allow;
    for (const auto& idle : rules.idle) {
        for (const auto& one : idle.over) {
            const bool known = std::ranges::any_of(out, [&](const allow_rule& other) {
                return label(other) == label(one) && other.ports == one.ports;
            });
            if (!known) {
                out.push_back(one);
            }
        }
    }
    return out;
}

std::string object_names::of(const std::string& key)
{
    if (const auto known = by_key_.find(key); known != by_key_.end()) {
        return known->second;
    }
    const auto whole = "reachd-" + dotted(key);
    auto name = whole.substr(0, most_);
    for (unsigned number = 2; taken_.contains(name); ++number) {
        const auto tail = fmt::format("-{}", number);
        name = whole.substr(0, most_ - tail.size()) + tail;
    }
    taken_.insert(name);
    by_key_.emplace(key, name);
    return name;
}

} // namespace reachd::rule_words
