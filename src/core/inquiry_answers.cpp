// SPDX-License-Identifier: Apache-2.0
// From how far answers come: whether the destination made them, or somebody nearer.
#include "order_book.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace reachd {
namespace {

constexpr unsigned usual_initial_ttl = 64;
constexpr unsigned most_min_ttl = 255;
constexpr std::array<unsigned, 4> first_guesses{4, 8, 16, most_hops};

class answers {
public:
    explicit answers(order_book& book) : book_{book}, all_{book.all} {}

    void run()
    {
        for (const auto& one : book_.groups) {
            ask_about_answers_of(one, first_look::connected);
            ask_about_answers_of(one, first_look::refused);
        }
    }

private:
    // Narrows down the lowest hop limit that is answered. True when it is known, or cannot be.
    bool search(const flow& which, const std::string& payload)
    {
        const auto& own = all_.view(which);
        const auto at = own.answered_at();
        if (!at) {
            return guess(which, payload);
        }
        unsigned below = 0;
        for (auto limit = *at - 1; limit >= 1; --limit) {
            if (own.is_settled(limit, search_tries)) {
                below = limit;
                break;
            }
        }
        if (*at - below <= 1) {
            return *at == 1 || book_.want(which, *at - 1, hop_tries, need::answer, payload);
        }
        const auto gap = *at - below;
        const unsigned pieces = std::min(gap, 4U);
        for (unsigned i = 1; i < pieces; ++i) {
            book_.want(which, below + gap * i / pieces, search_tries, need::answer, payload);
        }
        return false;
    }

    // The distance of another flow to the same address, or of most destinations, is a good first guess.
    std::optional<unsigned> likely_distance(const flow& which) const
    {
        for (const auto& other : all_.facts(which.vantage, which.target.address).flows) {
            if (const auto at = all_.view(other).answered_at()) {
                return at;
            }
        }
        std::map<unsigned, unsigned> met;
        for (const auto& one : book_.groups) {
            const bool alike =
                one.vantage == which.vantage && one.address.family == which.target.address.family;
            for (const auto& each : one.members) {
                if (const auto at = all_.view(each.which).answered_at(); alike && at) {
                    ++met[*at];
                }
            }
        }
        const auto most = std::ranges::max_element(met, {}, [](const auto& entry) { return entry.second; });
        return most == met.end() ? std::nullopt : std::optional{most->first};
    }

    bool guess(const flow& which, const std::string& payload)
    {
        const auto hint = likely_distance(which);
        if (hint && *hint > 1) {
            const bool tried = book_.want(which, *hint, search_tries, need::answer, payload);
            const bool below = book_.want(which, *hint - 1, search_tries, need::answer, payload);
            if (!tried || !below) {
                return false;
            }
        }
        bool all_tried = true;
        for (const auto limit : first_guesses) {
            const auto tries = limit == most_hops ? hop_tries : search_tries;
            const bool tried = book_.want(which, limit, tries, need::answer, payload);
            all_tried = all_tried && tried;
        }
        return all_tried; // answered at first, and now no more: nothing can be said
    }

    void bracket(const flow& which, unsigned at)
    {
        const auto guessed = usual_initial_ttl + 1 - at;
        const bool at_guess = book_.want_min(which, guessed);
        const bool above_guess = book_.want_min(which, guessed + 1);
        const auto low = all_.view(which).received_low();
        const auto high = all_.view(which).received_high();
        if (at_guess && above_guess && low == high && low < most_min_ttl) {
            book_.want_min(which, low + 1, sure_min_ttl_tries);
        }
        if (!at_guess || !above_guess || low >= high) {
            return;
        }
        const auto gap = high - low;
        const unsigned pieces = std::min(gap, 5U);
        for (unsigned i = 1; i <= pieces; ++i) {
            book_.want_min(which, std::min(most_min_ttl, low + gap * i / pieces));
        }
    }

