// SPDX-License-Identifier: Apache-2.0
// rules_text.hpp: what the formats of rules.hpp share: harmless texts, targets, names of objects.
//
// Limits  Nothing from a catalogue or a report reaches a configuration but through these functions.
#pragma once

#include "reachd/core/rules.hpp"

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace reachd::rule_words {

// One line of printable ASCII for behind a comment sign, '?' (help on many command lines) left out.
std::string line(std::string_view text);
// For between quotes: letters, digits and a few signs that no format gives a meaning.
std::string quoted(std::string_view text, std::size_t most);

std::string label(const allow_rule& rule); // "catalogue/requirement"

// The address blocks of a rule in one family, none inside another, in ascending order.
std::vector<ip_block> targets(const allow_rule& rule, family which);
// "10.0.0.1" for a single address, else the block.
std::string short_text(const ip_block& block);
bool is_single(const ip_block& block);
std::string netmask(const ip_block& block); // 255.0.0.0
std::string without_dot(const std::string& name);

enum class names_as : std::uint8_t {
    objects,   // the platform asks DNS itself
    addresses, // a name is what the report found for it
};
// For whom, and what names stand for.
std::vector<std::string> head(const rule_set& rules, names_as how);
std::string sentence(const rule_note& note);
std::vector<std::string> sentences_of(const rule_set& rules); // its notes
// Both, as comments: what opens every file.
std::string opening(const rule_set& rules, names_as how, std::string_view sign);
// Text lines behind a comment sign.
std::string commented(const std::vector<std::string>& lines, std::string_view sign);

// A timer that ends with the very second that was asked for loses the packet that comes then.
inline constexpr std::chrono::seconds idle_margin{60};
std::chrono::seconds timer_for(const idle_rule& rule);
std::string idle_sentence(const idle_rule& rule);
// How long flows of that row must be kept; zero where nothing is asked.
std::chrono::seconds timer_of(const rule_set& rules, const allow_rule& rule);

// The rules to allow, then those that only an idle rule speaks of; each row and port list once.
std::vector<allow_rule> all_services(const rule_set& rules);

// Names of a platform's objects: harmless, within its length, one for each key.
class object_names {
public:
    explicit object_names(std::size_t most) : most_{most} {}
    std::string of(const std::string& key);

private:
    std::size_t most_;
    std::map<std::string, std::string> by_key_;
    std::set<std::string> taken_;
};

rule_text table(const rule_set& rules, std::size_t columns);
rule_text nftables(const rule_set& rules);
rule_text iptables(const rule_set& rules);
rule_text asa(const rule_set& rules);
rule_text panos(const rule_set& rules);
rule_text fortigate(const rule_set& rules);
rule_text aws(const rule_set& rules);

} // namespace reachd::rule_words