    void follow_answer(const group& one, const member& each, bool is_one_of_many)
    {
        if (!search(each.which, each.payload)) {
            return;
        }
        const auto at = all_.view(each.which).answered_at();
        if (!at) {
            return;
        }
        const auto& known = all_.facts(one.vantage, one.address);
        const auto control = control_to(one, 0);
        book_.want(control, *at - 1, walk_tries, need::icmp); // whether both take the same way up to there
        for (auto limit = *at; limit <= *at + beyond_target; ++limit) {
            const bool said = (known.spoke_at && *known.spoke_at <= limit && limit > *at) ||
                              all_.farthest_other(each.which) > limit;
            if (!said) {
                book_.want(control, limit, limit == *at ? hop_tries : walk_tries, need::answer);
            }
        }
        for (const auto& other : known.flows) {
            if (other != each.which && all_.view(other).answered_at() > *at) {
                book_.want(other, *at - 1, walk_tries, need::icmp);
            }
        }
        // Where datagrams to it show nothing, a SYN to a port at which nothing listens may: by its RST.
        const auto& datagrams = all_.view(control);
        if (!known.spoke_at && all_.farthest_other(each.which) < *at && datagrams.answered.empty() &&
            datagrams.is_silent_at(*at, hop_tries)) {
            const flow refused{one.vantage, {one.address, control_port, transport::tcp}};
            if (search(refused, {})) {
                book_.want(refused, *at, hop_tries, need::answer);
            }
        }
        const bool contradicted =
            all_.wants_received_ttl(each.which) || all_.farthest_other(each.which) >= *at;
        if (contradicted) {
            book_.want(control_to(one, 1), *at - 1, walk_tries, need::icmp);
            book_.want(control_to(one, 1), *at, walk_tries, need::answer);
        }
        if (each.which.target.transport == transport::tcp && !each.said) {
            if (contradicted || is_one_of_many || all_.has_rival(each.which)) {
                bracket(each.which, *at);
            } else if (known.spoke_at == at && known.icmp_received_ttl) {
                const auto far = static_cast<unsigned>(*known.icmp_received_ttl);
                if (book_.want_min(each.which, far) && book_.want_min(each.which, far + 1) &&
                    all_.view(each.which).received_ttl() != far) {
                    bracket(each.which, *at);
                }
            }
        }
        const auto& own = all_.view(each.which);
        if (*at == 1 && all_.origin_of(each.which) == origin::near && own.link_answers == 0 &&
            own.link_failures < hop_tries && own.link_silences < walk_tries) {
            book_.add({.which = each.which, .on_link = true, .payload = each.payload});
        }
        if (each.which.target.transport == transport::tcp &&
            all_.origin_of(each.which) != origin::consistent) {
            ask_canary(one, each.which);
        }
    }

    // Whoever answers at an address that cannot exist answers for everybody on that port.
    void ask_canary(const group& one, const flow& which)
    {
        const flow canary{one.vantage, canary_for(one.address.family, which.target.port)};
        book_.share(true);
        const auto& own = all_.view(canary);
        if (own.plain_answers + own.plain_others == 0) {
            book_.add({.which = canary});
        }
        if (own.plain_answers > 0) {
            search(canary, {});
        }
        book_.share(false);
    }

    void ask_about_answers_of(const group& one, first_look look)
    {
        const auto stands_for = answering_representatives(all_, one, look);
        const auto alike = std::ranges::count(one.members, look, &member::look);
        const bool many = static_cast<std::size_t>(alike) > walked_each && one.transport == transport::tcp;
        for (std::size_t i = 0; i < one.members.size(); ++i) {
            if (one.members[i].look != look) {
                continue;
            }
            if (stands_for[i] == i) {
                follow_answer(one, one.members[i], many);
            } else if (stands_for[i] == nobody) {
                ask_likeness(one, stands_for, look, i);
            }
        }
    }

    // Whether a member's answers arrive with the TTL of a representative's, for each that is known.
    void
    ask_likeness(const group& one, const std::vector<std::size_t>& stands_for, first_look look, std::size_t i)
    {
        for (std::size_t r = 0; r < one.members.size(); ++r) {
            if (stands_for[r] != r || one.members[r].look != look || one.members[r].said ||
                one.members[i].said) {
                continue;
            }
            const auto received = all_.view(one.members[r].which).received_ttl();
            const auto from = all_.origin_of(one.members[r].which);
            if (received && from != origin::unchecked && book_.want_min(one.members[i].which, *received) &&
                *received < most_min_ttl) {
                book_.want_min(one.members[i].which, *received + 1);
            }
        }
    }

    order_book& book_;
    const evidence& all_;
};

} // namespace

void ask_about_answers(order_book& book)
{
    answers{book}.run();
}

} // namespace reachd
